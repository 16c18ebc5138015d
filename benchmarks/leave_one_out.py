"""A leave-one-out curve over 40 words: all versions as batches against one version at a time, in one process, taking turns.

    python benchmarks/leave_one_out.py [--clips CLIP ...] [--words N] [--rounds N]

Three ways to the same numbers: `batched` (leave_one_out), `single` (the alignment kept, one Analyzer.analyze_parts per word, what
did not change remembered) and `whole` (one Analyzer.analyze per word, which also aligns again, so its numbers may differ). Prints CPU
seconds (median over the rounds; on one thread those of an idle machine's clock), their ratio to `batched`, where the time of `batched`
goes, and the largest difference between `batched` and `single`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mmer.audio.load import clip_from_samples, load_audio
from mmer.interventions import Mute, Target, leave_one_out
from mmer.interventions.apply import EditContext, apply_edits
from mmer.interventions.edited_clip import read_edited_clip
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE, Analysis, Clip
from mmer.stages import StageResults

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
ROOT = Path(__file__).resolve().parents[1]


def read_clips(paths: list[Path]) -> Clip:
    """The recordings one after the other."""
    samples = np.concatenate([load_audio(path).samples for path in paths])
    return clip_from_samples(samples, SAMPLE_RATE, name="+".join(path.stem[-4:] for path in paths))


def shorten(analyzer: Analyzer, clip: Clip, count: int) -> Analysis:
    """The analysis of the clip up to the end of its word number `count`."""
    analysis = analyzer.analyze(clip)
    words = analysis.transcript.words[:count]
    end = next(s.end for s in analysis.alignment.words if s.word >= len(words) - 1)
    short = clip_from_samples(clip.samples[: round(end * SAMPLE_RATE)], SAMPLE_RATE, name=clip.name)
    return analyzer.analyze(short, text=analysis.transcript.text[: words[-1].end_char])


def list_clips(analysis: Analysis, analyzer: Analyzer, medium: str) -> list:
    """The changed material of every word."""
    context = EditContext(analyzer, {}, "sphinx")
    numbers = [s.word for s in analysis.alignment.words] if medium != "text" else range(len(analysis.transcript.words))
    return [apply_edits(read_edited_clip(analysis), [Mute(Target("word", int(k)), medium)], context) for k in numbers]


def run_single(analyzer: Analyzer, analysis: Analysis, changed: list) -> np.ndarray:
    earlier = StageResults()  # what did not change from one version to the next is not encoded again
    found = [analyzer.analyze_parts(m.clip, m.transcript, m.alignment, head=analysis.best.head, earlier=earlier) for m in changed]
    return np.stack([a.best.logits for a in found])


def run_whole(analyzer: Analyzer, analysis: Analysis, changed: list) -> np.ndarray:
    return np.stack([analyzer.analyze(m.clip, text=m.transcript.text, head=analysis.best.head).best.logits for m in changed])


def measure(call: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


class Clock:
    """Adds up the seconds spent in a method while it is watched."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def watch(self, owner: object, name: str, label: str) -> None:
        method = getattr(owner, name)

        def timed(*args, **options):
            seconds, value = measure(lambda: method(*args, **options))
            self.seconds[label] = self.seconds.get(label, 0.0) + seconds
            return value

        setattr(owner, name, timed)


def profile(analyzer: Analyzer, analysis: Analysis, medium: str) -> dict[str, float]:
    """Seconds of one batched curve by part."""
    clock = Clock()
    clock.watch(analyzer.speech.model, "states", "speech encoder")
    clock.watch(analyzer.text, "encode_batch", "text encoder")
    heads = [analyzer._heads[p.head] for p in analysis.predictions.values() if not p.members]
    for head in heads:
        clock.watch(head, "score", "fusion")
    total, _ = measure(lambda: leave_one_out(analyzer, analysis, medium=medium, baselines=["silence"]))
    for owner, name in ((analyzer.speech.model, "states"), (analyzer.text, "encode_batch"), *((head, "score") for head in heads)):
        delattr(owner, name)
    return clock.seconds | {"all else": total - sum(clock.seconds.values())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = [LIBRIVOX / f"sense_and_sensibility_01_austen_64kb-{name}.wav" for name in ("0870", "0880", "0890", "0920", "0930")]
    parser.add_argument("--clips", type=Path, nargs="+", default=default, help="recordings, joined (default: Debian's LibriVox clips)")
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    analyzer = Analyzer.load(heads_folder=ROOT / "pretrained")
    analysis = shorten(analyzer, read_clips(args.clips), args.words)
    words, threads = len(analysis.transcript.words), torch.get_num_threads()
    print(f"{words} words, {analysis.clip.duration:.1f} s, {threads} threads, median of {args.rounds}")
    for medium in ("sound", "text"):
        changed = list_clips(analysis, analyzer, medium)
        ways: dict[str, Callable[[], object]] = {
            "batched": lambda medium=medium: leave_one_out(analyzer, analysis, medium=medium, baselines=["silence"]),
            "single": lambda changed=changed: run_single(analyzer, analysis, changed),
            "whole": lambda changed=changed: run_whole(analyzer, analysis, changed),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        values: dict[str, object] = {}
        for _ in range(args.rounds):
            for name, call in ways.items():
                spent, values[name] = measure(call)
                seconds[name].append(spent)
        drops = values["batched"].curves[0].drops[analysis.best.role]
        apart = np.abs(analysis.best.logits - drops - values["single"]).max()
        for name, spent in seconds.items():
            middle = statistics.median(spent)
            ratio = statistics.median(s / b for s, b in zip(spent, seconds["batched"]))
            print(f"{medium:<6}{name:<9}{middle:>8.2f} s   {ratio:5.1f} x batched")
        print(
            f"      {', '.join(f'{k} {v:.2f} s' for k, v in profile(analyzer, analysis, medium).items())}; largest difference {apart:.1e}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
