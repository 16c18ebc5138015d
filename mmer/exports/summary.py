"""Analysis -> a page of plain text: the verdict, how it adds up, which words count most, what is missing, and which models were used."""

from __future__ import annotations

import numpy as np

from mmer.choices.units import UNITS
from mmer.explain.because import explain_verdict
from mmer.explain.steps import CAPTION_SUM, centre, decision_steps
from mmer.explain.verdict import FEW, describe_verdict, list_limits, read_headline
from mmer.phrasing import join_words, say_devices
from mmer.results import Analysis
from mmer.word_contributions import WordContributions, describe_division, group_rests, word_contributions

PURPOSE = (
    "This is for learning about such models and not for judging people: it says how a voice and its words resemble the models' "
    "training data, not what someone feels."
)
LEFT_OUT = "How these numbers add up is left out here; the JSON, the CSV and the HTML report have it."
MOST_WORDS = 3  # for, and as many against


def summarise(analysis: Analysis) -> str:
    """The summary that `mmer analyze` prints, ending in a line break."""
    parts = (
        describe_input(analysis),
        [text for text in (describe_verdict(analysis), explain_verdict(analysis)) if text],
        list_probabilities(analysis),
        list_steps(analysis),
        list_words(analysis),
        [f"{'Note' if n.level == 'info' else 'Warning'}: {n.text}" for n in list_limits(analysis, clip=True)],
        describe_heads(analysis),
        [describe_timings(analysis), PURPOSE],
    )
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def describe_source(analysis: Analysis) -> str:
    """Where the words come from: "typed", "recognised by ...", with the recogniser's confidence."""
    words = analysis.transcript
    source = {"typed": "typed", "file": "from a file"}.get(words.source, f"recognised by {words.source}")
    if words.confidence is None:
        return source
    return f"{source}, mean word probability {words.confidence:.2f}{', too unsure to be used' if words.untrusted else ''}"


def describe_input(analysis: Analysis) -> list[str]:
    clip, text = analysis.clip, " ".join(analysis.transcript.text.split())
    said = f"“{text}” ({describe_source(analysis)})" if text else f"no words ({describe_source(analysis)})"
    return [", ".join(fact for fact in (clip.name, f"{clip.duration:.2f} s", clip.source) if fact), said]


def list_probabilities(analysis: Analysis) -> list[str]:
    classes = analysis.best.classes
    lines = [] if read_headline(analysis).names_emotion else [f"{FEW}:"]
    lines.append(" " * 10 + "".join(f"{name:>11}" for name in classes))
    for role, prediction in analysis.predictions.items():
        lines.append(f"{role:<10}" + "".join(f"{100 * value:>9.1f} %" for value in prediction.probabilities))
    return lines


def list_steps(analysis: Analysis) -> list[str]:
    """How the probability of the verdict adds up, step by step; without a verdict, where to find that sum."""
    if not read_headline(analysis).names_emotion:
        return [LEFT_OUT]
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


def list_words(analysis: Analysis) -> list[str]:
    """The words that count most, each with its branches' parts, and the line in which everything adds up to the logit."""
    found = word_contributions(analysis)
    if found is None or not found.texts or not read_headline(analysis).names_emotion:
        return []
    label = analysis.best.label
    column = analysis.best.classes.index(label)
    whole = centre(found.words)[:, column]
    if not whole.any():
        units = join_words([UNITS[unit].name for unit in found.units])
        return [f"No word has a part of {found.role} fusion's sum here, which is made of {units}. {describe_division(found)}"]
    order = np.argsort(-whole, kind="stable")
    where = f" in {found.role} fusion, all its branches together" if len(found.units) > 1 else ""
    lines = [f"Words that count most{where} (logits for {label}, centred over the emotions):"]
    for name, chosen in (("for", order[whole[order] > 0]), ("against", order[::-1][whole[order[::-1]] < 0])):
        for place, i in enumerate(chosen[:MOST_WORDS]):
            lines.append(f"  {name if place == 0 else '':<8}{describe_word(found, int(i), column)}")
    rests = [f"{name} {centre(values)[column]:+.3f}" for name, values in group_rests(found).items()]
    biases = f"biases {centre(found.biases)[column]:+.3f}"
    total = centre(found.words.sum(0) + found.rest + found.biases)[column]
    count = f"all {len(whole)} words" if len(whole) > 1 else "the word"
    lines.append(f"  {', '.join([f'{count} {whole.sum():+.3f}', *rests, biases])}: {found.role} logit {total:+.3f}")
    if analysis.best.role != found.role and found.role in analysis.best.members:
        lines.append(
            f"The {analysis.best.role} verdict takes half of each, adds half of early fusion, and divides the sum by the temperature."
        )
    return [*lines, *filter(None, [describe_division(found)]), CAPTION_SUM]


def describe_word(found: WordContributions, i: int, column: int) -> str:
    """ "cold +0.244 = text -0.030, frames +0.087, syllables +0.188", and what is odd about the word's place in the sound."""
    parts = [(unit, centre(part[i])[column]) for unit, part in found.parts.items() if found.counts[unit][i]]
    named = " = " + ", ".join(f"{UNITS[unit].name} {value:+.3f}" for unit, value in parts) if len(found.units) > 1 else ""
    odd = "" if found.placed[i] or not found.divided else " (not found in the sound)"
    if found.placed[i] and "F" in found.units and not found.counts["F"][i]:
        odd = " (too short to hold a frame's centre)"
    return f"{found.texts[i]} {centre(found.words[i])[column]:+.3f}{named}{odd}"


def describe_heads(analysis: Analysis) -> list[str]:
    lines = [f"Head {h.name} ({h.sha256[:12]}): {h.title}. {h.trained_on}".rstrip() for h in analysis.heads]
    return lines + list(dict.fromkeys(h.caveat for h in analysis.heads if h.caveat))


def describe_timings(analysis: Analysis) -> str:
    total = sum(analysis.timings.values())
    parts = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in analysis.timings.items())
    where = f" on {place}" if (place := say_devices(analysis.devices)) else ""
    return f"{total:.2f} s ({parts}){where}; mmer {analysis.version}, preset {analysis.preset}."
