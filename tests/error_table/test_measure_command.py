"""`mmer errors --measure`: measured once, kept for the next call and for the page."""

import numpy as np
import pandas as pd
import soundfile

from mmer.choices.emotions import EMOTIONS
from mmer.cli import main
from mmer.experiments.experiment import Experiment
from mmer.experiments.prepare import prepare_experiment


def test_measures_are_columns_and_are_kept(tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    lines = ["path,text,label,speaker"]
    for i in range(32):
        tone = 0.3 * np.sin(2 * np.pi * (120 + 5 * i) * np.arange(8000) / 16000)
        soundfile.write(data / f"{i}.wav", tone, 16000)
        lines.append(f"{i}.wav,two words,{EMOTIONS[i % 4]},s{i // 8}")
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    experiment = Experiment(data=str(data), features="cache", fusion="linear", units=("F",), folds=2, repetitions=1, share=0.1)
    folder = prepare_experiment(tmp_path / "runs", "tones", experiment)
    labels = [EMOTIONS[i % 4] for i in range(32)]
    frame = {"part": "test", "fold": 0, "repetition": 0, "utterance": [f"{i}.wav" for i in range(32)], "session": "", "gender": ""}
    frame |= {"speaker": [f"s{i // 8}" for i in range(32)], "label": labels, "predicted": labels}
    folder.write_predictions(pd.DataFrame(frame | {f"logit.{n}": [float(n == label) for label in labels] for n in EMOTIONS}))
    cache, out = tmp_path / "cache", tmp_path / "t.parquet"
    command = ["errors", str(folder.path), "--features", str(cache), "--where", "pitch_mean:202..", "--out", str(out)]
    assert main(command) == 2
    assert "no column 'pitch_mean'" in capsys.readouterr().err
    assert main([*command, "--measure"]) == 0
    assert "[32/32] clips measured" in capsys.readouterr().err
    assert set(pd.read_parquet(out)["utterance"]) == {f"{i}.wav" for i in range(17, 32)}
    assert main([*command, "--quiet"]) == 0  # kept
    assert pd.read_parquet(out)["words_per_second"].tolist() == [4] * 15
