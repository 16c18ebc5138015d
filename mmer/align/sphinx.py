"""Forced alignment with pocketsphinx, which needs nothing but pip: its English acoustic model and dictionary are in the wheel."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from mmer.align.assemble import SpokenWord, assemble_alignment
from mmer.align.fit import NO_PATH, check_fit
from mmer.align.phone_loop import DOUBT, PhoneLoop, describe_doubt, find_worst_run
from mmer.align.pronounce import check_pronunciations, describe_guesses, guess_pronunciation
from mmer.errors import AlignmentError
from mmer.phrasing import say_count
from mmer.results import SAMPLE_RATE, Alignment, Clip, Notice, Segment, Transcript
from mmer.stopping import check_stopped, hold_lock

FRAME = 0.01  # seconds; pocketsphinx counts in these
FRAMES_PER_PHONE = 3  # a phone is three states of at least one frame each
QUIET_PEAK = 0.1  # below it a clip is scaled up, so that 16 bit samples keep its detail
NOISE = 2.0  # of 32768: digital silence has no logarithm
BYTES_PER_SECOND = 2 * SAMPLE_RATE  # 16 bit
PIECE_MIN, PIECE_MAX = 10.0, 25.0  # seconds; a longer clip is cut at its widest pause in this range

MISFIT = "The words don't seem to match the sound"
WARNING_SCORE = -30.0
"""Mean acoustic score per frame below which the words are said not to fit. Set on all 672 RAVDESS clips by
`python benchmarks/alignment_threshold.py --data DATA`: true sentences against RAVDESS's other sentence and unrelated lines of like length.

False alarms, and swapped transcripts caught (no path, or below the threshold):

    threshold   all    anger  happiness  sadness  neutral   other sentence  unrelated
      -25       8.7 %  11.1 %   11.7 %     7.8 %    0 %         89.4 %       99.9 %
      -28       4.2 %   5.8 %    5.3 %     3.6 %    0 %         73.2 %       99.7 %
      -30       2.9 %   3.7 %    3.7 %     2.6 %    0 %         54.3 %       99.4 %
      -35       1.2 %   1.6 %    2.1 %     0.5 %    0 %         25.1 %       95.7 %

