"""A clip, or what somebody typed -> Transcript: written words with their places in the text, and how each is said."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmer.devices.choice import CPU, Device
from mmer.devices.recognition import RecogniserDevice, RecogniserModel, choose_recogniser_device
from mmer.encoders.languages import ENGLISH
from mmer.encoders.presets import WHISPER_TINY, Weights
from mmer.errors import TranscriptError
from mmer.results import NOBODY_SPEAKS, NOTHING_HEARD, SAMPLE_RATE, Clip, Notice, Transcript, Word
from mmer.stopping import check_stopped
from mmer.transcript.speech_activity import MARGIN, Spans, find_speech, measure_speech, name_span, plan_windows
from mmer.transcript.spelling import WrittenWord, find_directions, split_words

MAX_WORDS = 5000  # of one transcript
MAX_CHARACTERS = 50_000
WORDS_PER_SECOND = 10  # nobody speaks faster
CHARACTERS_PER_SECOND, SPARE_CHARACTERS = 30, 1000  # the same in characters, which bounds the word pieces
SPARE_WORDS = 5  # on top of that, for very short clips
UNTRUSTED = 0.6  # mean word probability below which nothing rests on the recogniser's words; see benchmarks/recogniser_confidence.py
UNSURE = 0.65  # mean word probability below which the recogniser is called unsure; see benchmarks/recogniser_confidence.py
NO_SPEECH = 0.8  # the recogniser's own probability of no speech above which its words are dropped: it invents some for noise
REPEATED = 2.4  # zlib's compression ratio above which a window is taken for a loop ("I'm going to I'm going to ..."); Whisper's own value
NEAR = 0.3  # s; the recogniser's word times are wrong by so much, and a word within it of speech does not stand in silence
LEAST_SPEECH = 0.1  # s of speech that a window's rest holds at least where it is recognised on
UNHEARD = 1.5  # s of speech without words from which this is said

ENGLISH_ONLY = "knows English only"
DISTRUST = (
    "The recogniser, which knows English only, is too unsure of its words ({percent} % on average) to use them, so nothing rests on them; "
    "type what is said."
)
UNREAD = (
    "The recogniser takes this for {language}, which the text encoder was not trained on, so nothing rests on its words; "
    "if it is one of the languages that both know, type what is said."
)

Progress = Callable[[float, str], None]  # (share done, what is being done)


@dataclass(frozen=True)
class RecognisedText:
    """A piece of text from the recogniser, with the blank before it."""

    word: str
    start: float  # seconds into the clip
    end: float
    probability: float


class Recogniser:
    """Whisper through faster-whisper. tiny.en knows English only, and has a few per cent of the words of read speech wrong; of a model of
    several languages the language is recognised first."""

    def __init__(
        self,
        model: Any,  # a faster_whisper.WhisperModel, or a RecogniserModel that holds one
        *,
        name: str = "whisper-tiny.en",
        languages: Mapping[str, str] = ENGLISH,
        find_speech: Callable[[np.ndarray], Spans] = find_speech,
    ):
        self.held: RecogniserModel = model if isinstance(model, RecogniserModel) else RecogniserModel(lambda place: model)
        self.name = name
        self.languages = languages  # code -> name, those that its words may be used in
        self.find_speech = find_speech

    @classmethod
    def load(
        cls,
        weights: Weights = WHISPER_TINY,
        *,
        languages: Mapping[str, str] = ENGLISH,
        threads: int = 0,
        local_only: bool = False,
        device: Device = CPU,
    ) -> Recogniser:
        """The recogniser with 8 bit weights, on `threads` CPU threads (0: as many as there are cores, at most 4) where it is on the CPU.

        Raises: WeightsError when its weights are missing or altered.
        """
        folder = weights.find(local_only=local_only)
        from faster_whisper import WhisperModel

        def open_model(place: RecogniserDevice) -> WhisperModel:
            kind, number = place.device.kind, place.device.number
            return WhisperModel(str(folder), device=kind, device_index=number, compute_type=place.compute_type, cpu_threads=threads)

        model = RecogniserModel(open_model, choose_recogniser_device(device))
        return cls(model, name=weights.repo.rpartition("faster-")[2], languages=languages)

    @property
    def model(self) -> Any:
        return self.held.model

    @property
    def place(self) -> RecogniserDevice:
        """Where it computes, and why not on the card that the other models have."""
        return self.held.place

    def find_language(self, clip: Clip, spans: Spans | None = None) -> str:
        """The code of the language that is spoken, which need not be one of `languages`; of the first window in which somebody speaks."""
        if len(self.languages) == 1:
            return next(iter(self.languages))
        windows = plan_windows(self.find_speech(clip.samples) if spans is None else spans, clip.duration)
        start, end = windows[0] if windows else (0.0, clip.duration)
        language, *_ = self.held.run(lambda: self.model.detect_language(cut_samples(clip, start, end)))
        return str(language)

    def transcribe(self, clip: Clip, *, progress: Progress | None = None) -> Transcript:
        """What is said in `clip`, with the recogniser's rough word times; no words at all for silence, noise or a hum.

        Only windows in which somebody speaks are recognised, and what was left out or stands in silence is said. The same clip gives
        the same words every time: there is no sampling, and no window depends on the one before. Where a card fails, the CPU begins anew.
        """
        before = self.place
        found = self.held.run(lambda: self._transcribe(clip, progress))
        if self.place is before:
            return found
        return replace(found, notices=(*found.notices, Notice("transcript", self.place.reason, "info")))

    def _transcribe(self, clip: Clip, progress: Progress | None) -> Transcript:
        spans = self.find_speech(clip.samples)
        language = self.find_language(clip, spans) if spans else next(iter(self.languages))
        heard: list[RecognisedText] = []
        for start, end in plan_windows(spans, clip.duration):
            for segment_end, words in self._recognise(clip, start, end, spans, language):
                heard += words
                if progress is not None:
                    progress(min(segment_end / clip.duration, 1.0), "transcribing")
        return _say_language(_join_heard(heard, spans, clip.duration, self.name, language), self.languages)

    def _recognise(self, clip: Clip, start: float, end: float, spans: Spans, language: str) -> Iterator[tuple[float, list[RecognisedText]]]:
        """(end, words) of each segment of one window, their times counted from the clip's begin."""
        segments, _ = self.model.transcribe(
            cut_samples(clip, start, end),
            language=language,
            beam_size=5,
            word_timestamps=True,
            temperature=0.0,  # the default falls back to sampling, which would make results differ between visits
            condition_on_previous_text=False,  # a loop in one window would run on into the next
        )
        for segment in segments:
            check_stopped()
            if measure_speech(spans, start + float(segment.start), end) < LEAST_SPEECH:
                return  # asked about the rest of a window, in which nobody speaks, the recogniser makes up a phrase
            is_kept = segment.no_speech_prob <= NO_SPEECH and segment.compression_ratio <= REPEATED
            words = (segment.words or []) if is_kept else []
            yield (
                start + float(segment.end),
                [RecognisedText(w.word, start + float(w.start), start + float(w.end), float(w.probability)) for w in words],
            )


