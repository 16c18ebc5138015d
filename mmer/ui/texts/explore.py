"""What the Explore tab says."""

from __future__ import annotations

SKIP = "Skip to the result"
SUBTITLE = "See and hear why a machine finds an emotion in speech."
ETHICS = "For learning about such models, not for judging people."

# what is asked

MORE_EXAMPLES = "More examples"
VOICE = "Your voice"
AT_ONCE = "Analyse as soon as a recording stops or a file arrives"
SOUND_GOES = "Your sound goes to the program that serves this page and nowhere else, and is deleted within an hour."
CLIP_ANY = "Your clip: a few seconds of speech in {languages}"
CLIP = "Your clip: a few seconds of English speech"
WORDS_HINT = "Leave this empty to have the words recognised, or type them yourself."
OTHER_FILE = "Choose a file"
TRANSCRIBE, ANALYSE = "Transcribe", "Analyse"
KEYS = "<kbd>Ctrl</kbd> + <kbd>Enter</kbd> analyses."  # HTML
TEXTGRID = "TextGrid file to use instead of the aligner"
PRONUNCIATIONS, PRONUNCIATIONS_HINT = "Pronunciations", "On each line, write one word and then its ARPAbet phones."

# before there is a result

EMPTY_TITLE = "What you will see"
EMPTY = (  # what, and what that is
    ("A verdict.", "{}, from voice and words together."),  # the classes of the head that speaks first
    ("Where it comes from.", "Every word, syllable and frame with what it adds, on one time axis that you can play."),
    ("Room for doubt.", "How sure the models are, what they were trained on, and what they can't know."),
)
HOW_TO_BEGIN = "Record or upload a few seconds of English speech, or open an example."
KEPT_AWAY = "What you analysed before is still in your session’s list, which comes back with the next result."
NO_CLIP = "There is no clip yet. Record one, upload one or open an example."

# while work runs, and after

STARTING, NEXT_IN_LINE = "Starting", "Waiting for a free model: you are next"
PROGRESS = "Progress"
STILL_SHOWN = " The earlier result is still shown."
KEPT_STAGE, TOGETHER = "kept", "together"
NO_WORDS = "No words were recognised. Type what is said, or analyse without words."
WITHOUT_SOUND = "This result came without its sound, so its words can't be aligned again."
CHANGED_CLIP = "The word times of a changed clip come from its original recording. Go back to the original to align it again."

# the result

VERDICT, NOTICES = "Verdict", "Notices"
MORE = "All models, and what they were trained on"
HINTS = {  # term -> one line, shown on hover, focus and tap
    "late fusion": "A sum: text and sound are each judged alone, segment by segment, and what they add is added up.",
    "early fusion": "Words and sound are mixed by attention before anything is judged, so its answer is one number per emotion, not a sum.",
    "combined": "The mean of late and early fusion's logits; its probabilities are the verdict.",
}
TYPE_WORDS = "Type the words"
KINDS = {"recorded": "A real recording", "synthesised": "Synthesised speech, no human voice"}
ORIGINS = {
    "example": "Opened from a stored result.",
    "list": "Opened from your session; no model was asked.",
    "file": "Read from a file; no model was asked.",
}

# exports

EXPORTS = "Download the result"
HOW_COMPUTED = "How this was computed"
NOTHING_TO_EXPORT = "There is no result to export yet."


def say_card(said: str, share: float, meant: str, *, is_right: bool) -> str:
    """What an example's card says of its stored verdict."""
    return f"✓ {said} {100 * share:.0f} %, as meant" if is_right else f"✗ wrong: {said} {100 * share:.0f} %, meant {meant}"


def say_trained(facts: str) -> str:
    """The line above the numbers of all models."""
    return f"Trained on {facts}" if facts else MORE


def say_not_ready(aligner: str, reason: str) -> str:
    return f"{aligner} is not ready: {reason}"


def say_place(before: int) -> str:
    """Where somebody stands in the line for the models."""
    if before == 0:
        return NEXT_IN_LINE
    return f"Waiting for a free model: {before} {'is' if before == 1 else 'are'} before you"


def say_heard(reason: str, heard: str) -> str:
    return f"{reason} It recognised: {heard}"


def say_still_of(name: str) -> str:
    return f"The result below is still that of {name}. The new clip has not been analysed yet."


def say_meant(emotion: str) -> str:
    """HTML."""
    return f"The clip is meant as <b>{emotion}</b>"


def say_both_meant(words: str, voice: str) -> str:
    """HTML."""
    return f"The words alone are {words}, the voice is meant as <b>{voice}</b>"


def say_unnamed(meant: str) -> str:
    """Of an example whose emotion is none of the models' classes."""
    return f"{meant}, which these models have no name for."


def say_truth(meant: str, *, followed: str, is_right: bool) -> str:
    """Whether the verdict about an example is right. `followed`: "words", "voice", "neither", or "" where both are the same."""
    side = {"": "", "neither": "the model goes with neither, "}.get(followed, f"the model goes with the {followed}, ")
    return f"{'✓' if is_right else '✗'} {meant}: {side}the verdict is {'right' if is_right else 'wrong'}."


def say_speakers(names: str, preset: str, facts: str, *, are_many: bool, names_emotion: bool) -> str:
    """Which heads and preset speak, and what they were trained on."""
    start = "The numbers come from" if not names_emotion else "The verdict comes from" if are_many else "The verdict is that of"
    return f"{start} {names}; preset {preset}. Trained on: {facts}"


def say_silent(role: str) -> str:
    """HTML."""
    return f"<b>{role}</b> is not available"


def say_clip(name: str, duration: float, source: str) -> str:
    return f"{name}, {duration:.2f} s ({source})"


def say_confidence(confidence: float) -> str:
    return f", mean word probability {confidence:.2f}"


def say_alignment(source: str, score: float | None, *, is_approximate: bool) -> str:
    return source + (f", score {score:.1f} per 10 ms" if score is not None else "") + (", approximate" if is_approximate else "")


def say_computed(when: str, version: str, device: str) -> str:
    return f"{when} by mmer {version}{f', {say_device(device)}' if device else ''}"


def say_device(device: str) -> str:
    """Where it was computed: "on cpu"."""
    return f"on {device}"


def name_facts(encoders: dict[str, str], heads: dict[str, str]) -> dict[str, str]:
    """The rows of encoders and heads in the table of how it was computed."""
    return {f"{name} encoder": value for name, value in encoders.items()} | {f"head {name}": value for name, value in heads.items()}


def say_exports(exports: str) -> str:
    return f"{exports}. Each picture has its own button for SVG and PDF."


def say_include_audio(exports: str) -> str:
    return f"Include audio in the {exports}"


def say_no_pronunciation(number: int, line: str) -> str:
    return f'Pronunciations, line {number}: "{line}" is not a word and ARPAbet phones. Write it as: zorb Z AO R B'


def say_classes(count: int) -> str:
    return f"{count} classes"


def say_no_example(path: str, problem: str) -> str:
    return f"{path} is no description of an example ({problem}). Compare it with another example's."


def say_no_recording(folder: str) -> str:
    return f"{folder} holds no clip.wav or clip.ogg."
