"""How sure the recogniser is of English speech, of speech it can't know, and of sound that is no speech.

python benchmarks/recogniser_confidence.py --data DATA/speech [--clips 48] [--table rows.csv]

What `transcribe.UNTRUSTED`, `transcribe.UNSURE` and `transcribe.NO_SPEECH` are set on. DATA/speech holds <corpus>/manifest.csv with the
columns path, text and speaker, and language where a corpus has several; noise and hums are made here. Clips are drawn by seed, and
each group is split in two halves that share no speaker (no language, where it has many): the threshold is chosen on one and its cost is
told on the other. With --table the rows are kept, and read again instead of recognising the clips anew.
"""

import argparse
import csv
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmer.audio.load import clip_from_samples, load_audio
from mmer.results import Clip
from mmer.transcript.spelling import split_words
from mmer.transcript.transcribe import NO_SPEECH, UNSURE, UNTRUSTED, Recogniser

THRESHOLDS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
ENGLISH_KEPT = 0.95  # of the English clips that have words, on the half that the threshold is chosen on
CORPORA = {  # corpus -> its language, or None where the manifest says; and the share of --clips that is drawn
    "ravdess": ("en", 1.0),
    "tess": ("en", 0.35),
    "librispeech": ("en", 0.8),
    "vctk_sample": ("en", 0.5),
    "an4": ("en", 0.5),
    "cmu_arctic_sample": ("en", 0.5),
    "asterisk_prompts": (None, 1.0),
    "common_voice": (None, 3.2),
    "nemo": ("pl", 1.0),
}


@dataclass(frozen=True)
class Row:
    """What the recogniser made of one clip."""

    corpus: str
    path: str
    language: str
    half: str  # choose | report
    words: int
    confidence: float  # nan without words
    errors: float  # share of wrong words against the corpus's text; nan where there is none

    @property
    def is_english(self) -> bool:
        return self.language == "en"


def draw_clips(data: Path, count: int) -> list[dict[str, str]]:
    """Rows of the manifests with "corpus", "language" and "half"."""
    drawn: list[dict[str, str]] = []
    for corpus, (language, share) in CORPORA.items():
        with (data / corpus / "manifest.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        rows = random.Random(0).sample(rows, min(len(rows), round(share * count)))
        for row in rows:
            row |= {"corpus": corpus, "language": language or row["language"]}
        several = len({row["language"] for row in rows}) > 9
        keys = sorted({row["speaker"] if row["language"] == "en" or not several else row["language"] for row in rows})
        for row in rows:
            key = row["speaker"] if row["language"] == "en" or not several else row["language"]
            row["half"] = ("choose", "report")[keys.index(key) % 2]
        drawn += rows
    return drawn


def count_errors(truth: list[str], heard: list[str]) -> float:
    """Edit distance over words, as a share of the true ones."""
    line = list(range(len(heard) + 1))
    for i, word in enumerate(truth, 1):
        before, line[0] = line[0], i
        for j, other in enumerate(heard, 1):
            before, line[j] = line[j], min(line[j] + 1, line[j - 1] + 1, before + (word != other))
    return line[-1] / max(len(truth), 1)


def recognise(recogniser: Recogniser, data: Path, row: dict[str, str]) -> Row:
    found = recogniser.transcribe(load_audio(data / row["corpus"] / row["path"]))
    truth = [said for word in split_words(row["text"]) for said in word.spoken] if row["language"] == "en" else []
    errors = count_errors(truth, [said for _, said in found.spoken]) if truth else np.nan
    confidence = np.nan if found.confidence is None else found.confidence
    return Row(row["corpus"], row["path"], row["language"], row["half"], len(found.words), confidence, errors)


def make_noises() -> list[Clip]:
    """Sounds without speech: white, coloured and pulsing noise, tones and hums of several lengths."""
    made, rng = [], np.random.default_rng(0)
    for seconds in (1, 3, 8):
        times = np.arange(seconds * 16000) / 16000
        white = rng.normal(0, 1, len(times))
        brown = np.cumsum(white)
        brown -= np.convolve(brown, np.ones(400) / 400, "same")
        hum = sum(np.sin(2 * np.pi * 130 * k * times) / k for k in range(1, 8)) * np.minimum(1, 5 * np.minimum(times, seconds - times))
        pulses = white * (np.sin(2 * np.pi * 4 * times) > 0.5)
        tone = np.sin(2 * np.pi * 440 * times)
        sounds = (0.2 * white, 0.05 * white, 0.005 * white, 0.3 * brown / np.abs(brown).max(), 0.2 * hum, 0.3 * pulses, 0.5 * tone)
        made += [clip_from_samples(np.clip(sound, -1, 1), 16000, name="made") for sound in sounds]
    return made


def read_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(r["corpus"], r["path"], r["language"], r["half"], int(r["words"]), float(r["confidence"]), float(r["errors"]))
            for r in csv.DictReader(file)
        ]


