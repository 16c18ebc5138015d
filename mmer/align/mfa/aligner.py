"""The Montreal Forced Aligner 3.x, where it is installed: it lives in an interpreter of its own (conda), so this side only talks to it.

A clip goes to `worker.py`, started once in that interpreter (tens of milliseconds a clip); where that can't start, to `mfa align_one`
(seconds). MFA exits happily with nonsense, so its input is guarded and its output checked here.
"""

from __future__ import annotations

import functools
import os
import tempfile
import threading
import time
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmer.align.assemble import UNKNOWN, SpokenWord, assemble_alignment, find_holders, match_labels, split_interval
from mmer.align.fit import NO_PATH, check_fit
from mmer.align.mfa.messages import last_sentence
from mmer.align.mfa.setup import MfaPaths, MfaSettings, check_version, choose_settings, find_interpreter, find_paths, find_version, identify
from mmer.align.mfa.worker_process import WorkerProcess, limit_seconds, run_command
from mmer.align.phones import is_silence, map_phone, name_phones
from mmer.align.pronounce import check_pronunciations, describe_guesses, guess_pronunciation
from mmer.align.textgrid_tiers import read_tiers
from mmer.errors import AlignmentError
from mmer.results import SAMPLE_RATE, Alignment, Clip, Notice, Segment, Transcript
from mmer.stopping import hold_lock

FRAME = 0.01  # seconds, in which MFA counts
SHORTEST = 0.1  # seconds; a file without samples aborts MFA's process
ONE_CLIP_SECONDS = 60.0  # of the slow command, which loads everything anew, and a second more for each of sound
TRY_AGAIN_SECONDS = 60.0  # after which a worker that could not start is started once more
_WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True)
class FoundWord:
    """One interval of MFA's word tier that isn't silence."""

    label: str
    start: float
    end: float
    phones: tuple[tuple[str, float, float], ...]


class WordChecker(Protocol):
    """A second aligner that says whether the words fit the sound: MFA's own likelihood depends on its model and knows no bound."""

    def judge(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = ...) -> tuple[Notice, ...]: ...


