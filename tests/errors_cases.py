"""What the tests of the Errors tab share: a service with a small experiment whose clips can be played, and the tab in a page of its own."""

import gradio as gr
import numpy as np
import pandas as pd
import soundfile

from mmer.choices.emotions import EMOTIONS
from mmer.experiments.experiment import Experiment
from mmer.experiments.prepare import prepare_experiment
from mmer.experiments.training_service import TrainingService
from mmer.ui import launch_options
from mmer.ui.errors.errors import build
from mmer.ui.page.uploads import take_uploads_only

SPEAKERS, EACH = 6, 8
EVIL = "<img src=x onerror=window.harmed=1> </script> ${1+1}"


def write_data(folder):
    """48 clips of six speakers; the words of one are made to harm."""
    (folder / "clips").mkdir(parents=True)
    rng = np.random.default_rng(3)
    lines = ["path,text,label,speaker,gender,valence"]
    for s in range(SPEAKERS):
        for i in range(EACH):
            soundfile.write(folder / "clips" / f"{s}-{i}.wav", rng.normal(0, 0.1, 8000), 16000)
            words = EVIL if (s, i) == (0, 0) else f"sentence {i % 2} never"
            lines.append(f"clips/{s}-{i}.wav,{words},{EMOTIONS[i % 4]},voice{s},{'female' if s % 2 else 'male'},{i / 2}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def write_experiment(root, data, name, *, seed=0):
    """An experiment over the data, with random answers of two repetitions; speaker n is tested in fold n % 2."""
    experiment = Experiment(data=str(data), features=str(root / "cache"), fusion="linear", units=("F",), folds=2, repetitions=2, share=0.5)
    folder = prepare_experiment(root / "runs", name, experiment)
    rng = np.random.default_rng(seed)
    rows = []
    for repetition in range(2):
        for s in range(SPEAKERS):
            for i in range(EACH):
                logits = rng.normal(size=4).astype(np.float32)
                logits[i % 4] += 0.8
                row = {"part": "test", "fold": s % 2, "repetition": repetition, "utterance": f"clips/{s}-{i}.wav", "speaker": f"voice{s}"}
                row |= {"session": "", "gender": "female" if s % 2 else "male", "label": EMOTIONS[i % 4]}
                row |= {"predicted": EMOTIONS[int(logits.argmax())], **{f"logit.{n}": v for n, v in zip(EMOTIONS, logits)}}
                rows.append(row)
    folder.write_predictions(pd.DataFrame(rows))
    return folder


def make_service(root, **changes):
    data = write_data(root / "data" / "voices")
    for name, seed in (("first", 0), ("second", 1)):
        write_experiment(root, data, name, seed=seed)
    return TrainingService(**({"runs": root / "runs", "roots": (root / "data",)} | changes))


def serve(service, *, is_public=False):
    """(app, url) of the tab alone, beside an empty one."""
    with gr.Blocks(analytics_enabled=False, fill_width=True) as app, gr.Tabs(elem_id="tabs"):
        with gr.Tab("Explore", id="explore"):
            gr.Markdown("nothing")
        with gr.Tab("Errors", id="errors") as tab:
            build(service, tab, is_public=is_public)
    take_uploads_only(app)
    _, url, _ = app.queue().launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    return app, url
