"""Mutated files of seven kinds through our readers: each must be taken, or refused by one of our own errors. Anything else is a bug.

python benchmarks/fuzz.py [--count 100000] [--kind textgrid] [--seed 0]   (no network, no model but a small head of random weights)
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmer.align.files import read_alignment
from mmer.align.iemocap import iemocap_transcript
from mmer.align.textgrid import read_textgrid, textgrid_transcript, write_textgrid
from mmer.batch.items import list_columns, read_items
from mmer.batch.table import write_table
from mmer.datasets.iemocap import read_iemocap
from mmer.datasets.manifest import read_manifest
from mmer.errors import Bug, MmerError
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.exports.json_values import encode
from mmer.files.bugs import catch_bugs
from mmer.heads.config import HeadConfig
from mmer.heads.config_file import hash_config
from mmer.heads.folder import load_head, save_head
from mmer.heads.head import build_model
from mmer.heads.normalisation import Normalisation
from mmer.transcript.transcribe import read_transcript
from mmer.ui.explore.imports import read_import, read_note

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 2_000_000  # bytes of a mutated file
PATIENCE = 20  # seconds for one file; longer is a bug, whatever comes out
TOKENS = (
    *("", "0", "-1", "nan", "NaN", "inf", "-inf", "1e999", "1e-320", "9" * 5000, "-" + "9" * 25, "0x10", "1_000", "1e6", "-0.0", "0.30003"),
    *("\0", "\ud800", "\ufeff", "\u202e", "\\ud800", "\\u0000", "٣", "½", "😀", "e\u0301" * 50, "x" * 5000, "../" * 2000),
    *('"', "'", ",", ";", "\t", "\n", "\r", "\\", "{", "}", "[" * 3000, "]", "<", ">", "!", "#", "/", "=", "%s", "{0}", "null", "true"),
    *("SIL", "<sil>", "Total", "spn", "<exists>", "IntervalTier", "TextTier", "$5M", "1/0"),
)
VALUES = (
    *(None, True, 0, -1, 2**63, 10**30, 1.5, float("nan"), float("inf"), 1e308, "", "x", "nan", "\0", "\ud800", "x" * 5000),
    *([], {}, [[]], {"a": 1}, [None], [float("nan")] * 3),
    *({"dtype": "<f4", "shape": [2], "base64": "AAAAAAAAAAA="}, {"dtype": "<f8", "shape": [10**9, 10**9], "base64": ""}),
)


@dataclass(frozen=True)
class Kind:
    """One kind of file: whole samples, and what reads a mutated one of them in a folder of its own."""

    samples: list[bytes]
    read: Callable[[bytes, Path, random.Random], None]


@dataclass
class Outcome:
    counts: Counter = field(default_factory=Counter)  # accepted | refused | bugs
    bugs: list[str] = field(default_factory=list)  # the number of the input and the sentence


# ---- mutations ----


def mutate(sample: bytes, chance: random.Random) -> bytes:
    """One to four changes of bytes, words, lines or JSON values; at most LONGEST bytes."""
    data = sample
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice((change_bytes, change_word, change_word, change_lines, change_value, change_value))(data, chance)
    return data[:LONGEST]


def change_bytes(data: bytes, chance: random.Random) -> bytes:
    """A piece cut out, doubled, turned, replaced by noise, or all after it gone."""
    at = chance.randrange(len(data) + 1)
    size = min(chance.choice((1, 1, 4, 100)), len(data) - at)
    piece = data[at : at + size]
    new = chance.choice((b"", piece * chance.choice((2, 50)), piece[::-1], bytes(chance.randrange(256) for _ in range(size)), None))
    return data[:at] if new is None else data[:at] + new + data[at + size :]


def change_word(data: bytes, chance: random.Random) -> bytes:
    """A word replaced by, or followed by, one of TOKENS."""
    words = data.split(b" ")
    at = chance.randrange(len(words))
    token = chance.choice(TOKENS).encode("utf-8", errors="surrogatepass")
    words[at] = token if chance.random() < 0.6 else words[at] + token
    return b" ".join(words)


def change_lines(data: bytes, chance: random.Random) -> bytes:
    """Lines doubled, dropped, swapped or shuffled."""
    lines = data.split(b"\n")
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    kind = chance.randrange(4)
    if kind == 0:
        lines.insert(a, lines[b])
    elif kind == 1:
        del lines[a]
    elif kind == 2:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        part = lines[min(a, b) : max(a, b)]
        chance.shuffle(part)
        lines[min(a, b) : max(a, b)] = part
    return b"\n".join(lines)


def change_value(data: bytes, chance: random.Random) -> bytes:
    """One value or name of a JSON file changed; of another file a number."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return change_word(data, chance)
    if not isinstance(value, dict | list) or not value:
        return change_word(data, chance)
    place = value
    for _ in range(chance.randrange(6)):  # some steps down
        below = [part for part in (place.values() if isinstance(place, dict) else place) if isinstance(part, dict | list) and part]
        if not below:
            break
        place = chance.choice(below)
    key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
    action = chance.randrange(4)
    if action == 0:
        del place[key]
    elif action == 1 and isinstance(place, dict):
        place[chance.choice(TOKENS)[:300] + str(key)] = place.pop(key)
    elif action == 2 and isinstance(place, list):
        place.insert(key, copy.deepcopy(place[key]))
    else:
        place[key] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(value).encode()