7 of 672 true clips have no path (3 anger, 4 happiness). Scores relative to a free phone loop on the same clip separate no better from
unrelated lines (area .992 against .996) at nearly twice the cost, and alarm more on sadness than on anger instead.
"""

REFUSED_SCORE = -50.0
"""Below it the path is nonsense and refused: none of the true alignments above lies there (the lowest is -46.3)."""


MOST_ADDED = 20_000  # pronunciations that are added to a decoder before it is made anew: its dictionary would grow for ever


class SphinxAligner:
    """One pocketsphinx decoder behind a lock: safe to share between threads, and the same clip gives the same result in any order."""

    name = "sphinx"

    def __init__(self, *, most_added: int = MOST_ADDED, check_words: bool = True):
        """`check_words`: doubt words that do not sound like what is said there, which takes about as long as aligning."""
        self._lock, self._most_added = threading.Lock(), most_added
        self._loop = PhoneLoop() if check_words else None
        self._start_decoder()
        self.source = self.identity = identify()

    def _start_decoder(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=SAMPLE_RATE, lm=None, bestpath=False, loglevel="FATAL")
        self._added = 0  # pronunciations beyond the dictionary's, which can't be taken out again

    def align(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = {}) -> Alignment:
        """Words, syllables and phones of `clip`; typed `pronunciations` (word -> ARPAbet phones) win over dictionary and letters to sound.

        Raises AlignmentError when no word is spoken, when the clip is too short for the words, or when no path through the sound fits them
        or only a nonsensical one. A wrong word in minutes of speech may leave no path at all; aligning around it is not done.
        """
        typed = check_pronunciations(pronunciations)
        if not transcript.spoken:
            raise AlignmentError("There are no spoken words to align with the recording.")
        with hold_lock(self._lock):
            if self._added > self._most_added:
                self._start_decoder()
            entries, notices = self._look_up(transcript, typed)
            self._check_length(clip, [name for _, name in entries])
            pcm = to_pcm(clip.samples)
            words, lost = self._decode_clip(pcm, entries)
            alignment = assemble_alignment(words, transcript, source=self.source)
            doubts = check_score(alignment.score) or self._doubt_words(pcm, alignment, transcript)
        notices += [*lost, *doubts, *check_fit(clip, alignment)]
        return replace(alignment, notices=tuple(notices))

    def judge(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = {}) -> tuple[Notice, ...]:
        """Whether the words fit the sound, for an aligner whose own score has no known bound: a warning, or nothing."""
        try:
            alignment = self.align(clip, transcript, pronunciations=pronunciations)
        except AlignmentError as error:
            return (Notice("alignment", f"The built-in aligner, asked whether the words fit, says: {error}"),)
        return tuple(n for n in alignment.notices if n.text.startswith((MISFIT, DOUBT)))

    def _doubt_words(self, pcm: bytes, alignment: Alignment, transcript: Transcript) -> list[Notice]:
        """Clips that are aligned in pieces are not looked at: the bound was not measured for them."""
        if self._loop is None or len(pcm) > PIECE_MAX * BYTES_PER_SECOND:
            return []
        return describe_doubt(*find_worst_run(alignment.phones, self._loop.score_frames(pcm)), transcript)

    def _look_up(self, transcript: Transcript, typed: Mapping[str, tuple[str, ...]]) -> tuple[list[tuple[int, str]], list[Notice]]:
        """(written word, name in the decoder's dictionary) of every spoken word that can be pronounced, and what the person should know."""
        entries: list[tuple[int, str]] = []
        guessed: dict[str, str] = {}
        silent: list[str] = []
        for index, word in transcript.spoken:
            written = transcript.words[index]
            phones = typed.get(word) or (typed.get(written.text.lower()) if len(written.spoken) == 1 else None)
            if phones is None and not _is_filler(word) and self._decoder.lookup_word(word) is not None:
                entries.append((index, word))
                continue
            if phones is None:
                phones = guess_pronunciation(word)
                guessed[word] = " ".join(phones)
            if phones:
                entries.append((index, self._add_word(phones)))
            else:
                silent.append(word)
        if not entries:
            raise AlignmentError(f"None of the words can be pronounced in English ({', '.join(silent[:5])}), so they can't be aligned.")
        return entries, describe_guesses({w: p for w, p in guessed.items() if p}, silent)

    def _add_word(self, phones: Sequence[str]) -> str:
        """A name that is its own pronunciation, so that what one visitor typed for a word never reaches another's."""
        name = "|" + "-".join(phones)
        if self._decoder.lookup_word(name) is None:
            self._decoder.add_word(name, " ".join(phones), False)
            self._added += 1
        return name

    def _check_length(self, clip: Clip, names: Sequence[str]) -> None:
        phones = sum(len(self._decoder.lookup_word(name).split()) for name in names)
        shortest = phones * FRAMES_PER_PHONE * FRAME
        if shortest > clip.duration:
            raise AlignmentError(
                f"{say_count(len(names), 'word')} can't be said in {clip.duration:.1f} s: {say_count(phones, 'sound')} take at least "
                f"{shortest:.1f} s. Check that the words belong to this recording."
            )

    def _decode_clip(self, pcm: bytes, entries: Sequence[tuple[int, str]]) -> tuple[list[SpokenWord], list[Notice]]:
        """The words in time. A long clip is cut between words first: the second pass needs memory for every frame times every phone."""
        if len(pcm) <= PIECE_MAX * BYTES_PER_SECOND:
            return self._decode_path(pcm, entries), []
        words: list[SpokenWord] = []
        lost: list[Notice] = []
        for piece in cut_pieces(self._find_spans(pcm, entries), len(pcm) / BYTES_PER_SECOND):
            check_stopped()
            part = pcm[_byte(piece.start) : _byte(piece.end)]
            try:
                found = self._decode_path(part, entries[piece.first : piece.last])
            except AlignmentError:
                lost.append(
                    Notice("alignment", f"The words from {piece.start:.0f} to {piece.end:.0f} s could not be aligned and are left out.")
                )
                continue
            words += [_shift_word(word, piece.start) for word in found]
        if not words:
            raise AlignmentError(NO_PATH)
        return words, lost

    def _find_spans(self, pcm: bytes, entries: Sequence[tuple[int, str]]) -> list[tuple[float, float]]:
        """Start and end in seconds of every word, by the first pass alone."""
        self._search_path(pcm, entries)
        segments = [s for s in self._decoder.seg() if not _is_filler(s.word)]
        return [(_seconds(s.start_frame), _seconds(s.end_frame + 1)) for s in segments]

    def _decode_path(self, pcm: bytes, entries: Sequence[tuple[int, str]]) -> list[SpokenWord]:
        """The words in time, silences left out: a first pass finds the words, a second one their phones."""
        self._search_path(pcm, entries)
        self._decoder.set_alignment()
        self._process(pcm)
        alignment = self._decoder.get_alignment()  # its entries point into it: keep it while they are read
        indices = iter(index for index, _ in entries)
        return [_read_word(word, next(indices)) for word in alignment if not _is_filler(word.name)]

    def _search_path(self, pcm: bytes, entries: Sequence[tuple[int, str]]) -> None:
        self._decoder.reinit_feat()  # else the result depends on the call before
        self._decoder.set_align_text(" ".join(name for _, name in entries))
        self._process(pcm)
        if not self._decoder.hyp():
            raise AlignmentError(NO_PATH)

    def _process(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(pcm, full_utt=True)
        finally:
            self._decoder.end_utt()  # else the decoder is stuck and every later alignment fails


def identify() -> str:
    """What a result depends on beside clip and words: the program's version, whose wheel holds model and dictionary."""
    return f"pocketsphinx {version('pocketsphinx')}"


@dataclass(frozen=True)
class Piece:
    """A stretch of a long clip and the words in it."""

    start: float  # seconds
    end: float
    first: int  # half open range of words
    last: int


def cut_pieces(spans: Sequence[tuple[float, float]], duration: float) -> list[Piece]:
    """Cuts a clip between words (start, end) so that a piece lasts at most PIECE_MAX, each time at the widest pause after PIECE_MIN.

    A pause or word that is longer than PIECE_MAX makes a longer piece.
    """
    pieces: list[Piece] = []
    start, first = 0.0, 0
    while duration - start > PIECE_MAX:
        after = [i for i in range(first + 1, len(spans)) if spans[i - 1][1] - start >= PIECE_MIN]
        near = [i for i in after if spans[i][0] - start <= PIECE_MAX] or after[:1]
        if not near:
            break
        cut = max(near, key=lambda i: spans[i][0] - spans[i - 1][1])
        end = round((spans[cut - 1][1] + spans[cut][0]) / 2, 2)
        pieces.append(Piece(start, end, first, cut))
        start, first = end, cut
    return [*pieces, Piece(start, duration, first, len(spans))]


def check_score(score: float | None) -> list[Notice]:
    """A warning when the words seem not to be those of the sound. Raises AlignmentError when they can't be."""
    if score is None or score >= WARNING_SCORE:
        return []
    fit = f"(fit {score:.0f}; right words seldom fall below {WARNING_SCORE:.0f})"
    if score < REFUSED_SCORE:
        raise AlignmentError(f"The words don't match the sound {fit}. Check that they are what is said, all of it and in this order.")
    return [Notice("alignment", f"{MISFIT} {fit}, so word, syllable and phone times may be wrong.")]


def to_pcm(samples: np.ndarray) -> bytes:
    """16 bit samples for pocketsphinx; a very quiet clip is scaled up, a little fixed noise covers digital silence.

    Cut, not rounded: the thresholds above were measured so. Rounding, tried on clips, moved one to four phones of each by 10 or 20 ms;
    which of the two times is nearer to the truth was not measured.
    """
    peak = float(np.max(np.abs(samples)))
    scaled = samples * (0.5 / peak) if 0 < peak < QUIET_PEAK else samples
    noise = np.random.default_rng(0).uniform(-NOISE, NOISE, len(samples))
    return np.clip(scaled * 32767 + noise, -32768, 32767).astype("<i2").tobytes()


def _read_word(word: Any, index: int) -> SpokenWord:
    phones = tuple(_read_phone(phone, index) for phone in word)
    return SpokenWord(index, _seconds(word.start), _seconds(word.start + word.duration), phones, float(word.score) / word.duration)


def _read_phone(phone: Any, index: int) -> Segment:
    return Segment(phone.name, _seconds(phone.start), _seconds(phone.start + phone.duration), index, float(phone.score) / phone.duration)


def _shift_word(word: SpokenWord, seconds: float) -> SpokenWord:
    phones = tuple(replace(p, start=round(p.start + seconds, 2), end=round(p.end + seconds, 2)) for p in word.phones)
    return replace(word, start=round(word.start + seconds, 2), end=round(word.end + seconds, 2), phones=phones)


def _byte(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * 2


def _seconds(frames: int) -> float:
    return round(frames * FRAME, 2)


def _is_filler(name: str) -> bool:
    return name.startswith(("<", "[", "++"))