class MfaAligner:
    """MFA behind one `align`, with a program and models as `settings` name them. `judge` is asked whether the words fit the sound.

    Raises AlignmentError when MFA isn't there, is not version 3, or its models aren't downloaded.
    """

    name = "mfa"

    def __init__(
        self,
        settings: MfaSettings | None = None,
        *,
        root: Path | None = None,
        judge: WordChecker | None = None,
        try_again_seconds: float = TRY_AGAIN_SECONDS,
    ):
        self.paths: MfaPaths = find_paths(choose_settings(settings), root=root)
        self.why_slow = ""  # why the worker could not start, when it could not
        self._judge, self._try_again_seconds = judge, try_again_seconds
        self._phones: frozenset[str] = frozenset()
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self._worker: WorkerProcess | None = None
        self._tried = -np.inf  # when the worker was last started
        worker = self._find_worker()
        try:
            self.version = (worker.hello.get("version") if worker else None) or find_version(self.paths.program)
            check_version(self.version)
        except AlignmentError:
            self.close()
            raise
        self.source = f"mfa {self.version} {self.paths.title}"

    @functools.cached_property
    def identity(self) -> str:
        """What a result depends on beside clip and words, for the cache key. Raises AlignmentError as `identify` does."""
        return identify(self.paths)

    @property
    def fast(self) -> bool:
        """Whether clips go to a process that stays, not to `mfa align_one`."""
        return self._worker is not None

    def align(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = {}) -> Alignment:
        """Words, syllables and phones of `clip`. Unknown words go through letters to sound, in the acoustic model's own phones.

        Raises AlignmentError when there is nothing to align, MFA finds no path, or knows none of the words.
        """
        check_input(clip, transcript)
        typed = check_pronunciations(pronunciations)
        worker = self._find_worker()
        if worker is not None:
            alignment, guessed = self._ask_worker(worker, clip, transcript, typed)
            notices = describe_guesses(guessed, ())
        else:
            alignment = build_alignment(self._run_align_one(clip, transcript), clip, transcript, source=self.source)
            notices = self._slow_notices(typed)
        if self._judge is not None:
            notices += self._judge.judge(clip, transcript, pronunciations=typed)
        return replace(alignment, notices=(*alignment.notices, *notices))

    def close(self) -> None:
        """Ends the worker's process."""
        if self._worker is not None:
            self._worker.close()

    def _slow_notices(self, typed: Mapping[str, tuple[str, ...]]) -> list[Notice]:
        notices = [Notice("alignment", f"The Montreal Forced Aligner ran by its slow command. {self.why_slow}", "info")]
        if typed:
            notices.append(Notice("alignment", "The typed pronunciations were not used: the slow command of the aligner takes none."))
        return notices

    def _find_worker(self) -> WorkerProcess | None:
        """The worker; one that could not start is started again when a while has passed."""
        with self._starting:
            if self._worker is None and time.monotonic() - self._tried >= self._try_again_seconds:
                self._worker = self._start_worker()
                self._tried = time.monotonic()
            return self._worker

    def _start_worker(self) -> WorkerProcess | None:
        interpreter = find_interpreter(self.paths.program)
        if interpreter is None:
            self.why_slow = f"The first line of {self.paths.program} names no Python interpreter."
            return None
        worker = WorkerProcess([interpreter, "-u", str(_WORKER), str(self.paths.acoustic), str(self.paths.dictionary)])
        try:
            worker.start()
        except AlignmentError as error:
            self.why_slow = str(error)
            return None
        self.why_slow = ""
        self._phones = frozenset(worker.hello.get("phones", ()))
        return worker

    def _ask_worker(
        self, worker: WorkerProcess, clip: Clip, transcript: Transcript, typed: Mapping[str, tuple[str, ...]]
    ) -> tuple[Alignment, dict[str, str]]:
        """The alignment, and the phones of the words whose pronunciation was guessed."""
        words = [word for _, word in transcript.spoken]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.raw"
            path.write_bytes((round_samples(clip.samples) / 32768).astype("<f4").tobytes())
            missing = worker.ask({"op": "missing", "words": words}, seconds=limit_seconds())["missing"]
            chosen, guessed = self._pronounce(missing, words, typed)
            request = {"op": "align", "samples": str(path), "words": words, "pronunciations": chosen}
            answer = worker.ask(request, seconds=limit_seconds(clip.duration))
        if answer.get("no_path"):
            raise AlignmentError(NO_PATH)
        score = mean_likelihood(answer.get("likelihood"), clip)
        return build_alignment(read_answer(answer), clip, transcript, source=self.source, score=score), guessed

    def _pronounce(
        self, missing: Sequence[str], words: Sequence[str], typed: Mapping[str, tuple[str, ...]]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Dictionary lines for typed and unknown words, in the acoustic model's own phones, and the phones of those that were guessed."""
        chosen = {word: typed[word] for word in words if word in typed}
        guessed = {word: guess_pronunciation(word) for word in missing if word not in chosen}
        lines = {word: name_phones(phones, self._phones) for word, phones in (chosen | guessed).items()}
        said = {word: " ".join(phones) for word, phones in guessed.items() if lines[word]}
        return {word: line for word, line in lines.items() if line}, said

    def _run_align_one(self, clip: Clip, transcript: Transcript) -> list[FoundWord]:
        with tempfile.TemporaryDirectory() as folder:
            sound, text, out = (Path(folder) / f"clip.{end}" for end in ("wav", "lab", "TextGrid"))
            write_wav(sound, clip.samples)
            text.write_text(" ".join(word for _, word in transcript.spoken), encoding="utf-8")
            paths = [str(sound), str(text), str(self.paths.dictionary), str(self.paths.acoustic), str(out)]
            self._run(["align_one", *paths, "--output_format", "short_textgrid"], Path(folder), ONE_CLIP_SECONDS + clip.duration)
            if not out.is_file():
                raise AlignmentError("The Montreal Forced Aligner ended without an alignment.")
            return read_mfa_textgrid(out)

    def _run(self, arguments: Sequence[str], folder: Path, seconds: float) -> None:
        """One mfa command with a root folder of its own, since calls at the same time race on unpacked models. Raises Cancelled."""
        root = {**os.environ, "MFA_ROOT_DIR": str(folder / "root")}
        with hold_lock(self._lock):
            done = run_command([str(self.paths.program), *arguments], seconds=seconds, env=root)
        if done.returncode != 0 and "AlignerError" in done.stderr:
            raise AlignmentError(NO_PATH)
        if done.returncode != 0:
            said = last_sentence(done.stderr) or f"nothing; its process ended with {done.returncode}"
            raise AlignmentError(f"The Montreal Forced Aligner says: {said}.")


def check_input(clip: Clip, transcript: Transcript) -> None:
    """What MFA would take without a word, or die of."""
    if not transcript.spoken:
        raise AlignmentError("There are no spoken words to align with the recording.")
    if clip.duration < SHORTEST:
        raise AlignmentError(f"The recording is {clip.duration * 1000:.0f} ms long, too short to hold a word.")
    if not np.isfinite(clip.samples).all():
        raise AlignmentError("The recording holds samples that are not numbers, so it can't be aligned.")


def mean_likelihood(total: float | None, clip: Clip) -> float | None:
    """MFA's log likelihood of a whole clip -> the mean over its 10 ms frames, silence included; None without one."""
    return None if total is None else total / (clip.duration / FRAME)


def round_samples(samples: np.ndarray) -> np.ndarray:
    """(samples,) in [-1, 1] -> int16, rounded as kalpy itself does: cut instead, one clip of ten found no path and two words moved."""
    return np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767).astype("<i2")


