"""IEMOCAP's release as it is unpacked -> a data set of utterances.

Read are `SessionN/dialog/EmoEvaluation/*.txt` (labels and ratings), `SessionN/dialog/transcriptions/*.txt` (words),
`SessionN/sentences/wav/<dialogue>/<utterance>.wav` and `SessionN/sentences/ForcedAlignment/<dialogue>/<utterance>.wdseg`.
The paper's four classes, excitement counted as happiness, are 5,531 of its 10,039 rated utterances (Section 3.1); others can be chosen.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.classes import MOST, check_classes, check_stated
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.describe import list_reasons
from mmer.errors import DataError
from mmer.files.encoding import decode_text
from mmer.phrasing import say_count

LABELS = {  # code -> class; where excitement is not chosen and happiness is, it counts as that, as in the paper
    "ang": "anger", "hap": "happiness", "sad": "sadness", "neu": "neutral", "exc": "excitement", "fru": "frustration", "sur": "surprise",
    "fea": "fear", "dis": "disgust", "oth": "other",
}  # fmt: skip
NO_LABEL = {"xxx": "no majority among the raters", "oth": "another emotion"}  # in words for people
CATEGORIES = {
    "anger": "ang", "happiness": "hap", "excited": "exc", "sadness": "sad", "neutral": "neu", "neutral state": "neu", "frustration": "fru",
    "surprise": "sur", "fear": "fea", "disgust": "dis", "other": "oth",
}  # fmt: skip
COUNTS = {"anger": 1103, "happiness": 1636, "sadness": 1084, "neutral": 1708}  # of the full release
SESSION_COUNTS = {"1": 1085, "2": 1023, "3": 1151, "4": 1031, "5": 1241}
GENDERS = {"F": "female", "M": "male"}
KINDS = {"impro": "improvised", "script": "scripted"}

_NUMBER = r"-?\d+(?:\.\d+)?"
_HEAD = re.compile(rf"\[\s*({_NUMBER})\s*-\s*({_NUMBER})\s*\]\s+(\S+)\s+(\S+)\s+\[\s*({_NUMBER}),\s*({_NUMBER}),\s*({_NUMBER})\s*\]")
_TURN = re.compile(r"(?P<dialogue>Ses0*(?P<session>\d+)[FM]_(?P<kind>impro|script)\w*)_(?P<speaker>[FM])(?P<turn>(?:XX)?\d+\w?)")
_VOTE = re.compile(r"(?P<kind>[CA])-(?P<rater>[EFM]\d+)\s*:\s*(?P<rest>.*)")
_DIMENSION = re.compile(rf"\b(val|act|dom)\s+({_NUMBER})")
_SPOKEN = re.compile(r"(?P<name>Ses\S+)\s*\[[^\]]*\]\s*:\s*(?P<text>.*)")
_MARK = re.compile(r"\[[^\]]*\]|\+\+[^+]*\+\+")  # [LAUGHTER]


@dataclass(frozen=True)
class UtteranceName:
    """What the name of an utterance says: `Ses05M_script01_1b_F003`."""

    dialogue: str  # "Ses05M_script01_1b"
    session: str  # "5"
    speaker: str  # "Ses05F": the session and the letter before the turn number, not the file's prefix, which says who wore the markers
    gender: str  # female | male
    kind: str  # improvised | scripted


@dataclass(frozen=True)
class RatedUtterance:
    """One utterance of an EmoEvaluation file."""

    name: str
    code: str  # the majority's label: ang, hap, exc, sad, neu, fru, sur, fea, dis, oth, xxx
    start: float  # seconds into the dialogue
    end: float
    dimensions: tuple[float, float, float]  # mean valence, activation, dominance, 1 to 5
    votes: dict[str, list[str]] = field(default_factory=dict)  # rater ("E2"; "F1", "M1" rate themselves) -> categories
    ratings: dict[str, dict[str, float]] = field(default_factory=dict)  # rater -> val, act, dom, those that were given


@dataclass
class _Findings:
    """What was read so far."""

    classes: tuple[str, ...]
    utterances: list[Utterance] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_iemocap(root: str | Path, *, classes: Sequence[str] = (), audio: bool = True) -> Dataset:
    """The data set below `root`, the folder with Session1 to Session5 (or the one that holds IEMOCAP_full_release).

    `classes` are what is told apart, in this order, of LABELS' names; by default the paper's four. Excitement is happiness unless it is
    chosen itself.

    `left_out` names every rated utterance of another label, every transcribed turn that nobody rated, every line without a turn's name and,
    with `audio`, every utterance whose sound is missing. `notes` names what is missing or odd in those that stay: without a
    `.wdseg` there are no phones, syllables and words. With `audio` false labels and transcripts are enough, for models of the words alone.
    Metadata in `extra`: kind (improvised, scripted), gender, emotion (happiness and excitement apart), valence, activation, dominance,
    agreement ("2 of 3"), votes and ratings (JSON, by rater), dialogue_start and dialogue_end, and transcript where it has
    marks such as [LAUGHTER], which are not in `text`.

    Raises DataError when there is no session, a file is missing or broken (with file and line), no sound at all is found, or a class is
    chosen that IEMOCAP does not have or no utterance is of.
    """
    root, chosen = _find_root(Path(root)), tuple(classes) or EMOTIONS
    check_chosen(chosen)
    found = _Findings(chosen)
    for number in range(1, 6):
        session = root / f"Session{number}"
        if session.is_dir():
            _read_session(session, str(number), found, audio=audio)
        else:
            found.notes.append(f"{session.name}: not in {root.name}")
    if not found.utterances:
        why = f"{len(found.left_out)} were left out: {list_reasons(found.left_out) or 'nothing'}"
        raise DataError(
            f"{root}: no usable utterance; {why}."
            + " Models of the words alone need no sound: choose the unit T (`extract --no-audio`)." * audio
        )
    check_stated(chosen, (u.label for u in found.utterances), str(root))
    counted = check_counts(found.utterances) if chosen == EMOTIONS else ()
    return Dataset("iemocap", tuple(found.utterances), tuple(found.left_out), (*counted, *found.notes), chosen)


def check_chosen(classes: Sequence[str]) -> None:
    """Raises DataError unless these are 2 to 12 of IEMOCAP's labels."""
    check_classes(classes, "IEMOCAP")
    unknown = [name for name in classes if name not in LABELS.values()]
    if unknown:
        raise DataError(f"IEMOCAP has no label {unknown[0]!r}; choose 2 to {min(MOST, len(LABELS))} of {', '.join(LABELS.values())}.")


