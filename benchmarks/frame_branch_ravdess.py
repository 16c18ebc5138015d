"""The frame branch alone (Linear, F) on RAVDESS, five folds with other speakers in training, validation and test. Wanted: UA >= 0.75.

python benchmarks/frame_branch_ravdess.py --data DATA --features FEATURES
"""

from dataclasses import replace

import numpy as np
from corpora import SETTINGS, describe, fold_speakers, load_corpora, parse_arguments, run_frames, take_speakers


def main() -> None:
    args = parse_arguments(__doc__)
    corpora, cache = load_corpora(args, ("ravdess",))
    items = corpora["ravdess"]
    folds = fold_speakers(items, 5)
    for name, config in SETTINGS.items():
        means = []
        for seed in range(args.seeds):
            found = []
            for fold, test in enumerate(folds):
                held_out = folds[(fold + 1) % 5]
                training = take_speakers(items, {s.speaker for s in items} - {*test, *held_out})
                parts = training, take_speakers(items, held_out), [take_speakers(items, test)]
                found += run_frames(replace(config, seed=seed), *parts, cache)
            print(f"{name}, seed {seed}: UA {describe(found)}; folds {', '.join(f'{u:.3f}' for u in found)}", flush=True)
            means.append(np.mean(found))
        print(f"{name}: mean UA {np.mean(means):.3f}", flush=True)


if __name__ == "__main__":
    main()
