"""A promoted run's config -> its model card, with the hub's metadata, so that `hf upload USER/NAME pretrained/NAME` makes a proper page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mmer.choices.emotions import EMOTIONS
from mmer.choices.run_choices import CHOICES, EASY
from mmer.experiments.report.card import LICENCE, MISUSE, SOURCES, describe_calibration, describe_clips, describe_model, format_table
from mmer.heads.config import HeadConfig
from mmer.phrasing import join_words, say_count

LICENCES = {"ravdess": LICENCE, "nemo": LICENCE, "tess": "CC BY-NC-ND 4.0", "iemocap": "IEMOCAP release licence"}
HUB_LICENCES = {
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
    "CC BY-NC-ND 4.0": "cc-by-nc-nd-4.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC0 1.0": "cc0-1.0",
    "Apache-2.0": "apache-2.0",
    "MIT": "mit",
}

CROSS_FITTED = (
    "Temperature and margin are fitted on the test predictions of all runs of the experiment, each on speakers that its run had never "
    "heard, and shrunk towards a temperature of 1 by the number of clips. The figures below judge them, so they are cross-fitted: each "
    "fold's clips by the temperature and margin of the other folds. They hold for clips like these, not for other rooms or languages."
)


def describe_promoted(config: HeadConfig) -> str:
    """The card of a head that was a run of an experiment, with the hub's metadata."""
    licence = config.licence or "unknown: it is that of the data, which its owner must tell"
    parts = [
        _write_metadata(config),
        f"# {config.name}: {config.title}\n\n{describe_scope(config.training, config.classes)}\n{config.caveat}\n",
        _describe_use(config),
        describe_model(config, command="runs promote"),
        _describe_experiments(config.training, config.classes),
        "" if config.members else describe_clips(config.clips, config.training.get("listed clips")),
        _describe_scores(config.metrics, config.training, config.classes),
        describe_calibration(config, what="the test parts", how=CROSS_FITTED),
        "## What it must not be used for\n\n" + "".join(f"- {line}\n" for line in MISUSE if "commercial" not in line),
        f"## Licence\n\nOf the weights: {licence}. The code that made them is Apache-2.0.\n",
    ]
    return "\n".join(part for part in parts if part)


