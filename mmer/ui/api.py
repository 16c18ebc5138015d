"""The endpoints for programs, reached with gradio_client and as MCP tools (docs/api.md).

Gradio makes the tools' descriptions of the docstrings below, so these have its form: "Args:" and "Returns:", each argument on one line.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from mmer.align.textgrid import write_textgrid
from mmer.audio.load import load_audio
from mmer.choices.units import aligned_by_name
from mmer.errors import EditError, MmerError
from mmer.exports.analysis_json import analysis_to_json
from mmer.exports.formats import EXPORTS, Wishes
from mmer.exports.json_values import encode
from mmer.interventions.compare import comparison_to_json, drop_attention
from mmer.interventions.edits import CorrectWords, Edit, SwapVoice, edit_from_json
from mmer.interventions.intervene import intervene, intervention_to_json
from mmer.interventions.leave_one_out import leave_one_out, leave_one_out_to_json
from mmer.model_queue import ModelQueue, QueueLimits
from mmer.pipeline import Analyzer
from mmer.results import Analysis, Clip
from mmer.stages import StageResults
from mmer.transcript.transcribe import read_transcript
from mmer.ui.explore.examples import choose_head
from mmer.ui.page.downloads import name_export
from mmer.ui.page.events import BOUNDS, MODEL_QUEUE, MOST_SECONDS
from mmer.ui.page.failures import show_errors
from mmer.ui.page.visitors import name_visitor
from mmer.ui.texts import api as texts

MOST_EDITS = 40
Schema = Mapping[str, Any]  # JSON schema of an argument


@dataclass(frozen=True, eq=False)
class ApiHandlers:
    """What a program may ask; the analyzer is shared with the page and only read. Nothing is kept between calls."""

    analyzer: Analyzer
    is_public: bool = False

    @show_errors
    def analyze(
        self, audio: str, text: str = "", aligner: str = "sphinx", head: str = "combined", attention: bool = False
    ) -> dict[str, Any]:
        """What the fusion models hear in a clip of English speech (one of the classes of the chosen head), and where it comes from:
        words and their times, and what each branch and each segment adds to each emotion's logit.
        It says how a voice and its words resemble acted speech, not what a person feels.

        Args:
            audio: the recording, 0.3 s to 5 minutes, any common format
            text: what is said; empty to have it recognised
            aligner: finds words, syllables and phones in the sound; none to do without them
            head: the trained models that speak
            attention: also the attention maps, which are four fifths of the bytes; a language model should leave them out

        Returns:
            JSON of format "mmer-analysis": best names the role whose verdict counts, predictions hold all of them
        """
        return self._export(self._analyze(self._load(audio), text=text, aligner=aligner, head=head), attention=attention)

    @show_errors
    def transcribe(self, audio: str) -> dict[str, Any]:
        """The words that are recognised in a clip of English speech, with their times and probabilities.

        Args:
            audio: the recording, 0.3 s to 5 minutes, any common format

        Returns:
            JSON of format "mmer-transcript": text, and words with start, end and probability
        """
        return write_transcript(self.analyzer.transcribe(self._load(audio)))

    @show_errors
    def export(self, audio: str, kind: str = "csv", text: str = "", aligner: str = "sphinx", head: str = "combined") -> dict[str, Any]:
        """What the fusion models hear in a clip of English speech, as the text of a file: a table, a report, tiers for Praat, captions.

        Args:
            audio: the recording, 0.3 s to 5 minutes, any common format
            kind: what kind of file, each as the page's button writes it
            text: what is said; empty to have it recognised
            aligner: finds words, syllables and phones in the sound; none to do without them
            head: the trained models that speak

        Returns:
            JSON of format "mmer-export": the file's name, its media type and its text
        """
        chosen = EXPORTS.get(check_text("kind", kind))
        if chosen is None:
            raise MmerError(texts.say_no_kind(kind, ", ".join(EXPORTS)))
        analysis = self._analyze(self._load(audio), text=text, aligner=aligner, head=head)
        if refused := chosen.refuse(analysis):
            raise MmerError(refused)
        name, content = name_export(analysis, chosen.suffix), chosen.write(analysis, Wishes())
        return {"format": "mmer-export", "version": 1, "kind": kind, "name": name, "media_type": chosen.media_type, "text": content}

    @show_errors
    def align(self, audio: str, text: str = "", aligner: str = "sphinx") -> dict[str, Any]:
        """Where each word, syllable and phone is in a clip of English speech.

        Args:
            audio: the recording, 0.3 s to 5 minutes, any common format
            text: what is said; empty to have it recognised
            aligner: finds words, syllables and phones in the sound

        Returns:
            JSON of format "mmer-alignment": tiers of segments in seconds, and the same as a Praat TextGrid
        """
        clip = self._load(audio)
        text = check_text("text", text)
        transcript = read_transcript(text, duration=clip.duration) if text.strip() else self.analyzer.transcribe(clip)
        alignment = self.analyzer.align(clip, transcript, aligner=check_text("aligner", aligner))
        return {
            "format": "mmer-alignment",
            "version": 1,
            "clip": describe_clip(clip),
            "transcript": encode(transcript),
            "alignment": encode(alignment),
            "textgrid": write_textgrid(alignment, clip.duration),
        }

    @show_errors
    def intervene(
        self,
        audio: str,
        edits: list[dict[str, Any]],
        text: str = "",
        aligner: str = "sphinx",
        head: str = "combined",
        voice: str | None = None,
        attention: bool = False,
    ) -> dict[str, Any]:
        """Tests an explanation: changes the sound or the words of a clip, asks the same models again and gives the difference.

        Args:
            audio: the recording, 0.3 s to 5 minutes, any common format
            edits: made in this order, e.g. [{"kind": "mute", "target": {"tier": "word", "index": 2}, "medium": "sound"}]; counted from 0
            text: what is said; empty to have it recognised
            aligner: finds words, syllables and phones in the sound
            head: the trained models that speak
            voice: another recording, for an edit {"kind": "swap voice"}
            attention: also the attention maps, which are four fifths of the bytes; a language model should leave them out

        Returns:
            JSON of format "mmer-intervention": differences of logits and probabilities per role and branch, both analyses
        """
        earlier = StageResults()
        analysis = self._analyze(self._load(audio), text=text, aligner=aligner, head=head, earlier=earlier)
        voices = {}
        if voice is not None:
            other = self._analyze(self._load(voice), aligner=aligner, head=head)
            voices[other.clip.sha256] = other
        changes = read_edits(edits, next(iter(voices.values()), None))
        again = "sphinx" if aligner == "none" else aligner
        found = intervene(self.analyzer, analysis, changes, voices=voices, aligner=again, earlier=earlier)
        if not attention:
            found = replace(found, original=drop_attention(found.original), changed=drop_attention(found.changed))
        return intervention_to_json(found)

    @show_errors
    def leave_one_out(
        self,
        audio: str,
        tier: str = "words",
        medium: str = "sound",
        text: str = "",
        aligner: str = "sphinx",
        head: str = "combined",
    ) -> dict[str, Any]:
        """What the models say without each word, syllable or phone in turn, against silence and matched noise, beside the two things
        that claim to explain them: late fusion's contributions and early fusion's attention, with the rank correlations.

        Args:
            audio: the recording, 0.3 s to 5 minutes, any common format
            tier: what is left out, one at a time; syllables and phones are in the sound alone
            medium: where: muted in the sound, masked in the text, or both
            text: what is said; empty to have it recognised
            aligner: finds words, syllables and phones in the sound
            head: the trained models that speak

        Returns:
            JSON of format "mmer-leave-one-out": for each segment the drop of each emotion's logit, and rank correlations
        """
        analysis = self._analyze(self._load(audio), text=text, aligner=aligner, head=head)
        most = MOST_SECONDS[self.is_public]
        return leave_one_out_to_json(leave_one_out(self.analyzer, analysis, tier=tier, medium=medium, most_seconds=most))

    @show_errors
    def compare(
        self,
        audio: str,
        other: str | None = None,
        text: str = "",
        other_text: str = "",
        head: str = "combined",
        other_head: str = "",
        aligner: str = "sphinx",
        attention: bool = False,
    ) -> dict[str, Any]:
        """Two clips, or one clip with two heads or two texts: the difference of every logit and probability, per role and branch.

        Args:
            audio: the one recording, 0.3 s to 5 minutes, any common format
            other: the other recording; none to compare two heads or two texts on the same one
            text: what is said in the one; empty to have it recognised
            other_text: what is said in the other; empty to have it recognised, or to take that of the one where the recording is the same
            head: the trained models that speak about the one
            other_head: those that speak about the other; empty for the same
            aligner: finds words, syllables and phones in the sound
            attention: also the attention maps, which are four fifths of the bytes; a language model should leave them out

        Returns:
            JSON of format "mmer-comparison": differences (other minus one), first of the verdicts (role best); both analyses
        """
        if other is None and not other_text and other_head in ("", None, head):
            raise MmerError(texts.NOTHING_TO_COMPARE)
        earlier = StageResults()
        clip = self._load(audio)
        one = self._analyze(clip, text=text, aligner=aligner, head=head, earlier=earlier)
        second = self._load(other) if other is not None else clip
        words = check_text("other_text", other_text) or (text if other is None else "")
        two = self._analyze(second, text=words, aligner=aligner, head=other_head or head, earlier=earlier)
        return comparison_to_json(*((one, two) if attention else (drop_attention(one), drop_attention(two))))

    def _load(self, audio: str | None) -> Clip:
        if audio is None:
            raise MmerError(texts.NO_FILE)
        with self.analyzer.queue.lend():
            return load_audio(audio, name=Path(audio).name)

    def _analyze(self, clip: Clip, *, text: str = "", aligner: str, head: str, earlier: StageResults | None = None) -> Analysis:
        said, aligner, head = check_text("text", text), check_text("aligner", aligner), check_text("head", head)
        return self.analyzer.analyze(clip, text=said if said.strip() else None, aligner=aligner, head=head, earlier=earlier)

    def _export(self, analysis: Analysis, *, attention: bool) -> dict[str, Any]:
        return analysis_to_json(analysis if attention else drop_attention(analysis))


def in_line(endpoint: Callable[..., Any], queue: ModelQueue, bounds: QueueLimits) -> Callable[..., Any]:
    """The endpoint, which waits in line for the models. Raises gr.Error where the line is full."""

    @functools.wraps(endpoint)
    def wait(*args: Any, **options: Any) -> Any:
        with queue.take(name_visitor(), bounds=bounds):
            return endpoint(*args, **options)

    return show_errors(wait)


def check_text(name: str, value: Any) -> str:
    """A program may send anything in a text's place. Raises MmerError naming the argument."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MmerError(texts.say_no_text(name, json.dumps(value, default=str)))
    return value


