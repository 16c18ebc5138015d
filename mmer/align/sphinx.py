"""Forced alignment with pocketsphinx, which needs nothing but pip: its English acoustic model and dictionary are in the wheel."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import numpy as np

from mmer.align.assemble import SpokenWord, assemble_alignment
from mmer.align.pronounce import check_pronunciations, guess_pronunciation
from mmer.errors import AlignmentError
from mmer.results import Alignment, Clip, Notice, Segment, Transcript

FRAME = 0.01  # seconds; pocketsphinx counts in these
FRAMES_PER_PHONE = 3  # a phone is three states of at least one frame each
QUIET_PEAK = 0.1  # below it a clip is scaled up, so that 16 bit samples keep its detail
NOISE = 2.0  # of 32768: digital silence has no logarithm


class SphinxAligner:
    """One pocketsphinx decoder behind a lock: safe to share between threads, and the same clip gives the same result in any order."""

    name = "sphinx"

    def __init__(self):
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=16000, lm=None, bestpath=False, loglevel="FATAL")
        self._lock = threading.Lock()
        self.source = f"pocketsphinx {version('pocketsphinx')}"

    def align(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = {}) -> Alignment:
        """Words, syllables and phones of `clip`; typed `pronunciations` (word -> ARPAbet phones) win over dictionary and letters to sound.

        Raises AlignmentError when no word is spoken, when the clip is too short for the words, or when no path through the sound fits them.
        """
        typed = check_pronunciations(pronunciations)
        if not transcript.spoken:
            raise AlignmentError("There are no spoken words to align with the recording.")
        with self._lock:
            entries, notices = self._look_up(transcript, typed)
            self._check_length(clip, [name for _, name in entries])
            words = self._decode_path(to_pcm(clip.samples), entries)
        return assemble_alignment(words, transcript, source=self.source, notices=notices)

    def _look_up(self, transcript: Transcript, typed: Mapping[str, tuple[str, ...]]) -> tuple[list[tuple[int, str]], list[Notice]]:
        """(written word, name in the decoder's dictionary) of every spoken word that can be pronounced, and what the person should know."""
        entries: list[tuple[int, str]] = []
        guessed: dict[str, str] = {}
        silent: list[str] = []
        for index, word in transcript.spoken:
            written = transcript.words[index]
            phones = typed.get(word) or (typed.get(written.text.lower()) if len(written.spoken) == 1 else None)
            if phones is None and self._decoder.lookup_word(word) is not None:
                entries.append((index, word))
                continue
            if phones is None:
                phones = guess_pronunciation(word)
                guessed[word] = " ".join(phones)
            if phones:
                entries.append((index, self._add_word(word, phones)))
            else:
                silent.append(word)
        if not entries:
            raise AlignmentError(f"None of the words can be pronounced in English ({', '.join(silent[:5])}), so they can't be aligned.")
        return entries, _dictionary_notices({w: p for w, p in guessed.items() if p}, silent)

    def _add_word(self, word: str, phones: Sequence[str]) -> str:
        """A name that holds its own pronunciation, so that one visitor's pronunciation never reaches another's word."""
        name = f"{word}|{'-'.join(phones)}"
        if self._decoder.lookup_word(name) is None:
            self._decoder.add_word(name, " ".join(phones), False)
        return name

    def _check_length(self, clip: Clip, names: Sequence[str]) -> None:
        phones = sum(len(self._decoder.lookup_word(name).split()) for name in names)
        shortest = phones * FRAMES_PER_PHONE * FRAME
        if shortest > clip.duration:
            raise AlignmentError(
                f"{len(names)} words don't fit into {clip.duration:.1f} s: saying their {phones} sounds takes at least {shortest:.1f} s. "
                "Check that the words belong to this recording."
            )

    def _decode_path(self, pcm: bytes, entries: Sequence[tuple[int, str]]) -> list[SpokenWord]:
        """The words in time, silences left out: a first pass finds the words, a second one their phones."""
        self._decoder.reinit_feat()  # else the result depends on the call before
        self._decoder.set_align_text(" ".join(name for _, name in entries))
        self._process(pcm)
        if not self._decoder.hyp():
            raise AlignmentError(
                "The words and the sound could not be matched: no way of saying these words fits the recording. "
                "Check that the words are what is said, all of it and in this order."
            )
        self._decoder.set_alignment()
        self._process(pcm)
        alignment = self._decoder.get_alignment()  # its entries point into it: keep it while they are read
        indices = iter(index for index, _ in entries)
        return [_read_word(word, next(indices)) for word in alignment if not _is_filler(word.name)]

    def _process(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(pcm, full_utt=True)
        finally:
            self._decoder.end_utt()  # else the decoder is stuck and every later alignment fails


def to_pcm(samples: np.ndarray) -> bytes:
    """16 bit samples for pocketsphinx; a very quiet clip is scaled up, a little fixed noise covers digital silence."""
    peak = float(np.max(np.abs(samples)))
    scaled = samples * (0.5 / peak) if 0 < peak < QUIET_PEAK else samples
    noise = np.random.default_rng(0).uniform(-NOISE, NOISE, len(samples))
    return np.clip(scaled * 32767 + noise, -32768, 32767).astype("<i2").tobytes()


def _read_word(word, index: int) -> SpokenWord:
    phones = tuple(_read_phone(phone, index) for phone in word)
    return SpokenWord(index, _seconds(word.start), _seconds(word.start + word.duration), phones, float(word.score) / word.duration)


def _read_phone(phone, index: int) -> Segment:
    return Segment(phone.name, _seconds(phone.start), _seconds(phone.start + phone.duration), index, float(phone.score) / phone.duration)


def _seconds(frames: int) -> float:
    return round(frames * FRAME, 2)


def _is_filler(name: str) -> bool:
    return name.startswith(("<", "[", "++"))


def _dictionary_notices(guessed: Mapping[str, str], silent: Sequence[str]) -> list[Notice]:
    notices = []
    if guessed:
        said = "; ".join(f"“{word}” as {phones}" for word, phones in list(guessed.items())[:5])
        more = f" and {len(guessed) - 5} more" if len(guessed) > 5 else ""
        notices.append(Notice("alignment", f"Not in the dictionary, so pronounced by their spelling: {said}{more}.", "info"))
    if silent:
        notices.append(Notice("alignment", f"Left out of the alignment, no English pronunciation: {', '.join(silent[:5])}."))
    return notices
