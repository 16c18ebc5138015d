"""Clip -> Analysis, stage by stage: words, alignment, states, pooling, fusion. The app, the CLI and the API analyse by this alone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mmer import __version__
from mmer.align import ALIGNERS, Aligner, Options
from mmer.align.assemble import align_from_recogniser
from mmer.align.textgrid import read_textgrid, textgrid_transcript
from mmer.choices.units import UNITS, aligned_units
from mmer.devices.placement import Placement, open_placement
from mmer.encoders.encoders import SpeechEncoder, TextEncoder, describe_joins
from mmer.encoders.features import check_pieces, extract_features
from mmer.encoders.presets import PRESETS
from mmer.errors import AlignmentError, Cancelled, HeadError, MmerError
from mmer.fusion import combine
from mmer.heads.folder import load_heads_beside
from mmer.heads.head import AnyHead, Head
from mmer.heads.predict import predict
from mmer.model_queue import ModelQueue
from mmer.results import NO_WORDS, Alignment, Analysis, Clip, Features, Notice, Parent, Prediction, SpeechStates, TextStates, Transcript
from mmer.stages import IsCancelled, Progress, StageResults, Stages, split_batches
from mmer.transcript.speech_activity import Spans, find_speech
from mmer.transcript.transcribe import Recogniser, read_transcript

MAX_BATCH_FRAMES = 1500  # of changed versions encoded at once: 5 clips of 5 s; larger batches are no faster on a CPU (benchmarks)
MAX_CARD_FRAMES = 12_000  # the same on a card, which is idle with few: 40 clips of 5 s; halved where they don't fit. Not measured


@dataclass(frozen=True, eq=False)
class Variant:
    """A changed version of an analysed clip with the same segments: what is read instead. See Analyzer.score_variants."""

    samples: np.ndarray | None = None  # (samples,) as many as the clip has; None: the clip's own
    transcript: Transcript | None = None  # with as many word pieces; None: the analysis's own


class Analyzer:
    """Holds what is loaded once and shared by everyone; read only, so that visitors can't see each other."""

    def __init__(
        self,
        *,
        preset: str,
        recogniser: Recogniser,
        speech: SpeechEncoder,
        text: TextEncoder,
        aligners: Mapping[str, Aligner],
        heads: Mapping[str, AnyHead],
        unavailable_aligners: Mapping[str, str] | None = None,
        left_out: str = "",
        placement: Placement | None = None,
        find_speech: Callable[[np.ndarray], Spans] = find_speech,
    ):
        self.preset = preset
        self.recogniser = recogniser
        self.speech = speech
        self.text = text
        self.placement = placement or Placement()  # of encoders and heads; the recogniser has its own
        self.find_speech = find_speech  # (samples,) -> where somebody speaks
        self._heads = dict(heads)
        self.heads = {name: head.infos[-1] for name, head in heads.items()}  # what the interface may offer
        self.left_out = left_out  # a sentence on damaged heads that were not loaded; "" where none was
        self._aligners = dict(aligners)
        self.seconds = math.inf  # of a clip that are read: what begins later is left out, as where a model was trained and tested so
        self.queue = ModelQueue()  # taken by whoever has the models work where several people may ask: one at a time
        self.aligners: dict[str, str | None] = {**dict.fromkeys(aligners), **(unavailable_aligners or {})}  # name -> why not, None: ready

    @classmethod
    def load(
        cls,
        *,
        preset: str = "compact",
        heads_folder: Path = Path("pretrained"),
        head: str | None = None,
        device: str = "cpu",
        aligner_options: Options | None = None,
    ) -> Analyzer:
        """Loads the preset's encoders, the recogniser, every aligner that is installed and every head made for the preset.

        With `head`, the one that will be asked, damaged ones beside it are left out and named in `left_out`; without, they end it.
        `aligner_options`: AlignerOption.name -> text, such as the Montreal Forced Aligner's models (the environment's, else English ones).
        `device`: a name as docs/devices.md lists them.

        Raises: DeviceError for a device that is not there, WeightsError, HeadError with what is missing or altered.
        """
        if preset not in PRESETS:
            raise MmerError(f"There is no preset {preset!r}. Choose one of: {', '.join(PRESETS)}.")
        placement = open_placement(device)  # the first, since it is the quickest that can be wrong
        heads, left_out = load_heads_beside(heads_folder, head, preset=preset)
        for loaded in heads.values():
            loaded.place(placement)
        aligners: dict[str, Aligner] = {}
        missing: dict[str, str] = {}
        for name, choice in ALIGNERS.items():
            try:
                aligners[name] = choice.load(aligner_options)
            except AlignmentError as error:
                missing[name] = str(error)
        return cls(
            preset=preset,
            recogniser=Recogniser.load(PRESETS[preset].recogniser, languages=PRESETS[preset].languages, device=placement.device),
            speech=SpeechEncoder.load(PRESETS[preset], placement=placement),
            text=TextEncoder.load(PRESETS[preset], placement=placement),
            aligners=aligners,
            unavailable_aligners=missing,
            heads=heads,
            left_out=left_out,
            placement=placement,
        )

    def lend(self, heads: Mapping[str, AnyHead], *, seconds: float = math.inf) -> Analyzer:
        """The same encoders, in the same queue, with other heads; of a clip the first `seconds` are read."""
        shared: dict[str, Any] = {"recogniser": self.recogniser, "speech": self.speech, "text": self.text, "find_speech": self.find_speech}
        lent = Analyzer(preset=self.preset, aligners=self._aligners, heads=heads, placement=self.placement, **shared)
        lent.queue, lent.seconds = self.queue, seconds
        for head in heads.values():
            head.place(self.placement)
        return lent

    def transcribe(
        self, clip: Clip, *, earlier: StageResults | None = None, progress: Progress | None = None, cancelled: IsCancelled | None = None
    ) -> Transcript:
        """The recognised words of a clip. An analysis with the same `earlier` does not recognise them again. Raises: Cancelled."""
        return self._recognise(clip, Stages(earlier, progress, cancelled))

    def align(
        self,
        clip: Clip,
        transcript: Transcript,
        *,
        aligner: str = "sphinx",
        textgrid: str | None = None,
        pronunciations: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Alignment:
        """Words, syllables and phones in time, from a TextGrid's text if one is given. Raises: AlignmentError with the reason."""
        if textgrid is not None:
            with self.queue.lend():
                return read_textgrid(textgrid, transcript, duration=clip.duration)
        if transcript.untrusted:
            raise AlignmentError(transcript.untrusted)
        if aligner == "none":
            raise AlignmentError("Alignment was switched off.")
        if transcript.language != "en":
            name = self.recogniser.languages.get(transcript.language, f"of the language {transcript.language!r}")
            raise AlignmentError(f"The words are {name}; the aligners and pronunciations here are English, so none of them was asked.")
        if aligner not in self._aligners:
            known = self.aligners.get(aligner) or f"there is no aligner of that name; choose one of: {', '.join(self._aligners)}, none"
            raise AlignmentError(f"The aligner {aligner!r} can't be used: {known}")
        with self.queue.lend():  # an aligner is another program, or has a lock of its own: no model waits for it
            return self._aligners[aligner].align(clip, transcript, pronunciations=pronunciations or {})

    def identify_aligner(self, name: str) -> str:
        """`Aligner.identity` of an aligner by its name here; "" for none and for one that can't be used. Raises: AlignmentError."""
        return self._aligners[name].identity if name in self._aligners else ""

    def analyze(
        self,
        clip: Clip,
        *,
        text: str | None = None,
        aligner: str = "sphinx",
        textgrid: str | None = None,
        pronunciations: Mapping[str, tuple[str, ...]] | None = None,
        head: str = "combined",
        earlier: StageResults | None = None,
        progress: Progress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Analysis:
        """Everything the models say about a clip, and why.

        `text`: what is said, as typed ("" for no words); None: take the TextGrid's words or recognise them. `textgrid`: the text of
        a TextGrid, which then takes the aligner's place. `pronunciations`: word -> ARPAbet phones. `head`: a name in `self.heads`.
        `earlier`: with it, only stages run whose input has changed. What can't be had is left out and named in `Analysis.unavailable`.

        Raises: MmerError when the input can't be used at all or no model can speak; Cancelled.
        """
        chosen = self._find_head(head)
        stages = Stages(earlier, progress, cancelled)
        transcript = self._words(clip, text, textgrid, stages)
        alignment, reasons, notices = self._aligned(clip, transcript, aligner, textgrid, pronunciations, stages)
        return self._read(clip, transcript, alignment, reasons, notices, chosen, head, None, stages)

    def analyze_parts(
        self,
        clip: Clip,
        transcript: Transcript,
        alignment: Alignment | None,
        *,
        absent: Mapping[str, str] | None = None,
        head: str = "combined",
        parent: Parent | None = None,
        earlier: StageResults | None = None,
        progress: Progress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Analysis:
        """The same for a clip whose words are known and placed: nothing is recognised or aligned.

        `absent`: unit -> why it can't be had; `parent`: what the clip was made from, if it is a changed one. Raises as `analyze` does.
        """
        chosen = self._find_head(head)
        stages = Stages(earlier, progress, cancelled)
        notices = alignment.notices if alignment else ()
        return self._read(clip, transcript, alignment, dict(absent or {}), notices, chosen, head, parent, stages)

    def _read(
        self,
        clip: Clip,
        transcript: Transcript,
        alignment: Alignment | None,
        reasons: dict[str, str],
        notices: tuple[Notice, ...],
        chosen: AnyHead,
        head: str,
        parent: Parent | None,
        stages: Stages,
    ) -> Analysis:
        """Clip, words and their places -> states, features, predictions."""
        place = {"device": lambda: str(self.placement.device)}
        speech = stages.run("encode speech", (clip.sha256, self.speech.identity), lambda: self.speech.encode(clip.samples), **place)
        states = None
        if transcript.is_readable:
            segments = max([speech.hidden.shape[1], *(len(alignment.tier(unit)) for unit in aligned_units() if alignment)])
            check_pieces(len(transcript.words), segments)  # each has a piece or more; before they are encoded
            states = stages.run("encode text", (transcript, self.text.identity), lambda: self.text.encode(transcript), **place)
            check_pieces(states.hidden.shape[1], segments)
        read_from: dict[str, Any] = {"absent": reasons, "seconds": self.seconds}
        models, lacking = (self.speech.identity, self.text.identity), tuple(sorted(reasons.items()))
        reading = (clip.sha256, models, transcript, alignment, lacking, self.seconds)
        features = stages.run("pool", reading, lambda: extract_features(self.preset, speech, states, alignment, **read_from))
        fused_from = (reading, head, chosen.sha256)
        predictions, silent, more = stages.run("fuse", fused_from, lambda: predict(chosen, features, self._heads), **place)
        stages.progress(1.0, "Done")
        notices = (*clip.notices, *transcript.notices, *notices, *more, *describe_joins(speech.joins, clip.duration))
        notices += (Notice("encoders", self.placement.reason, "info"),) if self.placement.reason else ()
        speech_units = {name: unit for name, unit in features.units.items() if unit.starts is not None}
        return Analysis(
            clip=clip,
            transcript=transcript,
            alignment=alignment,
            labels={name: unit.labels for name, unit in features.units.items()},
            starts={name: unit.starts for name, unit in speech_units.items()},
            ends={name: unit.ends for name, unit in speech_units.items()},
            words={name: unit.words for name, unit in features.units.items()},
            token_offsets=states.offsets if states is not None else np.zeros((0, 2), np.int64),
            predictions=predictions,
            unavailable={**features.absent, **silent},
            preset=self.preset,
            heads=tuple(self.heads[prediction.head] for prediction in predictions.values()),
            encoders={"speech": self.speech.identity, "text": self.text.identity},
            joins=speech.joins,
            timings=stages.timings,
            devices=stages.devices,
            notices=tuple(dict.fromkeys(notices)),
            version=__version__,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            parent=parent,
            seen=self.find_seen(predictions, clip, parent),
            speech_seconds=None if transcript.words else sum(end - start for start, end in self.find_speech(clip.samples)),
        )

    def find_seen(self, predictions: Mapping[str, Prediction], clip: Clip, parent: Parent | None) -> dict[str, str]:
        """Head -> "training" or "validation", of those that spoke and had this clip, or the one it was made from, in their data."""
        seen = {}
        for head in {p.head: self._heads[p.head] for p in predictions.values() if not p.members}.values():
            assert isinstance(head, Head)
            hashes = (clip.sha256, *([parent.sha256] if parent else []))
            parts = [head.clips.find(sha256) for sha256 in hashes] if head.clips else []
            if found := next(filter(None, parts), ""):
                seen[head.config.name] = found
        return seen

    def knows_speaker(self, analysis: Analysis, speaker: str) -> bool:
        """Whether "corpus/speaker" is among the training speakers of a head that spoke, as far as the heads tell."""
        names = {p.head for p in analysis.predictions.values() if not p.members}
        lists = [head.clips for name in names if isinstance(head := self._heads.get(name), Head)]
        return any(clips.knows_speaker(speaker) for clips in lists if clips)

    def score_variants(
        self,
        analysis: Analysis,
        variants: Iterable[Variant],
        *,
        count: int,
        progress: Progress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> dict[str, np.ndarray]:
        """Role -> (variants, classes) logits of `count` changed versions of an analysed clip, by the heads that spoke in its analysis.

        Versions are encoded and read together in batches of at most MAX_BATCH_FRAMES frames, so memory does not grow with their number;
        `variants` may be a generator. What a version leaves as it was is encoded once. Raises: Cancelled between batches.
        """
        heads = {role: self._heads[p.head] for role, p in analysis.predictions.items() if not p.members}
        speech = self.speech.encode(analysis.clip.samples)
        read = {analysis.transcript: self.text.encode(analysis.transcript)} if analysis.transcript.is_readable else {}
        size = max(1, (MAX_BATCH_FRAMES if self.placement.device.is_cpu else MAX_CARD_FRAMES) // speech.hidden.shape[1])
        scores: dict[str, list[np.ndarray]] = {role: [] for role in heads}
        done = 0
        for batch in split_batches(variants, size):
            if cancelled is not None and cancelled():
                raise Cancelled("The curve was cancelled. Nothing was changed.")
            if progress is not None:
                progress(done / max(count, 1), f"Encoding changed versions, {done} of {count} done")
            features = self._encode_variants(analysis, speech, read, batch)
            for role, head in heads.items():
                assert isinstance(head, Head)
                scores[role].append(head.score(features))
            done += len(batch)
        if progress is not None:
            progress(1.0, "Done")
        found = {role: np.concatenate(rows) for role, rows in scores.items() if rows}
        if "combined" in analysis.predictions and found:
            found["combined"] = combine(found["early"], found["late"])
        return found

    def _encode_variants(
        self, analysis: Analysis, speech: SpeechStates, read: Mapping[Transcript, TextStates], batch: list[Variant]
    ) -> list[Features]:
        """Features of a batch: changed sounds encoded together, changed words encoded together."""
        clip, absent = analysis.clip, analysis.unavailable
        sounds = {id(v): v.samples for v in batch if v.samples is not None}
        heard = dict(zip(sounds, self.speech.encode_changed(list(sounds.values()), clip.samples, speech)))
        texts = [v.transcript or analysis.transcript for v in batch]
        new = [text for text in dict.fromkeys(texts) if text.is_readable and text not in read]
        read = {**read, **dict(zip(new, self.text.encode_batch(new) if new else ()))}
        return [
            extract_features(self.preset, heard.get(id(v), speech), read.get(text), analysis.alignment, absent=absent, seconds=self.seconds)
            for v, text in zip(batch, texts)
        ]

    def read_classes(self, head: str) -> tuple[str, ...]:
        """What a head tells apart, in the order of its logits. Raises: HeadError."""
        return self._find_head(head).config.classes

    def _find_head(self, name: str) -> AnyHead:
        if name not in self.heads:
            choice = ", ".join(self.heads) or "none is installed"
            raise HeadError(f"There is no head {name!r} for the preset {self.preset!r}. Choose one of: {choice}.")
        return self._heads[name]

    def _words(self, clip: Clip, text: str | None, textgrid: str | None, stages: Stages) -> Transcript:
        """A typed text always wins; trusted words left as the recogniser wrote them keep its confidence and times."""
        if text is None and textgrid is not None:
            with self.queue.lend():
                return textgrid_transcript(textgrid, duration=clip.duration)
        heard = stages.earlier.recall("transcribe", (clip.sha256,))
        if text is None or (heard is not None and not heard.untrusted and text.strip() == heard.text.strip()):
            return self._recognise(clip, stages)
        return read_transcript(text, duration=clip.duration, language=self._find_language(clip, stages.earlier) if text.strip() else "en")

    def _recognise(self, clip: Clip, stages: Stages) -> Transcript:
        found: Transcript = stages.run(
            "transcribe", (clip.sha256,), lambda: self.recogniser.transcribe(clip), device=lambda: str(self.recogniser.place.device)
        )
        return found

    def _find_language(self, clip: Clip, earlier: StageResults) -> str:
        """Of typed words: what the recogniser takes the clip for, where it knows several."""
        language: str = earlier.recall("language", (clip.sha256,)) or self.recogniser.find_language(clip)
        earlier.keep("language", (clip.sha256,), language)
        return language

    def _aligned(
        self,
        clip: Clip,
        transcript: Transcript,
        aligner: str,
        textgrid: str | None,
        pronunciations: Mapping[str, tuple[str, ...]] | None,
        stages: Stages,
    ) -> tuple[Alignment | None, dict[str, str], tuple[Notice, ...]]:
        """The alignment, or the reason why phones, syllables and words are missing; then the recogniser's word times if it gave some."""
        if not transcript.words:
            return None, dict.fromkeys(("T", *aligned_units()), NO_WORDS), ()
        if transcript.untrusted:
            return None, dict.fromkeys(("T", *aligned_units()), transcript.untrusted), ()
        key = (clip.sha256, transcript, aligner, textgrid, json.dumps(pronunciations, sort_keys=True))
        try:
            alignment = stages.run(
                "align", key, lambda: self.align(clip, transcript, aligner=aligner, textgrid=textgrid, pronunciations=pronunciations)
            )
            return alignment, {}, alignment.notices
        except AlignmentError as error:
            if textgrid is not None:
                raise
            reason, level = str(error), "info" if aligner == "none" else "warning"
        failed = Notice("alignment", reason, level)
        if all(word.start is None for word in transcript.words):
            return None, dict.fromkeys(aligned_units(), reason), (failed,)
        rough = align_from_recogniser(transcript)
        return rough, dict.fromkeys((unit for unit in aligned_units() if UNITS[unit].needs_phones), reason), (failed, *rough.notices)
