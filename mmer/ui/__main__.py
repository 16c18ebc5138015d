"""Computes the stored analyses and lessons of the examples again: python -m mmer.ui assets/examples pretrained"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer.encoders.presets import DEFAULT, PRESETS
from mmer.pipeline import Analyzer
from mmer.ui.explore.examples import list_examples, store_example
from mmer.ui.lesson import store_lesson


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the stored analyses and lessons of the examples again.")
    parser.add_argument("examples", type=Path, help="folder of the examples, e.g. assets/examples")
    parser.add_argument("heads", type=Path, help="folder of the heads, e.g. pretrained")
    parser.add_argument("--preset", default=DEFAULT, choices=tuple(PRESETS), help="the pair of encoders (%(default)s)")
    options = parser.parse_args()
    analyzer = Analyzer.load(preset=options.preset, heads_folder=options.heads)
    for example in list_examples(options.examples):
        best = store_example(example, analyzer).best
        store_lesson(example, analyzer)
        print(f"{example.folder.name}: {best.label} {best.probabilities.max():.2f} ({best.verdict}), meant as {example.emotion}")


if __name__ == "__main__":
    main()