def cut_samples(clip: Clip, start: float, end: float) -> np.ndarray:
    return clip.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def read_transcript(text: str, *, source: str = "typed", duration: float | None = None, language: str = "en") -> Transcript:
    """The words of a typed text. Any Unicode is taken; what can't be said in English stays in the text, with a notice. How the words of
    another `language` are said is not known.

    `duration` of the clip in seconds, where known, bounds the number of words. Text without words is a transcript without
    words (a hum, a laugh).

    Raises: TranscriptError when there are more words than 10 a second, than 5,000 in all, or too many characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise TranscriptError(
            f"The transcript has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Type only what is said in the clip."
        )
    text, notices = _clean_text(text)
    written = split_words(text)
    _check_count(written, duration)
    _check_length(text, duration)
    if language != "en":
        return Transcript(text, tuple(Word(w.text, w.start, w.end, ()) for w in written), source, notices=tuple(notices), language=language)
    words = tuple(Word(w.text, w.start, w.end, w.spoken) for w in written)
    return Transcript(text, words, source, notices=tuple(notices + _describe_spoken(text, written)))


def _clean_text(text: str) -> tuple[str, list[Notice]]:
    """`text` without control characters, lone surrogates and marks that turn the direction of writing."""
    kept = "".join(c for c in text.replace("\r\n", "\n") if not _is_control(c))
    removed = len(text.replace("\r\n", "\n")) - len(kept)
    if removed == 0:
        return kept, []
    signs = "1 control character was" if removed == 1 else f"{removed} control characters were"
    return kept, [Notice("transcript", f"{signs} removed from the transcript.")]


def _is_control(c: str) -> bool:
    if c in "\n\t\u200c\u200d":  # joiners belong to emoji and to several scripts
        return False
    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")


def _check_length(text: str, duration: float | None) -> None:
    """A few words may carry a book of signs, each of which the text model reads: memory grows with them times the clip's frames."""
    limit = MAX_CHARACTERS if duration is None else int(CHARACTERS_PER_SECOND * duration + SPARE_CHARACTERS)
    if len(text) > limit:
        raise TranscriptError(
            f"The transcript has {len(text):,} characters, but the clip lasts {duration:.1f} s: at most {limit:,} characters can be said "
            "in that time. Type what is said in this clip."
        )


