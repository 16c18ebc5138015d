"""Analysis -> a page of plain text: the verdict, how it adds up, which words carry it, what is missing, and who said so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmer.explain import CAPTION_SUM, centre, decision_steps, pick_class
from mmer.results import UNIT_NAMES, Analysis, Notice, Prediction

PURPOSE = (
    "This is for learning about such models and not for judging people: it says how a voice and its words resemble the models' "
    "training data, not what someone feels."
)
ROLES = ("late", "early", "combined")
MOST_WORDS = 3  # for, and as many against


def describe_verdict(prediction: Prediction) -> str:
    """One sentence: what the model says and how sure it is."""
    share = f"{100 * prediction.probabilities.max():.0f} %"
    if prediction.verdict == "unfamiliar":
        return f"Unlike anything it was trained on. If it had to choose: {prediction.label} ({share})."
    if prediction.verdict == "not sure":
        first, second = (prediction.classes[i] for i in np.argsort(-prediction.probabilities)[:2])
        return f"Not sure: {first} ({share}), closely followed by {second}."
    return f"{prediction.label.capitalize()} ({share})."


def summarise(analysis: Analysis) -> str:
    """The summary that `mmer analyze` prints, ending in a line break."""
    parts = (
        describe_input(analysis),
        [describe_verdict(analysis.best)],
        list_probabilities(analysis),
        list_steps(analysis),
        list_words(analysis),
        list_unavailable(analysis),
        [f"{'Note' if n.level == 'info' else 'Warning'}: {n.text}" for n in collect_notices(analysis)],
        describe_heads(analysis),
        [describe_timings(analysis), PURPOSE],
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def list_unavailable(analysis: Analysis) -> list[str]:
    """One line per unit or model that is not there, with the reason."""
    names = {unit: f"{name} ({unit})" for unit, name in UNIT_NAMES.items()} | {role: f"{role} model" for role in ROLES}
    return [f"Not there: {names[what]}. {why}" for what, why in analysis.unavailable.items()]


def collect_notices(analysis: Analysis) -> tuple[Notice, ...]:
    """Those of the analysis, the clip, the transcript and the alignment, each once."""
    own = analysis.alignment.notices if analysis.alignment else ()
    return tuple(dict.fromkeys((*analysis.notices, *analysis.clip.notices, *analysis.transcript.notices, *own)))


def describe_source(analysis: Analysis) -> str:
    """Where the words come from: "typed", "recognised by ...", with the recogniser's confidence."""
    words = analysis.transcript
    source = {"typed": "typed", "file": "from a file"}.get(words.source, f"recognised by {words.source}")
    return source if words.confidence is None else f"{source}, mean word probability {words.confidence:.2f}"


def describe_input(analysis: Analysis) -> list[str]:
    clip, text = analysis.clip, " ".join(analysis.transcript.text.split())
    told = f"“{text}” ({describe_source(analysis)})" if text else f"no words ({describe_source(analysis)})"
    return [", ".join(fact for fact in (clip.name, f"{clip.duration:.2f} s", clip.source) if fact), told]


def list_probabilities(analysis: Analysis) -> list[str]:
    classes = analysis.best.classes
    lines = [" " * 10 + "".join(f"{name:>11}" for name in classes)]
    for role, prediction in analysis.predictions.items():
        lines.append(f"{role:<10}" + "".join(f"{100 * value:>9.1f} %" for value in prediction.probabilities))
    return lines


def list_steps(analysis: Analysis) -> list[str]:
    """The way from nothing to the probability of the emotion that is said."""
    best = analysis.best
    lines = [f"How {best.label} adds up ({best.role}; logits, centred over the emotions):"]
    for step in decision_steps(analysis, best.label):
        if step.kind == "probability":
            lines.append(f"  {step.label:<42}{100 * step.value:>8.1f} %")
        elif step.kind in ("total", "temperature"):
            lines.append(f"  {'= ' + step.label:<42}{step.total:>+8.3f}")
        elif step.kind != "absent":  # said below, with the reason
            lines.append(f"  {step.label:<42}{step.value:>+8.3f}")
    return lines


def sum_words(analysis: Analysis, prediction: Prediction, emotion: str) -> list[tuple[str, float]]:
    """(written word, centred logits it adds over all branches of a late model), in order of the text."""
    column = pick_class(prediction, emotion)
    totals = np.zeros(len(analysis.transcript.words))
    for branch in prediction.branches or ():
        words = np.asarray(analysis.words[branch.unit])
        inside = words >= 0
        np.add.at(totals, words[inside], centre(branch.contributions)[inside, column])
    return [(word.text, float(total)) for word, total in zip(analysis.transcript.words, totals)]


def list_words(analysis: Analysis) -> list[str]:
    late = next((p for p in analysis.predictions.values() if p.branches), None)
    if late is None or not analysis.transcript.words:
        return []
    label = analysis.best.label
    ranked = sorted(sum_words(analysis, late, label), key=lambda pair: -pair[1])
    speaking = [pair for pair in ranked if pair[1] > 0][:MOST_WORDS]
    against = [pair for pair in reversed(ranked) if pair[1] < 0][:MOST_WORDS]
    lines = [f"Words that count most in {late.role} fusion, all its branches together (logits for {label}):"]
    lines += [f"  {name:<8}{join_pairs(pairs)}" for name, pairs in (("for", speaking), ("against", against)) if pairs]
    return [*lines, CAPTION_SUM]


def join_pairs(pairs: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{word} {value:+.3f}" for word, value in pairs)


def describe_heads(analysis: Analysis) -> list[str]:
    lines = [f"Head {h.name} ({h.sha256[:12]}): {h.title}. {h.trained_on}".rstrip() for h in analysis.heads]
    return lines + list(dict.fromkeys(h.caveat for h in analysis.heads if h.caveat))


def describe_timings(analysis: Analysis) -> str:
    total = sum(analysis.timings.values())
    parts = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in analysis.timings.items())
    return f"{total:.2f} s ({parts}); mmer {analysis.version}, preset {analysis.preset}."
