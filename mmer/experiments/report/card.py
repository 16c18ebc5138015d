"""A head's config and figures -> its model card, README.md in its folder. Nothing in it is typed by hand twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmer.choices.units import UNITS
from mmer.files.output import write_file
from mmer.heads.clip_list import FILE
from mmer.heads.config import HeadConfig
from mmer.phrasing import say_count

LICENCE = "CC BY-NC-SA 4.0"
CAVEAT = (
    "Its voices and words were never recorded together: acted speech was paired with texts from elsewhere, so what it says about "
    "their interplay is a demonstration."
)
CAVEAT_SPEECH = "It was trained on acted emotion; everyday speech is another world."
SOURCES = {
    "ravdess": ("RAVDESS speech", "24 actors, two English sentences", "CC BY-NC-SA 4.0"),
    "nemo": ("nEMO", "9 actors, Polish; frames only", "CC BY-NC-SA 4.0"),
    "tess": ("TESS", "2 actresses, English", "CC BY-NC-ND 4.0"),
    "an4": ("AN4", "spelled names and numbers, taken as neutral", "AN4's own, free for any purpose"),
    "vctk_sample": ("VCTK, a sample", "readers of British and other English, taken as neutral", "CC BY 4.0"),
    "cmu_arctic_sample": ("CMU ARCTIC, a sample", "readers of English, taken as neutral", "CMU ARCTIC's own, free"),
    "asterisk_prompts": ("Asterisk's prompts", "announcements in several languages, taken as neutral", "CC BY-SA 3.0"),
    "librispeech": ("LibriSpeech, one clip a reader", "readers of English books, taken as neutral", "CC BY 4.0"),
    "common_voice": ("Common Voice 6.1", "readers in 58 languages, taken as neutral; frames only", "CC0 1.0"),
    "iemocap": ("IEMOCAP", "10 actors, English dialogues", "IEMOCAP release licence"),
    "meld": ("MELD", "dialogue of a TV series", "GPL-3.0"),
    "emorynlp": ("EmoryNLP", "dialogue of a TV series", "Apache-2.0"),
    "goemotions_ekman": ("GoEmotions, grouped to four classes", "comments from the web", "Apache-2.0"),
}
MISUSE = (
    "judging, ranking, hiring, grading, policing or diagnosing people, or telling what somebody feels: it compares sound and words "
    "with acted examples",
    "any decision about a person, and any use where the law forbids emotion recognition (in the EU: workplaces and schools)",
    "commercial use (the licence)",
    "languages other than English where words are concerned",
)

FITTED = (
    "Temperature and margin are fitted on {clips} validation clips of speakers who do not stand in training, paired with texts; the "
    "figures of the test part are of other speakers, who fitted nothing. They hold for acted clips like these, not for other rooms or "
    "languages."
)

FITTED_LEFT_OUT = (
    "Temperature, offsets and margin are fitted on {clips} clips of corpora that were left out, each predicted by a model that never read "
    "it, so that of what is called sure at least 85 % is right in every one of them, as far as that can be had. {offsets}The table below "
    "is of the test speakers of the corpora that it learned from: there it is right more often than elsewhere."
)
STRANGERS = (
    "Each corpus as predicted by a model that never read it (RAVDESS and nEMO: one trained without it; LibriSpeech: readers who were not "
    "trained on), with temperature, offsets and margin fitted on the other corpora. Everyday speech is neutral by genre, not by raters. "
    "This is what to expect of people it has never met.\n\n"
)


def write_card(folder: str | Path, config: HeadConfig) -> None:
    """README.md beside config.json."""
    write_file(Path(folder) / "README.md", describe_head(config))


def describe_head(config: HeadConfig) -> str:
    parts = [
        _front_matter(),
        f"# {config.name}: {config.title}\n\n{config.caveat}\n",
        describe_model(config),
        describe_strangers(config.metrics),
        _describe_data(config),
        _describe_figures(config.metrics),
        describe_calibration(config, how=explain_fit(config)),
        "## What it must not be used for\n\n" + "".join(f"- {line}\n" for line in MISUSE),
        f"## Licence\n\nThe weights are {LICENCE}, since RAVDESS and nEMO are; the code that made them is Apache-2.0.\n",
    ]
    return "\n".join(part for part in parts if part)


def explain_fit(config: HeadConfig) -> str:
    """What temperature and margin were fitted on; "" where they never were."""
    if not config.measured_clips:
        return ""
    if "corpora left out" not in config.metrics:
        return FITTED.format(clips=config.measured_clips)
    named = ", ".join(f"{name} {value:+.2f}" for name, value in zip(config.classes, config.metrics.get("offsets", ())))
    return FITTED_LEFT_OUT.format(
        clips=config.measured_clips, offsets=f"The offsets are part of the model's bias: {named}. " if named else ""
    )


def describe_strangers(metrics: Mapping[str, Any]) -> str:
    """The table of corpora left out, everyday speech first; "" for a head that was asked about none."""
    found = sorted(metrics.get("corpora left out", ()), key=lambda row: row["ua"] is not None)
    if not found:
        return ""
    rows = [
        (
            SOURCES.get(row["corpus"], (row["corpus"],))[0],
            row["way"],
            row["clips"],
            *(_say_share(row[name]) for name in ("ua", "neutral recall", "sure", "right when sure", "sure and not neutral")),
        )
        for row in found
    ]
    names = ("corpus", "given", "clips", "UA", "neutral heard as neutral", "called sure", "right when sure", "sure and not neutral")
    return f"## Strangers\n\n{STRANGERS}{format_table(names, rows)}"


def summarise_strangers(metrics: Mapping[str, Any]) -> str:
    """The table of corpora left out in a sentence or two, everyday speech first; "" where there is none."""
    rows = metrics.get("corpora left out", ())
    everyday, acted = ([r for r in rows if (r["ua"] is not None) == wanted and r["way"] == "own words"] for wanted in (False, True))
    said = []
    if everyday:
        shares = sorted(r["neutral recall"] for r in everyday)
        sets = say_count(len(everyday), "set")
        said.append(f"Of everyday speech in {sets} that it never read it hears {shares[0]:.0%} to {shares[-1]:.0%} as neutral.")
    measured = [r for r in acted if r["right when sure"] is not None]
    if measured:
        worst = min(measured, key=lambda r: r["right when sure"])
        name = SOURCES.get(worst["corpus"], (worst["corpus"],))[0]
        said.append(
            f"Of acted clips in corpora left out it is sure of {sum(r['sure'] for r in acted) / len(acted):.0%}; of these "
            f"{worst['right when sure']:.0%} are right in the worst corpus ({name})."
        )
    return " ".join(said)


def _say_share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _front_matter() -> str:
    return "---\nlicense: cc-by-nc-sa-4.0\nlibrary_name: mmer-explorer\npipeline_tag: audio-classification\n---\n"


def describe_model(config: HeadConfig, *, command: str = "demo-heads") -> str:
    rows = {
        "fusion": config.fusion,
        "reads": ", ".join(f"{u} ({UNITS[u].name})" for u in config.units),
        "encoders": f"preset {config.preset}, frozen",
        "classes": ", ".join(config.classes),
        "written by": f"`python -m mmer {command}`, mmer {config.version}, {config.training.get('date', '')}",
    }
    if config.has_attention:
        rows["attention"] = f"{say_count(config.blocks, 'block')}, {say_count(config.heads, 'head')}, feed-forward {config.feedforward}"
    if config.members:
        rows["members"] = ", ".join(f"{role}: {m['name']} `{m['sha256'][:12]}`" for role, m in config.members.items())
    return "## Model\n\n" + format_table(("", ""), list(rows.items()))


def describe_clips(clips: Mapping[str, str], counts: list[int] | None) -> str:
    """Whether the head can tell a clip that it was trained on; `counts` of training and validation clips in the list."""
    if not clips or not counts:
        return "\nWhich clips it was trained on is not listed, so the app can't tell when it is given one of them.\n"
    return (
        f"\n`{FILE}` lists short hashes (8 bytes of the sha256) of the samples of {say_count(counts[0], 'training clip')} and "
        f"{say_count(counts[1], 'validation clip')}, "
        "and of the training speakers' names, so that the app says when it is given one of them. They are no sound. The same recording in "
        "another encoding has other samples, so no match proves nothing.\n"
    )


def _describe_data(config: HeadConfig) -> str:
    training = config.training
    if not training.get("data"):
        return ""
    text = "## Data\n\nSpeakers and sentences are disjoint between training, validation and test.\n\n"
    rows = [(*SOURCES.get(name, (name, "", "")), *counts) for name, counts in training["data"].items()]
    text += format_table(("source", "what", "its licence", "training", "validation", "test"), rows)
    text += f"\nSpeakers held out: validation {', '.join(training['validation speakers'])}; test {', '.join(training['test speakers'])}.\n"
    text += describe_clips(config.clips, training.get("listed clips"))
    if training.get("dropped texts"):
        dropped = ", ".join(f"{n} of {name}" for name, n in training["dropped texts"].items())
        text += f"\nSentences dropped because a validation or test part of some corpus holds the same one: {dropped}.\n"
    settings = training["config"]
    mix = settings.get("pairing") or settings["mix"]  # heads that were trained before experiments had pairings hold it so
    augmented = mix.get("augmented", settings.get("augmented"))
    text += (
        f"\n**The pairing of voices and words is artificial.** Of the clips of an epoch {mix['same_label']:.0%} come with a random text of "
        f"the same label (a), {mix['own_words']:.0%} with their own words, which say nothing of the emotion, if these are English (b), the "
        f"rest without text (c); {mix['text_alone']:.0%} as many texts come without speech (c).\n"
    )
    copies = ", ".join(f"{n} of {name}" for name, n in training.get("copies", {}).items())
    if copies:
        text += (
            f"\nAugmented copies of every clip: {copies} (level, noise, speed with pitch, room, microphone, telephone); "
            f"{augmented:.0%} of the clips of an epoch are such copies. "
        )
    if mix.get("anchor"):
        text += (
            "**Anchored**: while it learned, each acted corpus was moved as a whole, per layer and dimension, so that its neutral training "
            f"clips lie on average where those of {mix['anchor']} do. Nothing is moved when the head is asked. "
        )
    if settings["voice_shift"]:
        text += "A random share of the difference between two training voices is added to each clip's states.\n"
    return text


def _describe_figures(metrics: Mapping[str, Any]) -> str:
    rows, speakers = [], []
    for name, found in metrics.items():
        if not isinstance(found, Mapping) or "ua" not in found:
            continue
        rows.append((name, found.get("clips", found.get("texts")), f"{found['ua']:.3f}", _join(found, "corpora"), _join(found, "genders")))
        if found.get("speakers"):
            values = sorted(found["speakers"].values())
            speakers.append((name, len(values), f"{values[0]:.3f} to {values[-1]:.3f}"))
    if not rows:
        return ""
    text = "## Figures inside the corpora that it learned from\n\n" if metrics.get("corpora left out") else "## Figures\n\n"
    text += "UA (mean recall of the four classes, chance 0.25) on the test part, on voices and texts it has never met.\n\n"
    text += format_table(("what it is given", "examples", "UA", "per corpus", "per gender (RAVDESS)"), rows)
    text += "\n" + format_table(("what it is given", "speakers", "UA of the speakers"), speakers)
    text += "\n" + "".join(f"- {line}\n" for line in metrics.get("remarks", ()))
    return text


def describe_calibration(config: HeadConfig, *, what: str = "test pairs", how: str = "") -> str:
    """The figures about how sure the head may be, with the reliability table on `what`; `how` they were found."""
    found = config.metrics.get("calibration")
    if not found:
        return ""
    text = "## Calibration\n\n"
    rows = [(k, v) for k, v in found.items() if k not in ("reliability", "never measured") and v is not None]
    if config.novelty_threshold is not None:
        rows.append(
            ("novelty threshold (99 % of the clips of a corpus that the reference lacks lie below)", round(config.novelty_threshold, 3))
        )
    if "never measured" in found:
        text += f'{found["never measured"]} So its temperature is 1, and it never says "sure".\n\n'
    elif how:
        text += f"{how}\n\n"
    text += format_table(("", ""), rows) if rows else ""
    if not found.get("reliability"):
        return text
    text += f"\nReliability on {what} (highest probability against accuracy):\n\n"
    bins = [
        (f"{b['low']:.1f} to {b['high']:.1f}", b["clips"], f"{b['confidence']:.3f}", f"{b['accuracy']:.3f}") for b in found["reliability"]
    ]
    return text + format_table(("confidence", "predictions", "mean confidence", "accuracy"), bins)


def _join(found: Mapping[str, Any], name: str) -> str:
    return ", ".join(f"{k} {v:.3f}" for k, v in found.get(name, {}).items())


def format_table(head: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