# ---- the kinds ----


def make_textgrids(folder: Path) -> Kind:
    samples = [path.read_bytes() for path in sorted((ROOT / "tests" / "align" / "samples").glob("align*.TextGrid"))]
    samples += [path.read_bytes() for path in sorted((ROOT / "tests" / "align" / "samples").glob("*.json"))]

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        path = folder / "a.TextGrid"
        path.write_bytes(data)
        duration = chance.choice((None, 2.99, 0.5))
        alignment = read_textgrid(path, duration=duration)
        textgrid_transcript(path)
        read_textgrid(write_textgrid(alignment, duration or 10.0))

    return Kind(samples, read)


def make_segments(folder: Path) -> Kind:
    """.wdseg, .phseg and .syseg, one of which is changed."""
    whole = {path.suffix: path.read_bytes() for path in (ROOT / "tests" / "align" / "samples" / "iemocap").glob("utterance.*")}

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        changed = chance.choice((".wdseg", ".phseg", ".syseg"))
        for suffix, content in whole.items():
            (folder / f"a{suffix}").write_bytes(content)
        (folder / f"a{changed}").write_bytes(data)
        alignment = read_alignment(folder / "a.wdseg", duration=chance.choice((None, 1.4, 99.0)))
        iemocap_transcript(folder / "a.wdseg")
        dump_json(encode(alignment))

    return Kind(list(whole.values()), read)


EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Anger;\t(maybe)
C-F1:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\thap\t[4.0000, 2.5000, 3.5000]
C-E2:\tHappiness;\t()
A-E3:\tval 4; act 3; dom  2;\t()
"""
TRANSCRIPTION = "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nSes01F_impro01_M000 [010.0100-011.3925]: [LAUGHTER] Yes.\n"


def make_evaluations(folder: Path) -> Kind:
    """EmoEvaluation and transcription of one dialogue."""

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        texts = {"EmoEvaluation": EVALUATION.encode(), "transcriptions": TRANSCRIPTION.encode()}
        texts["transcriptions" if data.startswith(b"Ses") else "EmoEvaluation"] = data
        for name, content in texts.items():
            (folder / "Session1" / "dialog" / name).mkdir(parents=True, exist_ok=True)
            (folder / "Session1" / "dialog" / name / "Ses01F_impro01.txt").write_bytes(content)
        dataset = read_iemocap(folder, audio=False)
        for utterance in dataset.utterances:
            dump_json(encode([json.loads(utterance.extra["votes"]), json.loads(utterance.extra["ratings"]), dict(utterance.extra)]))
        _ = dataset.fingerprint

    return Kind([EVALUATION.encode(), EVALUATION.encode(), TRANSCRIPTION.encode()], read)


ROWS = (
    ("path", "text", "label", "speaker", "session", "start", "end", "alignment"),
    ("a.wav", "yes, I did", "anger", "s1", "1", "0.5", "1.5", "a.TextGrid"),
    ("b.wav", "no", "neutral", "s2", "2", "", "", ""),
)


def make_manifests(folder: Path) -> Kind:
    """CSV, TSV and JSON lines, as a data set and as a list for `mmer batch`."""
    tables = [
        "\n".join(mark.join(f'"{cell}"' if mark in cell else cell for cell in row) for row in ROWS).encode() for mark in (",", "\t", ";")
    ]
    lines = "\n".join(json.dumps(dict(zip(ROWS[0], row))) for row in ROWS[1:]).encode()

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        for name in ("a.wav", "b.wav", "a.TextGrid"):
            (folder / name).touch()
        ending = "jsonl" if data.lstrip().startswith(b"{") else chance.choice(("csv", "tsv"))
        path = folder / f"m.{ending}"
        path.write_bytes(data)
        first = None
        try:
            _ = read_manifest(
                path, audio=chance.random() < 0.7, labels=chance.choice((None, {"anger": "anger", "neutral": ""}))
            ).fingerprint
        except MmerError as error:
            first = error
        if ending != "jsonl":  # the same file as a list of clips
            items = read_items(path)
            write_table([dict(item.extra) for item in items], list_columns(items)).encode()
        if first is not None:
            raise first

    return Kind([*tables, lines, lines], read)


SPOKEN = (
    "I never said that.",
    "He won $5M on 2020-12-25, at 60 mph!",
    "Dr. Smith's 21st birthday: call 1-800-555-0199.",
    "5¢ for C++ in World War II, Ph.D.",
    "mid-20s [laughter] yes",
    "1,234.56 € / 3½ kg — 100 %",
    "12:30 p.m. 0.007 1st 2nd 3rd 1990s '90s MMXX",
    "Cześć, 你好 😀 naïve café",
)


def make_spelling(folder: Path) -> Kind:
    """Typed words."""

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        transcript = read_transcript(data.decode("utf-8", errors="surrogateescape"), duration=chance.choice((None, 3.0, 300.0)))
        for word in transcript.words:
            assert transcript.text[word.start_char : word.end_char] == word.text
        dump_json(encode(transcript)).encode()

    return Kind([text.encode() for text in SPOKEN], read)


def make_heads(folder: Path) -> Kind:
    """config.json beside the weights of a small head."""
    config = HeadConfig(
        "late-fs", "Late", "late", ("T", "F", "S"), "compact", ("1", "2"), ("1", "2"), 8, hidden=4, heads=2, feedforward=8, normalised=True
    )
    place = folder / "made" / "late-fs"
    ones = np.ones((2, 8), np.float32)
    save_head(place, config, build_model(config), normalisation=Normalisation(ones, ones))
    weights = (place / "model.safetensors").read_bytes()

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        own = folder / "late-fs"
        own.mkdir(exist_ok=True)
        (own / "model.safetensors").write_bytes(weights)
        (own / "config.json").write_bytes(data)
        head = load_head(own)
        hash_config(head.config)
        encode(head.infos)

    return Kind([(place / "config.json").read_bytes()], read)


def make_imports(folder: Path) -> Kind:
    """An exported analysis with every field filled, with and without words."""
    sys.path.insert(0, str(ROOT / "tests"))
    from sample_analysis import make_analysis

    made = [make_analysis(frames=20), make_analysis(frames=20, words=False)]

    def read(data: bytes, folder: Path, chance: random.Random) -> None:
        path = folder / "a.json"
        path.write_bytes(data)
        read_import(path)
        read_note(path)

    return Kind([dump_json(analysis_to_json(analysis)).encode() for analysis in made], read)


KINDS: dict[str, Callable[[Path], Kind]] = {
    "textgrid": make_textgrids,
    "wdseg": make_segments,
    "evaluation": make_evaluations,
    "manifest": make_manifests,
    "spelling": make_spelling,
    "head": make_heads,
    "import": make_imports,
}


# ---- running ----


class TooLong(BaseException):
    """One file took longer than PATIENCE."""


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    def stop(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(name: str, count: int, *, seed: int = 0, keep: Path | None = None) -> Outcome:
    """`count` mutated inputs of one kind; input n depends on seed and n alone. `keep`: a folder for the inputs that met a bug."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        kind = KINDS[name](folder)
        for number in range(count):
            chance = random.Random(f"{name} {seed} {number}")
            data = mutate(chance.choice(kind.samples), chance)
            outcome.counts[try_one(kind, data, folder, chance, number, outcome)] += 1
            if keep is not None and outcome.bugs and outcome.bugs[-1].startswith(f"{number}:"):
                (keep / f"{name}-{seed}-{number}").write_bytes(data)
    return outcome


def try_one(kind: Kind, data: bytes, folder: Path, chance: random.Random, number: int, outcome: Outcome) -> str:
    try:
        with limit_time(PATIENCE):
            catch_bugs(lambda: kind.read(data, folder, chance))
    except Bug as bug:
        outcome.bugs.append(f"{number}: {bug}")
        return "bugs"
    except TooLong:
        outcome.bugs.append(f"{number}: it took more than {PATIENCE} s")
        return "bugs"
    except MmerError as error:
        sentence = str(error)
        if len(sentence) > 1000 or "\n" in sentence:
            outcome.bugs.append(f"{number}: a sentence of {len(sentence)} characters: {sentence[:200]!r}")
            return "bugs"
        return "refused"
    return "accepted"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="mutated inputs of all kinds together (%(default)s)")
    parser.add_argument("--kind", choices=KINDS, help="only this one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that met a bug")
    options = parser.parse_args()
    names = [options.kind] if options.kind else list(KINDS)
    found = 0
    for name in names:
        begun = time.monotonic()
        outcome = run(name, -(-options.count // len(names)), seed=options.seed, keep=options.keep)
        counts = ", ".join(f"{outcome.counts[what]:,} {what}" for what in ("accepted", "refused", "bugs"))
        print(f"{name:<11}{counts}; {time.monotonic() - begun:.0f} s", flush=True)
        for bug in outcome.bugs[:10]:
            print(f"  {bug}")
        found += len(outcome.bugs)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