def read_answer(answer: Mapping[str, Any]) -> list[FoundWord]:
    """The worker's words without silences."""
    return [
        FoundWord(label, start, end, tuple((p, s, e) for p, s, e in phones))
        for label, start, end, phones in answer["words"]
        if not is_silence(label)
    ]


def read_mfa_textgrid(path: str | Path) -> list[FoundWord]:
    """The words and phones of a TextGrid or JSON that MFA wrote, without silences. Raises AlignmentError when it has no such tiers."""
    tiers = {tier.name.split(" - ")[-1]: tier for tier in read_tiers(path)}
    if "words" not in tiers or "phones" not in tiers:
        raise AlignmentError("The Montreal Forced Aligner's file lacks the tiers “words” and “phones”.")
    phones, words = tiers["phones"].intervals, tiers["words"].intervals
    inside: list[list[tuple[str, float, float]]] = [[] for _ in words]
    for (start, end, label), at in zip(phones, find_holders([(s + e) / 2 for s, e, _ in phones], [(s, e) for s, e, _ in words])):
        if at >= 0:
            inside[at].append((label, start, end))
    return [FoundWord(label, start, end, tuple(said)) for (start, end, label), said in zip(words, inside) if not is_silence(label)]


def build_alignment(
    found: Sequence[FoundWord], clip: Clip, transcript: Transcript, *, source: str, score: float | None = None
) -> Alignment:
    """MFA's words under the names the transcript has for them. Raises AlignmentError when it aligned nothing or knows none of the words."""
    if not found:
        raise AlignmentError("The Montreal Forced Aligner found none of the words in the recording.")
    unknown = sum(_is_unknown(word) for word in found)
    if unknown == len(found):
        raise AlignmentError("The Montreal Forced Aligner's dictionary has none of these words. Check their language and spelling.")
    indices = match_labels([word.label for word in found], transcript)
    spoken = [SpokenWord(i, w.start, w.end, _read_phones(w, i)) for w, i in zip(found, indices) if w.end > w.start]
    spoken = join_clitics(spoken, [w for w in found if w.end > w.start])
    alignment = assemble_alignment(spoken, transcript, source=source, score=score)
    notices = list(check_fit(clip, alignment))
    if unknown:
        words = dict.fromkeys(transcript.words[i].text for w, i in zip(found, indices) if _is_unknown(w))
        notices.append(Notice("alignment", f"Not in the aligner's dictionary, so without phones: {', '.join(words)}."))
    return Alignment(alignment.words, alignment.syllables, alignment.phones, source, score, notices=tuple(notices))


def join_clitics(spoken: Sequence[SpokenWord], found: Sequence[FoundWord]) -> list[SpokenWord]:
    """ "there" + "'s" is one spoken word again, so that its syllables are cut as one."""
    joined: list[SpokenWord] = []
    for word, source in zip(spoken, found):
        if joined and source.label.startswith("'") and joined[-1].word == word.word:
            last = joined.pop()
            word = SpokenWord(word.word, last.start, word.end, last.phones + word.phones)
        joined.append(word)
    return joined


def _is_unknown(word: FoundWord) -> bool:
    return word.label == UNKNOWN or (bool(word.phones) and all(phone.lower() == "spn" for phone, _, _ in word.phones))


def _read_phones(word: FoundWord, index: int) -> tuple[Segment, ...]:
    phones: list[Segment] = []
    for label, start, end in word.phones:
        mapped = map_phone(label)
        if mapped and end > start:
            phones += split_interval(mapped, start, end, index)
    return tuple(phones)


def write_wav(path: Path, samples: np.ndarray) -> None:
    """16 bit mono, 16 kHz: what MFA reads without resampling."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(round_samples(samples).tobytes())
