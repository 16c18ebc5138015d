"""What only a card with a real encoder and real speech can tell: extraction there with worker processes, and the UA of each precision.

    python benchmarks/card_study.py STUDY --make --data RAVDESS          # once, where everything is installed: 16 MB and the clips
    python benchmarks/card_study.py STUDY [--device cuda] [--models linear:F coattention:TF] [--precisions float32 tf32 bfloat16]

STUDY holds the compact preset's speech encoder in half precision, a copy of the corpus, and a text encoder of random weights, which on
RAVDESS loses nothing: its two sentences say nothing of the emotion. The second call reads the frames of all clips by the way that `extract`
takes, with processes that load the clips; kills that with SIGKILL once on the way and goes on; compares some entries with the CPU's; then
trains every model in every precision by the way that `train` takes, and prints the UA over the runs and the differences from float32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile
import torch
from safetensors.torch import save_file

from mmer.datasets.dataset import Dataset
from mmer.datasets.reading import read_dataset
from mmer.devices.choice import Choice, Device
from mmer.devices.placement import Placement, open_placement
from mmer.encoders.presets import PRESETS, Preset, Weights
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import extract_dataset
from mmer.feature_store.overlap import StageTimes

STUDY = "MMER_CARD_STUDY"  # the folder, for the processes that this one starts
ROW = "study"  # the preset's name
MODELS = ("linear:F", "late:TF", "coattention:TF")
PRECISIONS = ("float32", "tf32", "bfloat16")
PLANTED = "planted"  # instead of a device: a CPU that extraction takes for a card
COMPARED = 24  # clips that the CPU encodes too


def make_study(folder: Path, data: Path) -> None:
    """Writes the two encoders as packages that the preset's row finds, and copies the corpus."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    from mmer.encoders.loading import load_speech_model

    compact = PRESETS["compact"]
    module, _ = load_speech_model(compact, compact.speech.find())
    speech, text = folder / "study_speech" / "model", folder / "study_text" / "model"
    for place in (speech, text):
        place.mkdir(parents=True)
        (place.parent / "__init__.py").write_text("")
    save_file({f"model.encoder.{k}": v.half().contiguous() for k, v in module.state_dict().items()}, speech / "model.safetensors")
    config: Any = module.config
    config.save_pretrained(speech)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(chr(c) for c in range(33, 127)), *(f"##{chr(c)}" for c in range(33, 127))]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))  # letters, for any text
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(text / "tokenizer.json"))
    torch.manual_seed(0)
    small = {"hidden_size": compact.text.dim, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    bert = BertModel(BertConfig(**small, vocab_size=len(words), max_position_embeddings=512, pad_token_id=0))
    bert.config.save_pretrained(text)
    save_file({f"bert.{k}": v.contiguous() for k, v in bert.state_dict().items() if "pooler" not in k}, text / "model.safetensors")
    names = {"study_speech": ("model.safetensors", "config.json"), "study_text": ("model.safetensors", "config.json", "tokenizer.json")}
    hashes = {
        package: {name: hashlib.sha256((folder / package / "model" / name).read_bytes()).hexdigest() for name in files}
        for package, files in names.items()
    }
    (folder / "hashes.json").write_text(json.dumps(hashes))
    shutil.copytree(data, folder / "data")


def make_row(folder: Path) -> Preset:
    """The preset of the study: compact's, with the encoders of the folder."""
    hashes, compact = json.loads((folder / "hashes.json").read_text()), PRESETS["compact"]

    def place(weights: Weights, package: str, **changed: Any) -> Weights:
        files: Mapping[str, str] = MappingProxyType(hashes[package])
        return replace(weights, repo=package, files=files, packages=(package,), folder="model", extra="", **changed)

    speech, text = place(compact.speech, "study_speech"), place(compact.text, "study_text", layers=1)
    return replace(compact, name=ROW, speech=speech, text=text)


if STUDY in os.environ:  # in this process and those that it starts, which find the row by its name
    sys.path.insert(0, os.environ[STUDY])
    held = PRESETS.adding(make_row(Path(os.environ[STUDY])))  # a name, since the row goes when this does
    held.__enter__()


# extraction


def extract(dataset: Dataset, features: Path, device: str, *, workers: int, times: StageTimes | None = None) -> FeatureCache:
    cache = FeatureCache(features)
    placement = Placement(Choice(Device("cpu:0", PLANTED))) if device == PLANTED else open_placement(device, strict=True)
    options: dict[str, Any] = {"preset": ROW, "units": ("T", "F"), "aligner": None, "workers": workers}
    extract_dataset(dataset, cache, times=times, placement=placement, **options)
    return cache


def count_entries(features: Path) -> int:
    return len(list(features.rglob("*.safetensors")))


def study_extraction(folder: Path, features: Path, device: str, workers: int) -> None:
    """Kills an extraction, goes on, and compares with the CPU."""
    dataset = read_dataset(folder / "data")
    command = [sys.executable, __file__, str(folder), "--only-extract", "--device", device, "--features", str(features)]
    with subprocess.Popen([*command, "--workers", str(workers)]) as child:
        while child.poll() is None and count_entries(features) < len(dataset.utterances) // 4:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    done, times, begun = count_entries(features), StageTimes(), time.perf_counter()
    cache = extract(dataset, features, device, workers=workers, times=times)
    seconds, parts = time.perf_counter() - begun, len(list(features.rglob("*.part")))
    print(f"killed after {done} entries; went on to {count_entries(features)} in {seconds:.1f} s")
    print(f"{parts} torn files left, which an extraction takes away after ten minutes")
    print(times.describe(), flush=True)
    sound = sum(soundfile.info(u.path).duration for u in dataset.utterances)
    fresh, begun = StageTimes(), time.perf_counter()
    extract(dataset, features.with_name(f"{features.name}-again"), device, workers=workers, times=fresh)
    seconds = time.perf_counter() - begun
    print(f"all {len(dataset.utterances)} clips once more, {workers} workers: {seconds:.1f} s; {sound:.0f} s of sound")
    print(fresh.describe(), flush=True)
    some = replace(dataset, utterances=dataset.utterances[:: len(dataset.utterances) // COMPARED][:COMPARED])
    here = extract(some, features.with_name(f"{features.name}-cpu"), "cpu", workers=1)
    worst = 0.0
    for path in here.folder.rglob("*.safetensors"):
        ours, theirs = cache.read(path.stem), here.read(path.stem)
        for unit, one in ours.units.items():
            far = np.abs(one.states.astype(np.float32) - theirs.units[unit].states.astype(np.float32)).max()
            worst = max(worst, float(far / np.abs(theirs.units[unit].states).max()))
    print(f"{COMPARED} clips: states differ from the CPU's by at most {worst:.1e} of the largest", flush=True)


# precision


def study_precisions(folder: Path, features: Path, device: str, models: Sequence[str], precisions: Sequence[str], stride: int) -> None:
    """Trains each model in each precision; the same folds, splits, weights and dropout masks."""
    from mmer.experiments.experiment import Experiment
    from mmer.experiments.prepare import claim_experiment
    from mmer.experiments.trainer.run_experiment import run_experiment

    print(f"{'model':18}{'precision':12}{'UA':>8}{'SD':>8}{'- float32':>11}{'95 %':>18}{'epochs':>8}{'seconds':>9}")
    for model in models:
        fusion, _, units = model.partition(":")
        base = None
        for precision in precisions:
            options: dict[str, Any] = {"preset": ROW, "precision": precision, "device": device, "by": "speaker", "frame_stride": stride}
            experiment = Experiment(str(folder / "data"), str(features), fusion=fusion, units=tuple(units), **options)
            begun = time.perf_counter()
            run = claim_experiment(features.with_name("runs"), f"{fusion}-{units}-{precision}", experiment)
            results = run_experiment(run, say=lambda sentence: None)
            seconds = time.perf_counter() - begun
            found = np.array([row["ua"] for row in results["runs"]])
            base = found if base is None else base
            gap = found - base
            half = 1.96 * gap.std(ddof=1) / len(gap) ** 0.5
            epochs = np.mean([row["epochs"] for row in results["runs"]])
            between = f"{gap.mean() - half:+.4f} {gap.mean() + half:+.4f}"
            line = f"{model:18}{precision:12}{found.mean():8.4f}{found.std(ddof=1):8.4f}{gap.mean():+11.4f}{between:>18}"
            print(f"{line}{epochs:8.1f}{seconds:9.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--data", type=Path, help="with --make: the corpus, a folder with a manifest")
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--features", type=Path, default=Path("study-features"), help="a folder for the features; its neighbours are written too"
    )
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--frame-stride", type=int, default=1, help="train on every n-th frame")
    parser.add_argument("--only-extract", action="store_true", help="no more than one extraction")
    parser.add_argument("--only-train", action="store_true", help="one extraction and the precisions")
    args = parser.parse_args()
    if args.make:
        return make_study(args.study, args.data)
    if STUDY not in os.environ:  # once more, so that every process finds the row
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {STUDY: str(args.study.resolve())})
    if args.only_extract:
        extract(read_dataset(args.study / "data"), args.features, args.device, workers=args.workers)
        return None
    if args.only_train:
        extract(read_dataset(args.study / "data"), args.features, args.device, workers=args.workers)
    else:
        study_extraction(args.study, args.features, args.device, args.workers)
    device = "cpu" if args.device == PLANTED else args.device
    study_precisions(args.study, args.features, device, args.models, args.precisions, args.frame_stride)
    return None


if __name__ == "__main__":
    main()
