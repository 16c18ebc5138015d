"""How long it takes from a click until every linked view is painted, with 30 s of real speech, real heads and a real browser.

    python benchmarks/interaction.py [--rounds N] [--report FILE]

Five sentences of LibriVox (Debian's pocketsphinx-testdata) are joined to 30 s and analysed with their known words; the report is opened
from disk in headless Chromium. Prints the median, 95th percentile and slowest of each kind of click in milliseconds, from the event's
own time stamp until after the frame that shows it, and the processor time of the page's main thread per click, which other programs
on the machine don't change. Exit code 1 when a median exceeds 100 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright

from mmer.audio.load import clip_from_samples, load_audio
from mmer.exports.report import report_html
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE, Analysis

ROOT = Path(__file__).resolve().parents[1]
LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
CHROMIUM = os.environ.get("MMER_CHROMIUM", "/usr/bin/chromium")
SECONDS = 30.0
TARGET = 100.0  # ms
PATIENCE = 300_000  # ms, on a busy machine
# (kind, selector, how many of them are clicked in turn)
CLICKS = (
    ("a syllable", ".mv-tile[data-unit=S]", 30),
    ("a phone", ".mv-tile[data-unit=P]", 30),
    ("a word", ".mv-tile[data-unit=W]", 30),
    ("a word of the transcript", ".mv-piece", 30),
    ("a row of the map", ".mv-row-name", 30),
    ("another emotion", "[data-part=emotion] input", 4),
    ("centred or raw", "[data-part=scale] input", 2),
    ("unfold a branch", ".mv-step-branch", 3),
)
# a click's time stamp, and when the frame after it is on the screen
WATCH = """
window.measured = [];
addEventListener("click", (event) => {
  const begun = event.timeStamp;
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => window.measured.push(performance.now() - begun);
    channel.port2.postMessage(null);
  });
}, true);
"""


def join_sentences() -> tuple[np.ndarray, str]:
    """(samples, words) of sentences that are repeated until they last SECONDS."""
    words = dict(line.rsplit(" (", 1)[::-1] for line in (LIBRIVOX / "transcription").read_text().splitlines() if line.strip())
    parts, said, length = [], [], 0
    while length < SECONDS * SAMPLE_RATE:
        for path in sorted(LIBRIVOX.glob("*.wav")):
            samples = load_audio(path).samples
            parts.append(samples)
            said.append(words[f"{path.stem})"].replace("<s>", "").replace("</s>", "").strip())
            length += len(samples)
            if length >= SECONDS * SAMPLE_RATE:
                break
    return np.concatenate(parts), " ".join(said)


def measure_clicks(page: Page, devtools: CDPSession, selector: str, count: int, rounds: int) -> tuple[list[float], float]:
    """Milliseconds from click to painted of each click on `count` of the elements, spread evenly; and processor time per click."""
    total = page.locator(selector).count()
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))
    page.evaluate("window.measured = []")
    before = read_busy(devtools)
    for _ in range(rounds):
        for index in chosen.tolist():
            page.evaluate("([selector, index]) => document.querySelectorAll(selector)[index].click()", [selector, index])
            page.wait_for_timeout(60)
    page.wait_for_function("(count) => window.measured.length >= count", arg=rounds * len(chosen))
    times = page.evaluate("window.measured")
    return times, (read_busy(devtools) - before) / len(times)


def read_busy(devtools: CDPSession) -> float:
    """Milliseconds of processor time that the page's main thread has used."""
    metrics = {metric["name"]: metric["value"] for metric in devtools.send("Performance.getMetrics")["metrics"]}
    return 1000 * metrics["TaskDuration"]


def describe_size(analysis: Analysis, html: str) -> str:
    counts = ", ".join(f"{len(labels)} {unit}" for unit, labels in analysis.labels.items())
    weights = sum(m.text_to_speech.size + m.speech_to_text.size for p in analysis.predictions.values() for m in p.coattention.values())
    size = f"{weights / 1e6:.1f} million attention weights; {len(html) / 2**20:.1f} MiB"
    return f"{analysis.clip.duration:.1f} s of speech; segments: {counts}; {size}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="how often each kind of click is repeated (default: 2)")
    parser.add_argument("--report", type=Path, help="where to keep the report (default: a temporary folder)")
    options = parser.parse_args()
    samples, words = join_sentences()
    analyzer = Analyzer.load(preset="compact", heads_folder=ROOT / "pretrained")
    analysis = analyzer.analyze(clip_from_samples(samples, SAMPLE_RATE, name="thirty seconds.wav"), text=words)
    html = report_html(analysis)
    print(describe_size(analysis, html), flush=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = options.report or Path(folder) / "report.html"
        path.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.add_init_script(WATCH)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        begun = time.perf_counter()
        page.goto(path.resolve().as_uri())
        page.wait_for_selector(".mv-step-branch")
        print(f"open to drawn: {1000 * (time.perf_counter() - begun):.0f} ms")
        print(f"{'a click on':<28}{'clicks':>8}{'median':>9}{'95 %':>9}{'slowest':>9}{'processor':>11}   ms")
        slow = False
        for kind, selector, count in CLICKS:
            times, busy = measure_clicks(page, devtools, selector, count, options.rounds)
            median, late, slowest = np.median(times), np.percentile(times, 95), max(times)
            slow |= bool(median > TARGET)
            print(f"{kind:<28}{len(times):>8}{median:>9.1f}{late:>9.1f}{slowest:>9.1f}{busy:>11.1f}")
        browser.close()
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