def read_edits(edits: Any, voice: Analysis | None) -> list[Edit]:
    """The edits; "swap voice" needs no sha256, it means the recording that came along. Raises EditError."""
    if not isinstance(edits, list) or not edits:
        raise EditError(texts.NO_EDITS)
    if len(edits) > MOST_EDITS:
        raise EditError(texts.say_many_edits(len(edits), MOST_EDITS))
    found: list[Edit] = []
    for edit in edits:
        if isinstance(edit, dict) and edit.get("kind") == "swap voice" and "sha256" not in edit:
            if voice is None:
                raise EditError(texts.NO_VOICE)
            found.append(SwapVoice(voice.clip.sha256, voice.clip.name))
        else:
            found.append(edit_from_json(edit))
    if sum(isinstance(edit, CorrectWords) for edit in found) > 1:
        raise EditError(texts.CORRECTED_TWICE)
    return found


def write_transcript(transcript: Any) -> dict[str, Any]:
    return {"format": "mmer-transcript", "version": 1, **encode(transcript)}


def describe_clip(clip: Clip) -> dict[str, Any]:
    return {"name": clip.name, "sha256": clip.sha256, "duration": clip.duration, "notices": encode(clip.notices)}


# ---- Gradio ----


def build(analyzer: Analyzer, *, is_public: bool = False) -> None:
    """The endpoints, on components that nobody sees, inside the gr.Blocks that is open."""
    programs = ApiHandlers(analyzer, is_public)
    aligners = [*analyzer.aligners, "none"]
    head = ApiArgument("head", {"type": "string", "enum": list(analyzer.heads)}, choose_head(analyzer))
    other_head = ApiArgument("other_head", {"type": "string", "enum": ["", *analyzer.heads]}, "")
    aligner = ApiArgument("aligner", {"type": "string", "enum": aligners}, "sphinx")
    only_aligner = replace(aligner, schema={"type": "string", "enum": aligners[:-1]})
    text, other_text = ApiArgument("text", {"type": "string"}, ""), ApiArgument("other_text", {"type": "string"}, "")
    attention = ApiArgument("attention", {"type": "boolean"}, False)
    kind = ApiArgument("kind", {"type": "string", "enum": list(EXPORTS)}, "csv")
    edits = ApiArgument("edits", {"type": "array", "items": {"type": "object"}})
    tier = ApiArgument("tier", {"type": "string", "enum": list(aligned_by_name())}, "words")
    medium = ApiArgument("medium", {"type": "string", "enum": ["sound", "text", "both"]}, "sound")
    file, other, voice = ApiArgument("audio"), ApiArgument("other"), ApiArgument("voice")
    endpoints: tuple[tuple[Callable[..., Any], tuple[ApiArgument, ...]], ...] = (
        (programs.analyze, (file, text, aligner, head, attention)),
        (programs.transcribe, (file,)),
        (programs.export, (file, kind, text, aligner, head)),
        (programs.align, (file, text, only_aligner)),
        (programs.intervene, (file, edits, text, aligner, head, voice, attention)),
        (programs.leave_one_out, (file, tier, medium, text, aligner, head)),
        (programs.compare, (file, other, text, other_text, head, other_head, aligner, attention)),
    )
    with gr.Column(visible=False):
        button = gr.Button()
        for endpoint, takes in endpoints:
            result = Api(None, {"type": "object"}, "result")
            button.click(
                in_line(endpoint, analyzer.queue, BOUNDS[is_public]),
                [take.make() for take in takes],
                result,
                api_name=endpoint.__name__,
                **MODEL_QUEUE,
            )


