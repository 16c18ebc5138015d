"""What "Test the claim" says: its widgets, its refusals."""

from __future__ import annotations

TITLE = "Test the claim"
CAPTION = "Attention is not proof. Change a part of the clip and ask the same models again: whatever changes was caused by that part."
BACK = "Back to the clip it was made from"
NOTHING_SELECTED = "Nothing is selected above yet."
SELECTION, THE_SELECTION = "Selection", "The selection"
PART, SELECTED, STRETCH = "Which part", "What is selected above", "A span of time, in seconds"
FROM, TO = "From (seconds)", "To, seconds"
ACTION = "What happens"
ACTIONS = {
    "mute": "Mute it with silence",
    "mute noise": "Mute it with matched noise",
    "remove": "Remove it",
    "isolate": "Keep only this part, mute the rest",
    "pitch": "Change its pitch (synthetic)",
    "tempo": "Change its tempo (synthetic)",
    "loudness": "Change its loudness (synthetic)",
    "words": "Replace the words, in the text only",
    "correct": "Correct the words and align them again",
    "voice": "Use another clip's voice with these words",
}
WHERE = "Where"
MEDIA = {"sound": "sound", "text": "text", "both": "both"}
AMOUNT = "How much"
AMOUNTS = {"pitch": "Semitones, -24 to 24", "tempo": "Times as fast, 0.25 to 4", "loudness": "Decibels, -60 to 60"}
WORDS, VOICE = "Words", "Whose voice"
RUN = "Run"

# the changed clip

CHANGED = "The changed clip"
SHOW_CHANGED, BESIDE = "Show the changed clip in all views", "Original and changed side by side"
SAVE_CHANGE, SAVE_SOUND = "Download the change as JSON", "Download the changed clip as WAV"

# leave one out

CURVE_TITLE = "Leave one out"
CURVE = (
    "Each segment is muted in turn, against silence and against matched noise, and the whole clip is encoded again. "
    "Beside the drop stand the two explanations: what late fusion adds there, and the attention it gets in early fusion."
)
SEGMENTS, WORDS_ALONE = "Segments", "In the text only words can be left out."
EMOTION, MODEL = "Emotion", "Model"
RUN_CURVE = "Leave out each in turn"
SAVE_CURVE = "Download the curve as JSON"
NOTHING_TO_LEAVE_OUT = "This clip has no words, syllables or phones that could be left out."

# what can't be done

NO_RESULT = "There is no result yet to test: analyse a clip or open an example."
NOTHING_LEFT_OUT = "Nothing was left out yet."
NO_PARENT = "The clip that this one was made from is not in the list any more."
CANCELLED = "Cancelled. Nothing was changed."
NO_VOICE = "There is no other clip yet whose voice could be used. Analyse another clip; it then appears in the list."
NO_WORDS = "Type the words first."
NO_STRETCH = "Enter where it begins and ends in seconds, for example 0.5 and 1.2."
UNREADABLE = "What is selected can't be read; choose the part from the list."
SELECT_PART = "Nothing is selected: press a word, syllable or phone above, or choose a part from the list."
SELECT_STRETCH = "Nothing is selected: drag over the wave above, or choose a span of time from the list."


def name_word(number: int, word: str) -> str:
    return f"word {number}: {word}"


def name_segment(tier: str, number: int, label: str, start: float) -> str:
    """`tier`: "syllable" or "phone"; `start`: seconds."""
    return f"{tier} {number}: {label}, {start:.2f} s"


def say_how_much(amount: str) -> str:
    return f"Enter how much: {amount.lower()}."


# the outcome

WHAT_CHANGED, CURVE_TABLE = "What changed", "Leave-one-out table"
STAYS, CHANGES, NO_VERDICT = "The verdict stays", "The verdict changes", "There is no verdict, before or now"
INPUT_GONE = "its input is gone"
VERDICT, DIFFERENCE = "verdict", "difference"
ORIGINAL_AND_CHANGED = ("original", "changed")
NOT_THERE, NONE = "not there", "none"
CURVE_NOTE = (
    "Drops and contributions share one scale, in logits. Attention has a scale of its own and no sign. "
    "Press a row to select its segment and hear it above."
)
COLUMN_NAMES = {
    "drop (silence)": "drop, against silence",
    "drop (noise)": "drop, against noise",
    "drop (mask)": "drop, against [MASK]",
    "contribution": "contribution",
    "attention": "attention",
}
LEFT_OUT, SIGN_DIFFERS = "Left out of the curve", "± sign differs"
RANKS, RANK_COLUMNS = "Spearman's rank correlations", ("of", "rho", "as strong by chance", "n")
EXPLANATIONS = {"contribution": "Arithmetic (the contributions)", "attention": "Attention"}


def say_roles(before: str, now: str) -> str:
    """Which models gave the verdicts, where they are not the same."""
    return f" (before by {before}, now by {now})"


def say_outcome(verdict: str, before: str, now: str) -> str:
    """HTML."""
    return f"<b>{verdict}.</b> Before: {before}. Now: {now}."


def say_share(emotion: str, share: float) -> str:
    """With a digit more than elsewhere, since it is the difference that counts."""
    return f"{emotion} with {100 * share:.1f} %"


def say_lost(role: str, reason: str) -> str:
    return f"{role} can't answer any more: {reason}"


def say_other_head(role: str) -> str:
    return f"For {role} another head answers now, so part of the difference may be due to the head."


def say_unavailable(units: str, reason: str) -> str:
    return f"No longer available: {units}. {reason}"


def say_bars(first: str, second: str) -> str:
    return (
        "For a model, the bars are probabilities, with raw logits below them; for a branch, the bars are raw logits. "
        f"Differences are {second} minus {first}."
    )


def say_points(points: float) -> str:
    return f"{points:+z.1f} points"


def name_curve(emotion: str, role: str, count: int, tier: str) -> str:
    return f"{emotion}, {role}: how far the logit falls without each of {count} {tier}, centred over the emotions"


def name_pair(one: str, other: str, against: str, *, are_sizes: bool) -> str:
    return f"{one} and {other}{f' (against {against})' if against else ''}{', by size' if are_sizes else ''}"


def say_agreement(explanation: str, count: int, tier: str, judged: str) -> str:
    return f"{explanation} beside the drops of {count} {tier}: {judged}."


def judge_agreement(against: str, rho: float | None, judgement: str) -> str:
    return f"with {against}{'' if rho is None else f' (rho {rho:+.2f})'} {judgement}"


def say_nothing_to_compare(count: int, tier: str) -> str:
    return f"Over {count} {tier}: there is nothing to compare the drops with."


def say_parent(name: str, edits: list[str]) -> str:
    """HTML."""
    return f"This clip was made from <b>{name}</b> ({', then '.join(edits)}); it is no recording."
