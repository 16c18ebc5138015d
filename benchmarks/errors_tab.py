"""The Errors tab with 50,000 utterances: how long the page takes to show them, and from a filter until everything is drawn anew.

    python benchmarks/errors_tab.py [--rows 50000] [--runs 5]

Needs Chromium (tests' extra). Prints milliseconds as the browser counts them, and the memory that the tables take in the app.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import gradio as gr
import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

from mmer.choices.emotions import EMOTIONS
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import create_run
from mmer.experiments.training_service import TrainingService
from mmer.ui import launch_options
from mmer.ui.errors.errors import build

FILTER = """(text) => {
  const view = window.mmerErrors.view();
  const begun = performance.now();
  view.add(window.mmerFilters.parse(text));
  document.body.getBoundingClientRect(); // laid out as well
  return performance.now() - begun;
}"""
SCROLL = """() => {
  const list = document.querySelector(".me-list");
  const begun = performance.now();
  for (let i = 0; i < 50; i++) {
    list.scrollTop = (i * 7919 * 56) % list.scrollHeight;
    list.dispatchEvent(new Event("scroll"));
    list.getBoundingClientRect();
  }
  return (performance.now() - begun) / 50;
}"""
FILTERS = ("label=anger", "p_anger:0.4..", "speaker=s001,s002,s003", "utterance~77", "loss:1..2", "gender=male")


def write_run(root: Path, rows: int, runs: int) -> None:
    """Random answers of `rows` utterances in each of `runs` repetitions of five folds."""
    rng = np.random.default_rng(0)
    parts = []
    label = rng.integers(0, 4, rows)
    for repetition in range(runs):
        logits = rng.normal(size=(rows, 4)).astype(np.float32)
        logits[np.arange(rows), label] += 1
        frame = {"part": "test", "fold": np.arange(rows) % 5, "repetition": repetition, "utterance": [f"clip{i:06d}" for i in range(rows)]}
        frame |= {
            "speaker": [f"s{i % 200:03d}" for i in range(rows)],
            "session": "",
            "gender": np.where(np.arange(rows) % 2, "male", "female"),
        }
        names = np.array(EMOTIONS)
        frame |= {
            "label": names[label],
            "predicted": names[logits.argmax(1)],
            **{f"logit.{n}": logits[:, k] for k, n in enumerate(EMOTIONS)},
        }
        frame |= {f"branch.{unit}.{n}": logits[:, k] / 3 for unit in "FST" for k, n in enumerate(EMOTIONS)}
        parts.append(pd.DataFrame(frame))
    folder = create_run(root, "large", Experiment(data="nowhere", features="cache"), data={"name": "made up"}, splits=[])
    folder.write_predictions(pd.concat(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder), options.rows, options.runs)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with gr.Blocks(analytics_enabled=False) as app, gr.Tabs(elem_id="tabs"):
            with gr.Tab("Explore", id="explore"):
                gr.Markdown("nothing")
            with gr.Tab("Errors", id="errors") as tab:
                build(TrainingService(runs=Path(folder)), tab, is_public=False)
        _, url, _ = app.queue().launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.post_data or "") if "/gradio_api/run/" in request.url else None)
            for what in ("first", "again, from the app's memory"):
                page.goto("about:blank")
                begun = time.perf_counter()
                page.goto(f"{url}#errors?source=run%2Flarge&bars=speaker")
                page.wait_for_selector(".me-row")
                print(f"page opened and table shown, {what}: {time.perf_counter() - begun:.1f} s, {len(asked)} requests so far")
            for text in FILTERS:
                times = []
                for _ in range(5):
                    page.evaluate("() => { const view = window.mmerErrors.view(); view.filters = []; view.update(); }")
                    times.append(page.evaluate(FILTER, text))
                print(f"{text:28} median {statistics.median(times):6.0f} ms, slowest {max(times):6.0f} ms")
            print(f"a jump in the list: {page.evaluate(SCROLL):.1f} ms")
            browser.close()
        app.close()
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"memory of the app above what it had before: {more:.0f} MB at most")


if __name__ == "__main__":
    main()
