"""A made-up tree in the exact formats of IEMOCAP's release, with its traps. No word of it is the corpus's.

`write_full_tree` has the release's numbers: 10,039 rated turns, 5,531 of the paper's classes. `write_small_tree` has every trap in a few
turns, and sound made by espeak-ng on demand.
"""

from __future__ import annotations

import itertools
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

# session -> turns of each label; rows and columns sum to the release's counts
CLASSES = {  # ang, hap + exc, sad, neu
    1: (229, 278, 194, 384),
    2: (137, 327, 197, 362),
    3: (240, 286, 305, 320),
    4: (327, 303, 143, 258),
    5: (170, 442, 245, 384),
}
OTHERS = {"fru": 1849, "xxx": 2507, "sur": 107, "fea": 40, "oth": 3, "dis": 2}
HAPPY = 595  # of the 1636; the others are excited
DIALOGUES = ["impro01", "impro02", "impro03", "impro05a", "impro05b", "script01_1", "script01_1b", "script02_2", "script03_2"]
NAMES = {"ang": "Anger", "hap": "Happiness", "exc": "Excited", "sad": "Sadness", "neu": "Neutral state", "fru": "Frustration",
         "xxx": "Surprise", "sur": "Surprise", "fea": "Fear", "oth": "Other", "dis": "Disgust"}  # fmt: skip
WORDS = {
    "ang": "stop shouting leave never again enough fault blame hate door",
    "hap": "wonderful lovely laugh party great happy dance smile gift cheer",
    "exc": "amazing winner prize yes jump luck wow hurray travel ticket",
    "sad": "gone miss tears alone lost funeral sorry empty grey quiet",
    "neu": "table number form office paper street window monday record desk",
}
COMMON = """
the you it we then so maybe a this here now they go come know think want look little thing people time year day night house road
car tree water morning evening always sometimes before after under over with without because until about around some any every
other old new long short left right first last why when where who how much many is was were be been has had do did can could will
would should
"""
NO_WDSEG = ("Ses03F_impro07_M030", "Ses03M_impro03_M001")  # of the release


@dataclass(frozen=True)
class Said:
    """One rated turn."""

    name: str  # Ses01F_impro01_F000
    code: str
    text: str
    start: float = 6.2901
    end: float = 8.2357
    votes: str = ""  # the rating lines; "" for plain ones