def list_met(training: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """Those of the classes that the data of an experiment has."""
    return [name for name in classes if training["data"]["counts"].get(name)]


def describe_scope(training: Mapping[str, Any], classes: Sequence[str]) -> str:
    """What the head can tell apart."""
    met = list_met(training, classes)
    if len(met) < len(classes):
        return f"Only {join_words(met)} from speech."
    return "Four emotions from speech." if tuple(classes) == EMOTIONS else f"{len(met)} classes from speech: {join_words(met)}."


def _write_metadata(config: HeadConfig) -> str:
    """YAML, values as JSON, which is YAML too. https://huggingface.co/docs/hub/model-cards#model-card-metadata"""
    run, data = config.metrics["run"], config.training["data name"]
    task = {"type": _name_task(config), "name": "Emotion recognition in speech"}
    metrics = [
        {"type": kind, "name": name, "value": run[key]}
        for key, kind, name in (("ua", "recall", "UA, mean recall"), ("wa", "accuracy", "WA, accuracy"), ("macro_f1", "f1", "macro F1"))
    ]
    split = f"fold {config.training['fold'] + 1}, speakers held out"
    found = {"task": task, "dataset": {"type": data, "name": data, "split": split}, "metrics": metrics}
    hub = HUB_LICENCES.get(config.licence)
    fields = {
        "license": hub or "other",
        **({} if hub else {"license_name": config.licence.lower().replace(" ", "-") or "unknown"}),
        "library_name": "mmer-explorer",
        "pipeline_tag": task["type"],
        "tags": ["speech-emotion-recognition", "safetensors", f"encoders-{config.preset}"],
        "metrics": [m["type"] for m in metrics],
        "model-index": [{"name": config.name, "results": [found]}],
    }
    return "---\n" + "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items()) + "---\n"


def _name_task(config: HeadConfig) -> str:
    return "text-classification" if set(config.units) == {"T"} else "audio-classification"


def _describe_use(config: HeadConfig) -> str:
    if config.members:
        names = ", ".join(f"`{m['name']}`" for m in config.members.values())
        return (
            f"## Use\n\nIts folder lies beside those of its members {names}.\n\n```python\nfrom mmer.heads.head import load_head\n\n"
            f'head = load_head("pretrained/{config.name}")\n```\n'
        )
    return (
        "## Use\n\n```python\nfrom huggingface_hub import snapshot_download\nfrom mmer.heads.head import load_head\n\n"
        f'head = load_head(snapshot_download("USER/{config.name}"))\n```\n\n'
        f"Or, with the folder in `pretrained/`, `python -m mmer analyze clip.wav --head {config.name}`. "
        "The input is normalised by the head's own mean and deviation; `mmer` does so.\n"
    )


def _describe_experiments(training: Mapping[str, Any], classes: Sequence[str]) -> str:
    data = training["data"]
    counts = ", ".join(f"{data['counts'].get(name, 0)} {name}" for name in classes)
    _, what, licence = SOURCES.get(training["data name"], ("", "", ""))
    validated = f"{training['validation utterances']} ({training['validation by']})"
    rows = [
        ("data", ", ".join(filter(None, (training["data name"], what, licence)))),
        ("utterances", f"{sum(data['counts'].values())}: {counts}"),
        ("speakers, sessions", f"{data['speakers']}, {data['sessions']}"),
        ("fingerprint", f"`{data['fingerprint'][:16]}`"),
        ("this run", f"fold {training['fold'] + 1}, repetition {training['repetition'] + 1}, chosen by {training['chosen by']}"),
        ("trained on, validated on", f"{training['training utterances']}, {validated}"),
        ("tested on the speakers", ", ".join(training["test speakers"])),
    ]
    text = "## Data\n\n" + format_table(("", ""), rows)
    if training["chosen by"] == CHOICES["lowest"]:
        text += f"\n{EASY}\n"
    shared = [row for row in training["leakage"] if row["second"] == "test" and row["first"] == "train" and row["shared_most"]]
    text += "\n" + "".join(
        f"- Of the {row['kind']} of training, at most {row['shared_most']} stand in the test part too ({row['share_most']:.0%} of it).\n"
        for row in shared
    )
    for name, settings in training["experiments"].items():
        unsaid = ("labels", "classes", "model", "preset", "units", "fusion")
        listed = ", ".join(f"{key} {value}" for key, value in settings.items() if key not in unsaid and value != "")
        text += f"\nSettings of {name}: {listed}.\n"
    return text


def _describe_scores(metrics: Mapping[str, Any], training: Mapping[str, Any], classes: Sequence[str]) -> str:
    run, whole = metrics["run"], metrics["experiment"]
    head = ("", "UA", "WA", "macro F1")
    data = sum(training["data"]["counts"].values())
    rows = [
        (f"this run, {say_count(run['clips'], 'test utterance')}", *(f"{run[k]:.3f}" for k in ("ua", "wa", "macro_f1"))),
        (
            f"mean over {say_count(whole['runs'], 'run')}, {whole['utterances']:,} of {say_count(data, 'utterance')}",
            *(f"{whole[k]:.3f}" for k in ("ua", "wa", "macro_f1")),
        ),
    ]
    met = list_met(training, classes)
    named = "the four classes" if tuple(met) == EMOTIONS else join_words(met)
    text = f"## Figures\n\nUA is the mean recall of {named} (chance {1 / len(met):.2f}), WA the share that is right.\n\n"
    text += format_table(head, rows) + "\n"
    spread = [f"{whole[f'ua_over_{what}_sd']:.3f} over {what}" for what in ("folds", "repetitions") if whole[f"ua_over_{what}_sd"]]
    if spread:
        text += f"Standard deviation of the UA: {', '.join(spread)}. "
    if whole["interval"]:
        low, high = whole["interval"]["low"], whole["interval"]["high"]
        by = whole["interval"]["of"].removesuffix("s")
        text += f"Interval of the pooled UA ({whole['interval']['level']:.0%}, by {by}): {low:.3f} to {high:.3f}."
    text += "\n\n" + format_table(("test speaker", "UA"), [(name, f"{ua:.3f}") for name, ua in run["speakers"].items()])
    if run["genders"]:
        text += "\n" + format_table(("gender", "UA"), [(name, f"{ua:.3f}") for name, ua in run["genders"].items()])
    text += "".join(f"\n**{sentence}**\n" for sentence in training.get("learning", ()))
    rows = [(name, *row) for name, row in zip(classes, run["confusion"])]
    return text + "\nConfusion of this run's test part (rows: what it is):\n\n" + format_table(("", *classes), rows)
