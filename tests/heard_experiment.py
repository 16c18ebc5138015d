"""A real experiment on real speech, small enough to be trained within a test: extracted, aligned and trained as any other."""

from pathlib import Path

from mmer.experiments.experiment import Experiment
from mmer.experiments.prepare import prepare_experiment
from mmer.experiments.trainer.run_experiment import run_experiment

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
LINES = (  # file, start, end, words, label, speaker
    (
        "0870",
        "",
        "",
        "And Mister John Dashwood had then leisure to consider how much there might be prudently in his power to do",
        "calm",
        "a",
    ),
    ("0880", "", "", "He was not an ill disposed young man,", "warm", "a"),
    ("0890", "", "", "unless to be rather cold hearted, and rather selfish, is to be ill disposed", "calm", "b"),
    ("0920", "", "", "Had he married a more amiable woman, he might have been made still more respectable than he was", "warm", "b"),
    ("0930", "", "", "he might even have been made amiable himself", "calm", "c"),
    ("0870", "0.5", "3.5", "", "warm", "c"),
    ("0890", "0.2", "2.9", "unless to be rather cold hearted", "calm", "d"),
    ("0920", "1.0", "4.0", "", "warm", "d"),
)
MOST_SECONDS = 4.0  # three of the clips are longer


def train_heard_experiment(root):
    """The folder of a finished experiment below root/runs, whose data set lies below root/data."""
    data = root / "data" / "voices"
    data.mkdir(parents=True)
    rows = ["path,start,end,text,label,speaker"]
    for number, start, end, words, label, speaker in LINES:
        name = f"sense_and_sensibility_01_austen_64kb-{number}.wav"
        if not (data / name).exists():
            (data / name).write_bytes((LIBRIVOX / name).read_bytes())
        rows.append(f'{name},{start},{end},"{words}",{label},{speaker}')
    (data / "manifest.csv").write_text("\n".join(rows) + "\n", "utf-8")
    settings = {"folds": 2, "repetitions": 2, "share": 0.3, "epochs": 3, "patience": 3, "min_steps": 0, "batch_size": 4, "threads": 1}
    experiment = Experiment(
        str(data),
        str(root / "cache"),
        units=("T", "F", "S"),
        classes=("calm", "warm"),
        max_seconds=MOST_SECONDS,
        model={"hidden": 16},
        **settings,
    )
    folder = prepare_experiment(root / "runs", "heard", experiment)
    run_experiment(folder, workers=1, say=lambda line: None)
    return folder