def write_full_tree(root: Path, *, alignments: bool = False) -> Path:
    """The release's 10,039 rated turns without sound, the same each time; each class has words of its own."""
    happy = itertools.cycle(["hap"] * HAPPY + ["exc"] * (1636 - HAPPY))
    others = [code for code, count in OTHERS.items() for _ in range(count)]
    counter = itertools.count()
    for session, (angry, glad, sad, neutral) in CLASSES.items():
        codes = ["ang"] * angry + [next(happy) for _ in range(glad)] + ["sad"] * sad + ["neu"] * neutral
        codes += others[session - 1 :: 5]
        turns: dict[str, list[Said]] = {}
        for n, code in enumerate(codes):
            mover = "FM"[n % 2]
            dialogue = f"Ses{session:02d}{mover}_{DIALOGUES[n // 2 % len(DIALOGUES)]}"
            held = turns.setdefault(dialogue, [])
            letter = "FM"[n // 5 % 2]
            held.append(
                Said(
                    f"{dialogue}_{letter}{len(held):03d}", code, _say(code, dialogue, next(counter)), len(held) * 3.0, len(held) * 3.0 + 2.5
                )
            )
        for dialogue, said in turns.items():
            write_dialogue(root, session, dialogue, said)
            for turn in said if alignments else ():
                write_alignment(root, session, dialogue, turn)
    return root


def _say(code: str, dialogue: str, n: int) -> str:
    """3 to 20 words, mostly with one of the class's own, sometimes with another's; scripts repeat sentences, as the release's do."""
    rng = random.Random(f"{code} {n % 97 if 'script' in dialogue else n}")
    words = rng.choices(COMMON.split(), k=rng.randint(2, 19))
    source = code if code in WORDS and rng.random() < 0.8 else rng.choice(list(WORDS))
    words.insert(rng.randrange(len(words)), rng.choice(WORDS[source].split()))
    return " ".join(words).capitalize() + "."


def write_dialogue(root: Path, session: int, dialogue: str, said: list[Said], *, spoken: list[str] = []) -> None:  # noqa: B006
    """EmoEvaluation and transcription of one dialogue; `spoken` are further lines of the transcription."""
    folder = root / f"Session{session}" / "dialog"
    rows = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for turn in said:
        rows += [f"[{turn.start:.4f} - {turn.end:.4f}]\t{turn.name}\t{turn.code}\t[2.5000, 3.0000, 2.3333]"]
        rows += (turn.votes or plain_votes(turn)).splitlines()
        rows += [""]
    _write(folder / "EmoEvaluation" / f"{dialogue}.txt", "\n".join(rows) + "\n")
    lines = [f"{t.name} [{t.start:08.4f}-{t.end:08.4f}]: {t.text}" for t in said]
    _write(folder / "transcriptions" / f"{dialogue}.txt", "\n".join(lines + spoken) + "\n")


def plain_votes(turn: Said) -> str:
    """Two of three outside raters agree; the speaker is not sure."""
    name = NAMES[turn.code]
    letter = turn.name.rsplit("_", 1)[1][0]
    return (
        f"C-E2:\t{name};\t()\nC-E3:\t{name};\t()\nC-E4:\tOther;\t(bored)\nC-{letter}1:\tNeutral; {name};\t(curious)\n"
        f"A-E3:\tval 3; act 2; dom  2;\t()\nA-E4:\tval 2; act 4; dom  3;\t(guarded, tense; val 5)\nA-{letter}1:\tval 3; act 3; dom  ;\t()"
    )


def write_alignment(root: Path, session: int, dialogue: str, turn: Said) -> Path:
    """`.wdseg`, `.phseg` and `.syseg`: each word 30 frames with an inclusive end, spelled as three phones, pauses and noises between."""
    folder = root / f"Session{session}" / "sentences" / "ForcedAlignment" / dialogue
    words, phones, syllables = [(0, 9, "<s>")], [(0, 9, "SIL")], [(0, 9, "SIL")]
    at = 10
    for n, word in enumerate(w.strip(".,!?").upper() for w in turn.text.split() if not w.startswith("[")):
        words.append((at, at + 29, f"{word}(2)" if n % 3 == 1 else word))
        vowel, last = (("AH", "N"), ("AX", "TD"), ("AXR", "KD"), ("IX", "TS"))[n % 4]  # of the older dictionary, too
        phones += [(at, at + 9, f"W SIL {vowel} b"), (at + 10, at + 19, f"{vowel} W {last} i"), (at + 20, at + 29, f"{last} {vowel} SIL e")]
        syllables.append((at, at + 29, f"W_{vowel}_{last}"))
        at += 30
        if n % 4 == 2:
            words.append((at, at + 4, "++LAUGHTER++" if n % 8 == 2 else "<sil>"))
            phones.append((at, at + 4, "+LAUGHTER+" if n % 8 == 2 else "SIL"))
            syllables.append((at, at + 4, "SIL"))
            at += 5
    for rows in (words, phones, syllables):
        rows.append((at, at + 9, "</s>" if rows is words else "SIL"))
    for suffix, heading, rows in (("wdseg", "Word", words), ("phseg", "Phone", phones), ("syseg", "Syllable", syllables)):
        lines = [f"\t SFrm\t EFrm\t    SegAScr {heading}"]
        lines += [f"\t{first:5d}\t{last:5d}\t{-100 * (last - first + 1):12d} {label}" for first, last, label in rows]
        lines += [f" Total score: {sum(-100 * (last - first + 1) for first, last, _ in rows):12d}"]
        _write(folder / f"{turn.name}.{suffix}", "\n".join(lines) + "\n")
    return folder / f"{turn.name}.wdseg"


SMALL = {  # session, dialogue -> turns
    (1, "Ses01F_impro01"): [
        Said("Ses01F_impro01_F000", "neu", "Here is the form.", votes="C-E2:\tNeutral;\t()\nC-F1:\tNeutral; Anger;\t()\n"
             "A-E3:\tval 3; act 2; dom  2;\t()\nA-F1:\tval 3; act 2; dom  ;\t()"),
        Said("Ses01F_impro01_M001", "xxx", "Who can say?"),
        Said("Ses01F_impro01_M002", "fru", "Not this again."),
        Said("Ses01F_impro01_F003", "exc", "[LAUGHTER] We won the prize."),
    ],
    (1, "Ses01M_script01_3"): [
        Said("Ses01M_script01_3_F000", "sad", "He is gone."),
        Said("Ses01M_script01_3_M001", "ang", "Leave now!"),
    ],
    (3, "Ses03M_impro03"): [Said("Ses03M_impro03_M001", "neu", "Take a seat.")],
    (3, "Ses03M_impro05a"): [
        Said("Ses03M_impro05a_F000", "hap", "What a lovely gift."),
        Said("Ses03M_impro05a_M001", "sad", "[BREATHING]"),
    ],
    (5, "Ses05M_script01_1b"): [
        Said("Ses05M_script01_1b_M000", "ang", "I never said that."),
        Said("Ses05M_script01_1b_F001", "neu", "He is gone."),
        Said("Ses05M_script01_1b_F002", "hap", "How nice of you."),
    ],
}  # fmt: skip


def write_small_tree(root: Path, *, sound: str = "none") -> Path:
    """Three sessions with every trap. `sound`: "none", "empty" (files without content) or "espeak" (spoken by espeak-ng).

    12 rated turns, 10 of the four classes, one of which has no `.wdseg`.
    """
    for (session, dialogue), said in SMALL.items():
        spoken = []
        if dialogue == "Ses01F_impro01":
            spoken = ["M: Yeah.", "Ses01F_impro01_MXX0 [010.0000-011.0000]: [LAUGHTER], right.", "", "F: Oh."]
        write_dialogue(root, session, dialogue, said, spoken=spoken)
        for turn in said:
            if turn.name not in NO_WDSEG:
                write_alignment(root, session, dialogue, turn)
            if sound != "none":
                _write_sound(
                    root / f"Session{session}" / "sentences" / "wav" / dialogue / f"{turn.name}.wav", turn, spoken=sound == "espeak"
                )
    evaluations = root / "Session1" / "dialog" / "EmoEvaluation"
    (evaluations / "._Ses01F_impro01.txt").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")  # as macOS left them in the release
    _write(evaluations / "Categorical" / "Ses01F_impro01_e2_cat.txt", "Ses01F_impro01_F000 :Neutral state; ()\n")
    western = root / "Session5" / "dialog" / "transcriptions" / "Ses05M_script01_1b.txt"
    western.write_bytes(western.read_text(encoding="utf-8").replace("I never", "I\u2019d never").replace("\n", "\r\n").encode("cp1252"))
    return root


def _write_sound(path: Path, turn: Said, *, spoken: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not spoken:
        path.write_bytes(f"sound of {turn.name}".encode())
        return
    voice = "en-us+f3" if turn.name.rsplit("_", 1)[1].startswith("F") else "en-us"
    pitch = {"ang": "40", "hap": "75", "exc": "80", "sad": "25", "neu": "50"}.get(turn.code, "50")
    text = turn.text.strip("[]").lower() if turn.text.startswith("[") else turn.text
    subprocess.run(["espeak-ng", "-v", voice, "-p", pitch, "-w", str(path), text], check=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