def write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def choose_threshold(rows: list[Row]) -> float:
    """The highest of THRESHOLDS at which ENGLISH_KEPT of the English clips keep their words."""
    known = np.array([row.confidence for row in rows if row.is_english and row.words])
    return max(t for t in THRESHOLDS if (known >= t).mean() >= ENGLISH_KEPT or t == THRESHOLDS[0])


def report_group(name: str, rows: list[Row]) -> None:
    known = np.array([row.confidence for row in rows if row.words])
    shares = "  ".join(f"{(known < t).mean() if len(known) else np.nan:5.2f}" for t in THRESHOLDS)
    median = np.median(known) if len(known) else np.nan
    print(f"{name:28s} {len(rows):5d} {len(rows) - len(known):8d}  {median:6.2f}    {shares}", flush=True)


def report_threshold(rows: list[Row], threshold: float) -> None:
    english = [row for row in rows if row.is_english and row.words]
    foreign = [row for row in rows if not row.is_english and row.words]
    lost = [row for row in english if row.confidence < threshold]
    wrong = [row.errors >= 0.5 for row in lost if not np.isnan(row.errors)]
    kept = [row for row in foreign if row.confidence >= threshold]
    print(
        f"  below {threshold}: {len(lost)} of {len(english)} English clips lose their words "
        f"(half of the words or more are wrong in {sum(wrong)} of the {len(wrong)} whose text is known); "
        f"{len(kept)} of {len(foreign)} foreign ones keep theirs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=48, help="of a corpus; of some a share of it, see CORPORA")
    parser.add_argument("--table", type=Path, help="a CSV that keeps the rows, or holds them")
    options = parser.parse_args()
    if options.table and options.table.exists():
        rows = read_rows(options.table)
    else:
        recogniser = Recogniser.load()
        noises = [recogniser.transcribe(clip) for clip in make_noises()]
        print(f"noise, hums and tones: {len(noises)} clips, words in {sum(bool(found.words) for found in noises)}", flush=True)
        rows = [recognise(recogniser, options.data, row) for row in draw_clips(options.data, options.clips)]
        if options.table:
            write_rows(options.table, rows)
    print(f"{'group':28s} clips wordless  median   below: " + "  ".join(f"{t:5.2f}" for t in THRESHOLDS))
    for corpus in CORPORA:
        for language, is_english in (("English", True), ("other", False)):
            group = [row for row in rows if row.corpus == corpus and row.is_english == is_english]
            if group:
                report_group(f"{corpus} {language}", group)
    for half in ("choose", "report"):
        group = [row for row in rows if row.half == half]
        print(f"half {half!r}:")
        report_group("  English", [row for row in group if row.is_english])
        report_group("  other", [row for row in group if not row.is_english])
        for threshold in sorted({choose_threshold([row for row in rows if row.half == "choose"]), UNTRUSTED}):
            report_threshold(group, threshold)
    print(f"in use: untrusted below {UNTRUSTED}, unsure below {UNSURE}, no speech above {NO_SPEECH}")


if __name__ == "__main__":
    main()
