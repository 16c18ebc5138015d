"""Writes a package `kalpy` that answers like the real one: just enough of its classes for `worker.py`, with planted intervals."""

MODULES = {
    "__init__": "",
    "models": """
import json, pathlib
class AcousticModel:
    def __init__(self, path):
        self.meta = json.loads((pathlib.Path(path) / "meta.json").read_text())
        self.mfcc_computer = "mfcc"
        print("kalpy says something on standard output", flush=True)
""",
    "fstext/__init__": "",
    "fstext/lexicon": """
class LexiconCompiler:
    def __init__(self, *, phones, silence_phone, oov_phone, position_dependent_phones, ignore_case, disambiguation, **probabilities):
        assert silence_phone == "sil" and oov_phone == "spn" and ignore_case and not disambiguation
        self.words = None
    def load_pronunciations(self, path):
        rows = [line.rstrip("\\n").split("\\t") for line in open(path, encoding="utf-8")]
        self.words = {row[0]: row[-1].split() for row in rows}
    def create_fsts(self):
        self.ready = True
    def clear(self):
        pass
""",
    "feat/__init__": "",
    "feat/cmvn": """
class CmvnComputer:
    def compute_cmvn_from_features(self, features):
        return ("cmvn", features)
""",
    "data": """
class Segment:
    def __init__(self, path, begin, end):
        self.begin, self.end, self._wave = begin, end, None
""",
    "utterance": """
class Utterance:
    def __init__(self, segment, text):
        self.segment, self.text, self.mfccs = segment, text, None
    def generate_mfccs(self, computer):
        assert computer == "mfcc"
        self.mfccs = [computer, len(self.segment._wave)]
    def apply_cmvn(self, cmvn):
        assert cmvn == ("cmvn", [self.mfccs])
        whole = self.segment._wave * 32768
        assert (whole == whole.round()).all(), "samples must be those of a 16 bit file"
""",
    "aligner": """
import os
from types import SimpleNamespace as Object
class AlignerError(Exception):
    pass
class KalpyAligner:
    def __init__(self, model, lexicon, *, beam, retry_beam):
        assert lexicon.ready and beam < retry_beam
        self.lexicon = lexicon
    def align_utterance(self, utterance):
        words = utterance.text.split()
        if "mismatch" in words:
            raise AlignerError("AlignerError:\\n\\nCould not align the file with the current beam size (10")
        if "broken" in words:
            raise ValueError("Something else is wrong")
        if "crash" in words:
            os.abort()
        found, at = [Object(label="<eps>", begin=0.0, end=0.1, phones=[Object(label="sil", begin=0.0, end=0.1)])], 0.1
        for word in words:
            phones = self.lexicon.words.get(word, ["spn"])
            intervals = [Object(label=p, begin=at + 0.1 * i, end=at + 0.1 * (i + 1)) for i, p in enumerate(phones)]
            label = word if word in self.lexicon.words else "<unk>"
            found.append(Object(label=label, begin=at, end=intervals[-1].end, phones=intervals))
            at = intervals[-1].end
        frames = len(utterance.segment._wave) // 160
        return Object(word_intervals=found, likelihood=-106.0 * frames)  # the clip's total, as the real one gives it
""",
}
DICTIONARY = "he\tHH IY1\nwas\t0.99\t0.1\t1.0\t1.0\tW AA1 Z\nwas\tW AH0 Z\nyoung\tY AH1 NG\nthere\tDH EH1 R\n's\tZ\nHe\tIY0\n"
PHONES = [
    "HH",
    "IY0",
    "IY1",
    "W",
    "AA0",
    "AA1",
    "Z",
    "Y",
    "AH0",
    "AH1",
    "NG",
    "DH",
    "EH0",
    "EH1",
    "R",
    "M",
    "AE1",
    "N",
    "L",
    "B",
    "T",
    "AO1",
]


def write_kalpy(folder, *, modules=MODULES):
    for name, code in modules.items():
        path = folder / "kalpy" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)


IPA_DICTIONARY = "he\th iː\nwas\tw ɐ z\nyoung\tj ɐ ŋ\n"
IPA_LIST = "h ç iː i w ɐ ə z j ŋ m æ n k c kʰ d ɪ s p ow ɑː ɑ t tʰ"
IPA_PHONES = IPA_LIST.split()


def write_models(root, *, name="english_us_arpa", phones=PHONES, words=DICTIONARY):
    """An acoustic model as a folder and a dictionary, where `mfa model download` puts them."""
    import json

    acoustic = root / "pretrained_models" / "acoustic" / name
    dictionary = root / "pretrained_models" / "dictionary" / f"{name}.dict"
    acoustic.mkdir(parents=True)
    dictionary.parent.mkdir(parents=True, exist_ok=True)
    meta = {"phones": phones, "optional_silence_phone": "sil", "oov_phone": "spn", "dictionaries": {"position_dependent_phones": False}}
    (acoustic / "meta.json").write_text(json.dumps(meta))
    dictionary.write_text(words, encoding="utf-8")
    return acoustic, dictionary