def _check_count(written: tuple[WrittenWord, ...], duration: float | None) -> None:
    limit = MAX_WORDS if duration is None else int(WORDS_PER_SECOND * duration + SPARE_WORDS)
    if duration is not None and len(written) > limit:
        raise TranscriptError(
            f"The transcript has {len(written):,} words, but the clip lasts {duration:.1f} s: at most {limit:,} words can be said "
            "in that time. Type what is said in this clip."
        )
    spoken = sum(len(w.spoken) for w in written)
    if max(len(written), spoken) > MAX_WORDS:
        raise TranscriptError(f"The transcript has {max(len(written), spoken):,} words; the limit is {MAX_WORDS:,}. Cut it to the clip.")


def _describe_spoken(text: str, written: tuple[WrittenWord, ...]) -> list[Notice]:
    """What of a text is not said, and what may be said in another way than is assumed here."""
    return [
        *_describe_missing(text),
        *_describe_unspoken(written),
        *_describe_guesses(written),
        *_describe_directions(find_directions(text)),
    ]


def _describe_missing(text: str) -> list[Notice]:
    if text.strip().lower() not in ("nan", "null", "n/a"):
        return []
    sentence = f"The text is only “{text.strip()}”, which programs write where there is none; it is read as that word."
    return [Notice("transcript", sentence)]


def _describe_guesses(written: tuple[WrittenWord, ...]) -> list[Notice]:
    guesses = list(dict.fromkeys((w.text, " ".join(w.spoken)) for w in written if w.is_guess and w.spoken))
    if not guesses:
        return []
    shown = "; ".join(f"{text} as “{said if len(said) <= 60 else said[:59] + '…'}”" for text, said in guesses[:3])
    more = "; …" if len(guesses) > 3 else ""
    return [Notice("transcript", f"How this is said is a guess: {shown}{more}. If it is said in another way, type it in words.")]


def _describe_directions(directions: tuple[str, ...]) -> list[Notice]:
    if not directions:
        return []
    shown = ", ".join(d if len(d) <= 30 else d[:29] + "…" for d in dict.fromkeys(directions[:3]))
    text = f"Not said, so not looked for in the sound: {shown}{', …' if len(directions) > 3 else ''}. The text model reads it."
    return [Notice("transcript", text, "info")]


def _describe_unspoken(words: Iterable[WrittenWord]) -> list[Notice]:
    silent = [w.text for w in words if not w.spoken]
    if not silent:
        return []
    examples = ", ".join(t if len(t) <= 20 else t[:19] + "…" for t in dict.fromkeys(silent[:3]))
    what, it = ("1 word is", "it") if len(silent) == 1 else (f"{len(silent)} words are", "them")
    text = f"{what} not spoken English ({examples}{', …' if len(silent) > 3 else ''}): the text model reads {it}, the alignment can't."
    return [Notice("transcript", text)]


# ---- what the recogniser heard ----


def _say_language(transcript: Transcript, languages: Mapping[str, str]) -> Transcript:
    """What a recogniser of several languages took the clip for; its words are not used where nobody can read them."""
    if len(languages) == 1:
        return transcript
    notices = [replace(n, text=n.text.replace(ENGLISH_ONLY, f"knows {len(languages)} languages")) for n in transcript.notices]
    untrusted = transcript.untrusted.replace(ENGLISH_ONLY, f"knows {len(languages)} languages")
    if not transcript.words:
        return replace(transcript, notices=tuple(notices))
    if transcript.language not in languages:
        untrusted = UNREAD.format(language=f"a language of the code {transcript.language!r}")
        notices.insert(0, Notice("transcript", untrusted))
    else:
        notices.insert(0, Notice("transcript", f"The recogniser takes this for {languages[transcript.language]}.", "info"))
    return replace(transcript, notices=tuple(notices), untrusted=untrusted)


