"""How much an analysis costs beyond the library calls it cannot do without, in one run, taking turns.

    python benchmarks/warm_analysis.py [--clip CLIP] [--rounds N] [--skip-app]

Prints seconds (median over the rounds) of a warm analysis, of the bare calls (faster-whisper, pocketsphinx, both encoders) and their
ratio; of an analysis whose transcript was changed; of the app's start until its page answers; and the peak memory of both processes.
Exit code 1 when a target of the project is missed: ratio 1.2, 5 s for a clip of 5 s, 1 s for a changed transcript, 20 s, 2.5 GB.
"""

from __future__ import annotations

import argparse
import resource
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch
from pocketsphinx import Decoder

from mmer.align.sphinx import to_pcm
from mmer.audio.load import load_audio
from mmer.pipeline import Analyzer
from mmer.results import Clip
from mmer.stages import StageResults

ROOT = Path(__file__).resolve().parents[1]
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0890.wav")  # 5.3 s
TARGETS = {"ratio": 1.2, "warm analysis": 5.0, "changed transcript": 1.0, "app start": 20.0, "peak GB": 2.5}


class BareCalls:
    """The library calls of one analysis and nothing around them."""

    def __init__(self, analyzer: Analyzer, words: list[str]):
        self.whisper = analyzer.recogniser.model
        self.speech = analyzer.speech.model
        self.bert, self.tokenizer = analyzer.text.model, analyzer.text.tokenizer
        self.decoder = Decoder(samprate=16000, lm=None, bestpath=False, loglevel="FATAL")
        self.words = " ".join(word for word in words if self.decoder.lookup_word(word) is not None)
        self.text = " ".join(words)

    def recognise(self, clip: Clip) -> None:
        options = {"language": "en", "beam_size": 5, "word_timestamps": True, "temperature": 0.0, "condition_on_previous_text": False}
        list(self.whisper.transcribe(clip.samples, **options)[0])

    def align(self, clip: Clip) -> None:
        pcm = to_pcm(clip.samples)
        self.decoder.reinit_feat()
        self.decoder.set_align_text(self.words)
        self.decode(pcm)
        self.decoder.set_alignment()
        self.decode(pcm)
        self.decoder.get_alignment()

    def decode(self, pcm: bytes) -> None:
        self.decoder.start_utt()
        self.decoder.process_raw(pcm, full_utt=True)
        self.decoder.end_utt()

    def encode_speech(self, clip: Clip) -> None:
        self.speech.states([clip.samples])

    @torch.no_grad()
    def encode_text(self, clip: Clip) -> None:
        ids = torch.tensor([self.tokenizer.encode(self.text).ids])
        self.bert(ids, output_hidden_states=True)


def measure(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(analyzer: Analyzer, clip: Clip, rounds: int) -> dict[str, float]:
    """Median seconds per part; the analysis and the bare calls take turns, so that a busy machine slows both."""
    words = [word for _, word in analyzer.analyze(clip).transcript.spoken]
    bare = BareCalls(analyzer, words)
    calls = {"recognise": bare.recognise, "align": bare.align, "encode speech": bare.encode_speech, "encode text": bare.encode_text}
    for call in calls.values():
        call(clip)
    found: dict[str, list[float]] = {name: [] for name in (*calls, "bare calls", "warm analysis", "changed transcript")}
    for number in range(rounds):
        earlier = StageResults()
        found["warm analysis"].append(measure(lambda earlier=earlier: analyzer.analyze(clip, earlier=earlier)))
        for name, call in calls.items():
            found[name].append(measure(lambda call=call: call(clip)))
        found["bare calls"].append(sum(found[name][-1] for name in calls))
        changed = " ".join([*words[:-1], ("good", "bad")[number % 2]])
        found["changed transcript"].append(
            measure(lambda earlier=earlier, text=changed: analyzer.analyze(clip, text=text, earlier=earlier))
        )
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratios = [one / two for one, two in zip(found["warm analysis"], found["bare calls"])]
    return medians | {"ratio": statistics.median(ratios)}


def start_app(heads: Path, *, limit: float = 120.0) -> dict[str, float]:
    """Seconds from the command to the first answer of the page, and the process's peak memory until then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.perf_counter()
    command = [sys.executable, "app.py", "--port", str(port), "--heads", str(heads)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while not answers(f"http://127.0.0.1:{port}/"):
            if process.poll() is not None or time.perf_counter() - start > limit:
                raise SystemExit(f"the app did not start within {limit:.0f} s (exit code {process.poll()})")
            time.sleep(0.1)
        seconds = time.perf_counter() - start
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        return {"app start": seconds, "app peak GB": peak * 1024 / 1e9}
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=LIBRIVOX, help="a recording (default: 5.3 s of Debian's pocketsphinx-testdata)")
    parser.add_argument("--heads", type=Path, default=ROOT / "pretrained", help="the folder of heads (default: pretrained)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--skip-app", action="store_true", help="don't start the app")
    args = parser.parse_args()
    results: dict[str, float] = {}
    if not args.skip_app:
        results |= start_app(args.heads)
    loading = time.perf_counter()
    analyzer = Analyzer.load(heads_folder=args.heads)
    results["loading"] = time.perf_counter() - loading
    clip = load_audio(args.clip)
    results |= compare(analyzer, clip, args.rounds)
    results["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{clip.name}, {clip.duration:.2f} s, {torch.get_num_threads()} threads, median of {args.rounds} rounds")
    missed = False
    for name, value in results.items():
        target = TARGETS.get(name)
        over = target is not None and value > target
        missed |= over
        print(f"{name:<20}{value:>8.3f}" + (f"   target {target}{'  MISSED' if over else ''}" if target else ""))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
