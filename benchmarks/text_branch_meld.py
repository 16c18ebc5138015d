"""The text branch alone (Linear, T) on MELD's test split, four classes, trained without any sentence of a validation or test split.

python benchmarks/text_branch_meld.py --data DATA --features FEATURES
"""

from dataclasses import replace

import numpy as np
from corpora import PLAIN, parse_arguments

from mmer.demo_heads.corpora import extract_parts
from mmer.demo_heads.recipe import read_demo_texts
from mmer.encoders.encoders import TextEncoder
from mmer.encoders.presets import PRESETS
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import show_texts
from mmer.experiments.trainer.schedule import PairedData
from mmer.feature_store.cache import FeatureCache
from mmer.scores.metrics import count_confusions, measure_wa


def main() -> None:
    args = parse_arguments(__doc__)
    cache = FeatureCache(args.features)
    texts, dropped = read_demo_texts(args.data / "text")
    print("dropped because another split holds the same sentence:", ", ".join(f"{n} of {k}" for k, n in dropped.items()))
    items = extract_parts(texts, cache, TextEncoder.load(PRESETS["compact"]), preset="compact")
    data = PairedData(texts=items["train"], validation_texts=items["validation"])
    tests = [name for name in items if name.startswith("test")]
    print("| seed | " + " | ".join(f"{name}: UA | WA" for name in tests) + " |\n|" + "---|" * (1 + 2 * len(tests)))
    for seed in range(args.seeds):
        trained = train_pairs(replace(PLAIN, units=("T",), seed=seed), data, cache)
        cells = []
        for name in tests:
            outputs = trained.predict(show_texts(items[name]))
            cells += [f"{outputs.ua():.3f}", f"{measure_wa(outputs.labels, outputs.logits.argmax(1)):.3f}"]
            if name == "test meld":
                confusion = count_confusions(outputs.labels, outputs.logits.argmax(1))
        print(f"| {seed} | " + " | ".join(cells) + " |", flush=True)
    print("confusion on MELD's test split (rows: anger, happiness, sadness, neutral; columns: said):")
    print(np.array2string(confusion))


if __name__ == "__main__":
    main()