def name_class(code: str, classes: Sequence[str]) -> str:
    """The chosen class that a label counts as; "" for none."""
    name = LABELS.get(code, "")
    if name == "excitement" and name not in classes:
        name = "happiness"
    return name if name in classes else ""


def check_counts(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """A note for each count that is not the full release's."""
    labels, sessions = Counter(u.label for u in utterances), Counter(u.session for u in utterances)
    if dict(labels) == COUNTS and dict(sessions) == SESSION_COUNTS:
        return ()
    whole = ", ".join(f"{label} {count}" for label, count in COUNTS.items())
    parts = ", ".join(f"session {session} {count}" for session, count in SESSION_COUNTS.items())
    return (
        f"iemocap: {say_count(len(utterances), 'utterance')}: not the full release, which has {sum(COUNTS.values())} ({whole}; {parts})",
    )


def _find_root(root: Path) -> Path:
    for folder in (root, root / "IEMOCAP_full_release"):
        if any((folder / f"Session{number}").is_dir() for number in range(1, 6)):
            return folder
    raise DataError(f"{root}: no folder Session1 to Session5. Pass the folder into which IEMOCAP_full_release was unpacked.")


def _read_session(session: Path, number: str, found: _Findings, *, audio: bool) -> None:
    for file in list_texts(session / "dialog" / "EmoEvaluation"):
        rated = read_evaluation(file, found.notes)
        spoken, unnamed = read_transcription(session / "dialog" / "transcriptions" / file.name, found.notes)
        found.left_out += unnamed
        found.left_out += [f"{name}: a transcribed turn that nobody rated" for name in spoken if name not in rated]
        for name, rating in rated.items():
            turn = read_turn(name, file)
            if turn.session != number:
                raise DataError(f"{file}: {name} is of session {turn.session}, but its file lies in {session.name}.")
            label = name_class(rating.code, found.classes)
            if not label:
                words = NO_LABEL.get(rating.code) or LABELS.get(rating.code, "unknown")
                found.left_out.append(f"{name}: labelled {rating.code} ({words})")
                continue
            utterance = _make_utterance(session, turn, rating, spoken.get(name), label)
            if audio and not utterance.has_audio:
                found.left_out.append(f"{name}: no sound file {utterance.path.relative_to(session.parent)}")
                continue
            found.utterances.append(utterance)
            found.notes += _note_gaps(utterance, spoken.get(name))


def _note_gaps(utterance: Utterance, spoken: str | None) -> Iterator[str]:
    if spoken is None:
        yield f"{utterance.name}: not in the transcription, so no words"
    elif not utterance.text:
        yield f"{utterance.name}: no words, only {spoken or 'an empty line'}"
    if utterance.has_audio and utterance.alignment is None:
        yield f"{utterance.name}: no .wdseg, so no phones, syllables and words from the release"


def list_texts(folder: Path) -> list[Path]:
    """The .txt files of a folder by name, without the `._*.txt` that macOS left in the release."""
    files = sorted(f for f in folder.glob("*.txt") if not f.name.startswith("."))
    if not files:
        raise DataError(f"{folder}: no .txt files. They hold the labels of {folder.parent.parent.name}.")
    return files


def read_turn(name: str, file: Path) -> UtteranceName:
    """What an utterance's name says. Raises DataError naming `file` when it is no utterance's name."""
    match = _TURN.fullmatch(name)
    if match is None:
        raise DataError(f"{file}: {name!r} is not an utterance's name such as Ses03M_impro05a_F002.")
    session, letter = match["session"], match["speaker"]
    return UtteranceName(match["dialogue"], session, f"Ses{int(session):02d}{letter}", GENDERS[letter], KINDS[match["kind"]])


def read_evaluation(file: Path, notes: list[str]) -> dict[str, RatedUtterance]:
    """Name -> rating, in the file's order; lines that can't be understood are added to `notes`.

    Raises DataError with file and line for a broken head line or the same utterance twice.
    """
    found: dict[str, RatedUtterance] = {}
    current: RatedUtterance | None = None
    for number, line in _read_lines(file):
        if not line.strip() or line.startswith("%"):
            continue
        if line.startswith("["):
            current = _read_head(line, f"{file}, line {number}")
            if current.name in found:
                raise DataError(f"{file}, line {number}: {current.name} stands twice in it.")
            found[current.name] = current
        elif current is None or not _read_vote(line, current):
            notes.append(f"{file.name}, line {number}: a rating that can't be understood, left out")
    return found


def _read_head(line: str, where: str) -> RatedUtterance:
    match = _HEAD.match(line)
    if match is None:
        raise DataError(
            f"{where}: expected [start - end], a turn's name, its label and [valence, activation, dominance], found {line[:80]!r}."
        )
    start, end, name, code, *dimensions = match.groups()
    valence, activation, dominance = map(float, dimensions)
    return RatedUtterance(name, code, float(start), float(end), (valence, activation, dominance))


def _read_vote(line: str, rated: RatedUtterance) -> bool:
    """Adds one rater's line to `rated`: `C-E2:<tab>Neutral; Anger;<tab>(comment)` or `A-E3:<tab>val 3; act 2; dom  2;<tab>(comment)`."""
    match = _VOTE.match(line)
    if match is None:
        return False
    given = match["rest"].split("(")[0]
    if match["kind"] == "A":
        rated.ratings[match["rater"]] = {dimension: float(value) for dimension, value in _DIMENSION.findall(given)}
    else:
        rated.votes.setdefault(match["rater"], []).extend(vote.strip() for vote in given.split(";") if vote.strip())
    return True


def read_transcription(file: Path, notes: list[str]) -> tuple[dict[str, str], list[str]]:
    """(name -> words, one sentence for each line without a turn's name). A name's second line is noted and left out."""
    spoken: dict[str, str] = {}
    unnamed: list[str] = []
    for number, line in _read_lines(file):
        match = _SPOKEN.match(line.strip())
        if match is None:
            if line.strip():
                unnamed.append(f"{file.name}, line {number}: a transcribed line without a turn's name")
        elif match["name"] in spoken:
            notes.append(f"{match['name']}: transcribed twice; line {number} of {file.name} is not used")
        else:
            spoken[match["name"]] = match["text"].strip()
    return spoken, unnamed


def _read_lines(file: Path) -> Iterator[tuple[int, str]]:
    """(line number, line); UTF-8 or UTF-16, else Windows' Western encoding, in which some editors saved the release's texts."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: can't be read ({error.strerror}).") from error
    try:
        text = decode_text(data, str(file)) if b"\0" in data else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    yield from enumerate(re.split(r"\r\n|\r|\n", text), start=1)


def _make_utterance(session: Path, turn: UtteranceName, rated: RatedUtterance, spoken: str | None, label: str) -> Utterance:
    path = session / "sentences" / "wav" / turn.dialogue / f"{rated.name}.wav"
    words = session / "sentences" / "ForcedAlignment" / turn.dialogue / f"{rated.name}.wdseg"
    text = remove_marks(spoken or "")
    valence, activation, dominance = rated.dimensions
    extra = {
        "kind": turn.kind,
        "gender": turn.gender,
        "emotion": rated.code,
        "valence": f"{valence:g}",
        "activation": f"{activation:g}",
        "dominance": f"{dominance:g}",
        "agreement": describe_agreement(rated),
        "votes": json.dumps(rated.votes),
        "ratings": json.dumps(rated.ratings),
        "dialogue_start": f"{rated.start:g}",
        "dialogue_end": f"{rated.end:g}",
    }
    if spoken and spoken != text:
        extra["transcript"] = spoken
    return Utterance(
        path=path,
        text=text,
        label=label,
        speaker=turn.speaker,
        session=turn.session,
        extra=extra,
        name=rated.name,
        dialogue=turn.dialogue,
        alignment=words if words.is_file() else None,
        has_audio=path.is_file(),
    )


def remove_marks(text: str) -> str:
    """ "[LAUGHTER] That's what they say." -> "That's what they say.": marks name sounds, and a recogniser would not write them."""
    return " ".join(_MARK.sub(" ", text).split()).lstrip(",; ").replace(" ,", ",")


def describe_agreement(rated: RatedUtterance) -> str:
    """ "2 of 3": how many outside raters named the label. "" when none rated it."""
    outside = [votes for rater, votes in rated.votes.items() if rater.startswith("E")]
    agreeing = sum(rated.code in {CATEGORIES.get(vote.lower(), "") for vote in votes} for votes in outside)
    return f"{agreeing} of {len(outside)}" if outside else ""
