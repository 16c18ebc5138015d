"""Controls: where there is nothing to learn, nothing must be learned.

Text-only on RAVDESS's two sentences gives exactly 0.25 UA (anything else is a leak), near it on what the recogniser hears; labels
shuffled in training give chance. --seeds repeats the last.

python benchmarks/controls.py --data DATA --features FEATURES
"""

import json
from dataclasses import replace

import numpy as np
from corpora import PLAIN, describe, fold_speakers, load_corpora, parse_arguments, run_frames, take_speakers

from mmer.audio.load import load_audio
from mmer.datasets.manifest import read_manifest
from mmer.demo_heads.corpora import extract_parts
from mmer.demo_heads.recipe import read_demo_texts
from mmer.encoders.encoders import TextEncoder
from mmer.encoders.presets import PRESETS
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import PairedExample, show_texts
from mmer.experiments.trainer.predict import ModelReader
from mmer.experiments.trainer.schedule import PairedData
from mmer.feature_store.extract import extract_texts
from mmer.heads.folder import load_head
from mmer.scores.metrics import measure_ua
from mmer.transcript.transcribe import Recogniser

PRETRAINED = "pretrained/late-fs"


def recognise(args) -> dict[str, str]:
    """RAVDESS clip -> what the recogniser hears; kept beside the features."""
    path = args.features / "ravdess_recognised.json"
    if not path.exists():
        recogniser = Recogniser.load(threads=1)
        clips = [u.path for u in read_manifest(args.data / "speech" / "ravdess").utterances]
        path.write_text(json.dumps({clip.name: recogniser.transcribe(load_audio(clip)).text for clip in clips}))
    return json.loads(path.read_text())


def measure_folds(items, keys, cache) -> tuple[float, list[float]]:
    """UA of a text branch trained on RAVDESS's own words in five folds by speaker: over all clips, and fold by fold."""
    folds = fold_speakers(items, 5)
    found = []
    for fold, test in enumerate(folds):
        held_out = folds[(fold + 1) % 5]
        parts = [
            [replace(s, text=keys[s.name], units=("T",)) for s in items if (s.speaker in test, s.speaker in held_out) == where]
            for where in ((False, False), (False, True), (True, False))
        ]
        data = PairedData(texts=tuple(parts[0]), validation_texts=tuple(parts[1]))
        trained = train_pairs(replace(PLAIN, units=("T",)), data, cache)
        found.append(trained.predict(show_texts(parts[2])))
    labels, logits = (np.concatenate([getattr(o, name) for o in found]) for name in ("labels", "logits"))
    return Outputs(labels, logits).ua(), [o.ua() for o in found]


def shuffle_labels(items, seed: int):
    labels = np.random.default_rng(seed).permutation([s.label for s in items])
    return tuple(replace(s, label=int(label)) for s, label in zip(items, labels))


def main() -> None:
    args = parse_arguments(__doc__)
    corpora, cache = load_corpora(args, ("ravdess",))
    items, encoder = corpora["ravdess"], TextEncoder.load(PRESETS["compact"])
    heard = recognise(args)
    spoken = sorted(name for name, text in heard.items() if text.strip())
    heard_keys = dict(zip(spoken, extract_texts([heard[n] for n in spoken], cache, encoder, preset="compact")))
    script_keys = {s.name: s.text for s in items}

    texts, _ = read_demo_texts(args.data / "text")
    parts = extract_parts({name: texts[name] for name in ("train", "validation")}, cache, encoder, preset="compact")
    data = PairedData(texts=parts["train"], validation_texts=parts["validation"])
    general = train_pairs(replace(PLAIN, units=("T",)), data, cache)
    head = load_head(PRETRAINED)
    for name, keys in (("script", script_keys), ("recognised words", heard_keys)):
        clips = [s for s in items if s.name in keys]
        examples = [PairedExample(s.label, None, keys[s.name], ("T",)) for s in clips]
        ua = general.predict(examples).ua()
        print(f"text branch of the text corpora on RAVDESS's {name}: UA {ua:.4f} ({len(clips)} clips)", flush=True)
        outputs = ModelReader.of(head, cache).predict(examples)
        print(
            f"text branch of late-fs on RAVDESS's {name}: UA {measure_ua(outputs.labels, outputs.branches['T'].argmax(1)):.4f}", flush=True
        )
        whole, folds = measure_folds(clips, keys, cache)
        print(f"text branch trained on RAVDESS's {name}: UA {whole:.4f}; folds {describe(folds)}", flush=True)

    found = []
    for seed in range(args.seeds):
        for fold, test in enumerate(fold_speakers(items, 5)):
            held_out = fold_speakers(items, 5)[(fold + 1) % 5]
            training = take_speakers(items, {s.speaker for s in items} - {*test, *held_out})
            validation = shuffle_labels(take_speakers(items, held_out), seed)
            test_items = take_speakers(items, test)
            found += run_frames(replace(PLAIN, seed=seed), shuffle_labels(training, seed), validation, [test_items], cache)
    print(f"frame branch trained on shuffled labels: UA {describe(found)} over {len(found)} folds; chance 0.25")


if __name__ == "__main__":
    main()