@dataclass(frozen=True)
class ApiArgument:
    """One argument of an endpoint: a file that is uploaded, or JSON of a schema."""

    name: str
    schema: Schema | None = None  # None: a file
    default: Any = None

    def make(self) -> gr.components.Component:
        if self.schema is not None:
            return Api(self.default, dict(self.schema), self.name)
        return gr.File(label=self.name, type="filepath")


def adapt_mcp(app: gr.Blocks) -> None:
    """After launch(mcp_server=True): results leave as JSON text, where Gradio writes Python's; and clips that a client sent inside its
    call are deleted with the uploads, where Gradio keeps them."""
    server = app.mcp_server_obj
    if server is None:
        raise MmerError(texts.say_no_server(app.mcp_error))
    read_files, write_results = server.convert_strings_to_filedata, server.postprocess_output_data

    def convert_strings_to_filedata(value: Any, positions: list[Any]) -> Any:
        converted = read_files(value, positions)
        sent = [item for item in converted.values() if isinstance(item, dict) and "path" in item]
        app.upload_file_set.update(item["path"] for item in sent)
        return converted

    def postprocess_output_data(data: Any, root_url: str) -> list[Any]:
        return write_results([json.dumps(item) if isinstance(item, dict | list) else item for item in data], root_url)

    server.convert_strings_to_filedata = convert_strings_to_filedata  # type: ignore[assignment,method-assign]
    server.postprocess_output_data = postprocess_output_data  # type: ignore[method-assign]