def split_pieces(text: str, pieces: Iterable[tuple[int, int, RecognisedText]]) -> tuple[WrittenWord, ...]:
    """The recogniser's own words, at their places in the text, without the punctuation around them: it knows where the words of a language
    without blanks end. How they are said is not known."""
    words = []
    for start, end, _ in pieces:
        inside = [at for at in range(max(start, 0), min(end, len(text))) if text[at].isalnum() or unicodedata.category(text[at])[0] == "M"]
        if inside:
            words.append(WrittenWord(text[inside[0] : inside[-1] + 1], inside[0], inside[-1] + 1, ()))
    return tuple(words)


def _join_heard(heard: list[RecognisedText], spans: Spans, duration: float, name: str, language: str = "en") -> Transcript:
    """The recogniser's words, which are pieces of text with blanks and punctuation, as written words with its times."""
    joined = "".join(w.word for w in heard)
    text = joined.strip()
    shift = len(joined) - len(joined.lstrip())
    pieces, position = [], -shift
    for w in heard:
        pieces.append((position, position + len(w.word), w))
        position += len(w.word)
    split = split_words(text) if language == "en" else split_pieces(text, pieces)
    words = tuple(_time_word(w, [h for start, end, h in pieces if start < w.end and end > w.start], spans, duration) for w in split)
    if not words:
        return Transcript("", (), name, notices=(Notice("transcript", NOTHING_HEARD if spans else NOBODY_SPEAKS),), language=language)
    confidence = sum(w.probability or 0.0 for w in words) / len(words)
    untrusted = DISTRUST.format(percent=f"{100 * confidence:.0f}") if confidence < UNTRUSTED else ""
    notices = [Notice("transcript", untrusted)] if untrusted else _describe_doubt(confidence)
    notices += [
        *_describe_silence(words),
        *_describe_unheard(words, spans),
        *_describe_gaps(spans, duration),
        *(_describe_spoken(text, split) if language == "en" else ()),
    ]
    return Transcript(text, words, name, confidence, tuple(notices), untrusted, language)


def _time_word(written: WrittenWord, heard: list[RecognisedText], spans: Spans, duration: float) -> Word:
    word = Word(written.text, written.start, written.end, written.spoken)
    if not heard:
        return word
    start = min(max(heard[0].start, 0.0), duration)
    end = min(max(heard[-1].end, start), duration)
    in_silence = not any(a - NEAR <= end and start <= b + NEAR for a, b in spans)
    return replace(word, start=start, end=end, probability=sum(h.probability for h in heard) / len(heard), in_silence=in_silence)


def _describe_doubt(confidence: float) -> list[Notice]:
    if confidence >= UNSURE:
        return []
    text = (
        f"The recogniser is unsure of these words ({100 * confidence:.0f} % on average) and {ENGLISH_ONLY}: "
        "check them, and type what was said if it was something else."
    )
    return [Notice("transcript", text)]


def _describe_silence(words: Iterable[Word]) -> list[Notice]:
    """Words that the recogniser puts where nobody speaks."""
    placed = [w for w in words if w.in_silence]
    if not placed:
        return []
    shown = " ".join(w.text for w in placed[:6]) + (" …" if len(placed) > 6 else "")
    what, it = ("1 word stands", "it") if len(placed) == 1 else (f"{len(placed)} words stand", "them")
    text = f"{what} where no speech was found ({shown}, at {placed[0].start:.1f} s): the recogniser may have made {it} up; check {it}."
    return [Notice("transcript", text)]


def _describe_unheard(words: Iterable[Word], spans: Spans) -> list[Notice]:
    """Stretches of speech for which the recogniser has no words."""
    times = [(w.start, w.end) for w in words if w.start is not None and w.end is not None]
    if not times:
        return []
    edges = [0.0, *(time for pair in times for time in pair), math.inf]
    gaps = [(a, b) for a, b in zip(edges[::2], edges[1::2]) if measure_speech(spans, a, b) >= UNHEARD]
    if not gaps:
        return []
    shown = [name_span(max(a, spans[0][0]), min(b, spans[-1][1])) for a, b in gaps]
    return [Notice("transcript", f"Somebody speaks at {', '.join(shown[:5])}, but no words were made out there; type what is said.")]


def _describe_gaps(spans: Spans, duration: float) -> list[Notice]:
    """Long stretches without speech, which the recogniser was not asked about."""
    windows = plan_windows(spans, duration)
    edges = [0.0, *(time for window in windows for time in window), duration]
    gaps = [name_span(a, b) for a, b in zip(edges[::2], edges[1::2]) if b - a >= 2 * MARGIN]
    if not gaps:
        return []
    return [Notice("transcript", f"Nobody was found to speak at {', '.join(gaps[:5])}, so no words were looked for there.", "info")]
