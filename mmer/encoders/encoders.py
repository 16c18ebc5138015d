"""Frozen encoders: samples -> SpeechStates, transcript -> TextStates. Section 2.1 of the paper; all transformer layers are kept.

Every preset goes through these two classes; what differs between models is in speech_models.py, and in their configurations and tokenizers.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Encoding, Tokenizer
from tokenizers.models import WordPiece
from torch import nn

from mmer.devices.placement import Placement
from mmer.encoders.loading import halve, load_speech_model, load_text_model, make_probe_sound
from mmer.encoders.presets import CONTEXT, WINDOW, Preset, describe_reading
from mmer.encoders.speech_models import SpeechModel
from mmer.results import SAMPLE_RATE, Notice, SpeechStates, TextStates, Transcript
from mmer.stopping import check_stopped
from mmer.word_contributions import own_pieces

POSITIONS = 512  # tokens that a text encoder reads at once whose configuration names no bound
QUIET = 0.2  # seconds over which loudness is measured where a long clip is cut
LONG = 15.0  # seconds that training reads of a clip: of a longer one the page says that one verdict is an average


class SpeechEncoder:
    """A frozen speech encoder with its windows: samples of any length -> SpeechStates."""

    def __init__(
        self,
        model: SpeechModel,
        *,
        identity: str,
        include_input: bool = False,
        window: float = WINDOW,
        context: float = CONTEXT,
        placement: Placement | None = None,
    ):
        self.model = model
        self.placement = placement or Placement()
        self.include_input = include_input
        self.window = min(window, model.longest - model.silence)  # seconds of sound that are read at once
        self.context = context  # seconds of it on either side of a join that are read twice
        self.identity = f"{identity} {describe_reading(model.silence, include_input, window, context)}"

    @classmethod
    def load(cls, preset: Preset, *, placement: Placement | None = None, dtype: str = "float32", local_only: bool = False) -> SpeechEncoder:
        """Finds, checks and loads the preset's speech encoder, by default onto the CPU. Half precision is taken only where it agrees with
        float32.

        Raises: WeightsError when the files can't be had, are altered, or half precision changes the states too much.
        """
        module, model = load_speech_model(preset, preset.speech.find(local_only=local_only))
        encoder = cls(
            model,
            identity=preset.speech.identity,
            include_input=preset.include_input,
            window=preset.window,
            context=preset.context,
            placement=placement,
        )
        if dtype != "float32":
            probe = [make_probe_sound()]
            halve(module, dtype, lambda: model.states(probe)[0], preset.speech.model)
            encoder.identity += f" {dtype}"
        encoder.placement.place(module)
        return encoder

    def encode(self, samples: np.ndarray) -> SpeechStates:
        """samples (samples,) float32 at 16 kHz -> states of the whole clip; long clips in windows joined at quiet places."""
        return self.encode_batch([samples])[0]

    def encode_batch(self, clips: Sequence[np.ndarray]) -> list[SpeechStates]:
        """The same for several clips at once; equal to one at a time up to float tolerance. Long clips are run alone."""
        short = [i for i, clip in enumerate(clips) if len(clip) <= self.window * SAMPLE_RATE]
        states: dict[int, SpeechStates] = {}
        if short:
            for i, hidden in zip(short, self._compute([clips[i] for i in short])):
                states[i] = self._pack(hidden, self.model.times(hidden.shape[1]))
        for i, clip in enumerate(clips):
            if i not in states:
                states[i] = self._encode_long(clip)
        return [states[i] for i in range(len(clips))]

    def encode_changed(self, clips: Sequence[np.ndarray], original: np.ndarray, states: SpeechStates) -> list[SpeechStates]:
        """States of changed versions of `original`, all of its length, cut into windows where it is; `states` are the original's.

        Only windows in which something differs are encoded, those of several clips at once; the rest is taken from `states`. Equal to
        encoding each version whole with the original's cuts.
        """
        found = [states.hidden.copy() for _ in clips]
        for start, end in itertools.pairwise([0, *(round(join * SAMPLE_RATE) for join in states.joins), len(original)]):
            first, last = self._widen(start, end)
            changed = [i for i, clip in enumerate(clips) if not np.array_equal(clip[first:last], original[first:last])]
            pieces = self._compute([clips[i][first:last] for i in changed]) if changed else []
            kept = find_inside(states.times, start, end)
            for i, piece in zip(changed, pieces):
                inside = find_inside(first / SAMPLE_RATE + self.model.times(piece.shape[1]), start, end)
                found[i][:, kept] = piece[:, inside]
        return [self._pack(hidden, states.times, states.joins) for hidden in found]

    def find_windows(self, samples: np.ndarray) -> list[tuple[int, int, int, int]]:
        """Of each window of a clip the range of samples that is read, and the range whose frames are kept; the first may end later."""
        if len(samples) <= self.window * SAMPLE_RATE:
            return [(0, len(samples), 0, len(samples))]
        cuts = self._find_cuts(samples)
        return [(*self._widen(start, end), start, end) for start, end in itertools.pairwise([0, *cuts, len(samples)])]

    def _find_cuts(self, samples: np.ndarray) -> list[int]:
        return find_cuts(samples, window=self.window - 2 * self.context, grid=self.model.hop)

    def _encode_long(self, samples: np.ndarray) -> SpeechStates:
        cuts = self._find_cuts(samples)
        hidden, times = [], []
        for start, end in itertools.pairwise([0, *cuts, len(samples)]):
            check_stopped()
            first, last = self._widen(start, end)
            piece = self._compute([samples[first:last]])[0]
            centres = first / SAMPLE_RATE + self.model.times(piece.shape[1])
            inside = find_inside(centres, start, end)
            hidden.append(piece[:, inside])
            times.append(centres[inside])
        return self._pack(np.concatenate(hidden, axis=1), np.concatenate(times), joins=tuple(c / SAMPLE_RATE for c in cuts))

    def _widen(self, start: int, end: int) -> tuple[int, int]:
        """Sample range of a window with the context on either side of its joins; the last may lie beyond the clip's end."""
        context = round(self.context * SAMPLE_RATE)
        return max(0, start - context), end + context

    def _compute(self, clips: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The model's states of clips that fit its window, the layers that are kept, wherever the model is."""
        return self.placement.run(clips, lambda some: [_numpy(self._select(hidden)) for hidden in self.model.states(some)])

    def _select(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden if self.include_input else hidden[1:]

    def _pack(self, hidden: np.ndarray, times: np.ndarray, joins: tuple[float, ...] = ()) -> SpeechStates:
        first = 0 if self.include_input else 1
        names = tuple(str(first + i) for i in range(len(hidden)))
        return SpeechStates(hidden, times, self.model.step, self.identity, names, joins)


def describe_joins(joins: Sequence[float], seconds: float) -> tuple[Notice, ...]:
    """What to know of a clip of so many seconds that was encoded in windows; nothing of one that training would have read whole."""
    if not joins or seconds < LONG:
        return ()
    text = (
        f"The clip of {seconds:.0f} s was encoded in {len(joins) + 1} windows, which meet at the quietest places. "
        "The heads were trained on single sentences: one verdict for so long a clip is an average over everything in it."
    )
    return (Notice("encoders", text),)


def find_inside(centres: np.ndarray, start: int, end: int) -> np.ndarray:
    """(frames,) bool: the frames whose centre, in seconds, lies in the window of these samples."""
    return (centres >= start / SAMPLE_RATE - 1e-9) & (centres < end / SAMPLE_RATE - 1e-9)


def find_cuts(samples: np.ndarray, *, window: float, grid: int) -> list[int]:
    """Sample positions, multiples of `grid`, that cut a clip into pieces of at most `window` seconds, each at the quietest 0.2 s of
    the last third of its piece."""
    cuts: list[int] = []
    longest = int(window * SAMPLE_RATE)
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(round(QUIET * SAMPLE_RATE)), mode="same")
    start = 0
    while len(samples) - start > longest:
        earliest = start + 2 * longest // 3
        quietest = earliest + int(np.argmin(power[earliest : start + longest]))
        start = quietest // grid * grid
        cuts.append(start)
    return cuts


class TextEncoder:
    """A frozen text encoder: Transcript -> TextStates. The tokenizer's special tokens frame every window and are dropped afterwards."""

    def __init__(
        self, model: nn.Module, tokenizer: Tokenizer, *, identity: str, include_input: bool = False, placement: Placement | None = None
    ):
        self.model = model
        self.placement = placement or Placement()
        self.tokenizer = tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.include_input = include_input
        self.first, self.last = find_frame(tokenizer)  # ids of what stands before and after a text, such as [CLS] and [SEP]
        self.mask = find_mask(tokenizer)
        config: Any = model.config
        self.padding: int = config.pad_token_id or 0  # where positions count from it, as in RoBERTa, it must be the model's own
        self.window = count_positions(model) - len(self.first) - len(self.last)
        self.identity = f"{identity} input={include_input}"

    @classmethod
    def load(cls, preset: Preset, *, placement: Placement | None = None, dtype: str = "float32", local_only: bool = False) -> TextEncoder:
        """Finds, checks and loads the preset's text encoder, by default onto the CPU.

        Raises: WeightsError when the files can't be had, are altered, or half precision changes the states too much.
        """
        folder = preset.text.find(local_only=local_only)
        model = load_text_model(preset, folder)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        encoder = cls(model, tokenizer, identity=preset.text.identity, include_input=preset.include_input, placement=placement)
        if dtype != "float32":
            ids = encoder.tokenizer.encode("The quick brown fox jumps over the lazy dog.").ids
            halve(model, dtype, lambda: torch.stack(encoder._hidden([ids])), preset.text.model)
            encoder.identity += f" {dtype}"
        encoder.placement.place(model)
        return encoder

    def encode(self, transcript: Transcript) -> TextStates:
        """States of the word pieces of a transcript that has at least one; longer texts in windows joined at sentence ends."""
        return self.encode_batch([transcript])[0]

    def encode_batch(self, transcripts: Sequence[Transcript]) -> list[TextStates]:
        """The same for several transcripts at once (masked); equal to one at a time up to float tolerance."""
        encodings = [self.tokenizer.encode(t.text, add_special_tokens=False) for t in transcripts]
        pieces = [name_pieces(t.text, e, self.tokenizer) for t, e in zip(transcripts, encodings)]
        cuts = [self._cuts(tokens) for tokens in pieces]
        spans = [(i, a, b) for i, cut in enumerate(cuts) for a, b in zip(cut, [*cut[1:], len(encodings[i].ids)])]
        windows = [self._widen(cuts[i], a, b, len(encodings[i].ids)) for i, a, b in spans]
        rows = [[*self.first, *encodings[i].ids[lo:hi], *self.last] for (i, _, _), (lo, hi) in zip(spans, windows)]
        states: list[list[np.ndarray]] = [[] for _ in transcripts]
        for hidden, (i, a, b), (lo, _) in zip(self.placement.run(rows, self._compute), spans, windows):
            start = len(self.first) + a - lo
            states[i].append(hidden[:, start : start + b - a])
        packed = zip(transcripts, encodings, pieces, states, cuts)
        return [self._pack(t, e, tokens, np.concatenate(h, axis=1), tuple(c[1:])) for t, e, tokens, h, c in packed]

    def count_pieces(self, text: str) -> int:
        """How many word pieces a text has; more than `window` are encoded in windows."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _cuts(self, tokens: Sequence[str]) -> list[int]:
        """Where windows begin: [0], or for a long text after a sentence's end (else at a word's start) in each last third."""
        cuts, limit = [0], self.window - 2 * self._context
        while len(tokens) - cuts[-1] > limit:
            options = range(cuts[-1] + limit, cuts[-1] + 2 * limit // 3, -1)
            ends = [k for k in options if tokens[k - 1] in ".?!"] or [k for k in options if not tokens[k].startswith("##")]
            cuts.append(ends[0] if ends else options[0])
        return cuts

    @property
    def _context(self) -> int:
        return self.window // 8  # word pieces of context on either side of a join

    def _widen(self, cuts: Sequence[int], start: int, end: int, total: int) -> tuple[int, int]:
        return (start, end) if len(cuts) == 1 else (max(0, start - self._context), min(total, end + self._context))

    @torch.no_grad()
    def _hidden(self, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Token ids with the special ones -> kept layers, each (rows, longest, dim)."""
        device = next(self.model.parameters()).device
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.padding)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = torch.tensor(row)
            mask[k, : len(row)] = 1
        hidden = self.model(ids.to(device), attention_mask=mask.to(device), output_hidden_states=True).hidden_states
        return list(hidden if self.include_input else hidden[1:])

    def _compute(self, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """The same, as an array (kept layers, tokens, dim) of each row."""
        layers = self._hidden(rows)
        return [_numpy(torch.stack([h[k, : len(row)] for h in layers])) for k, row in enumerate(rows)]

    def _pack(
        self, transcript: Transcript, encoding: Encoding, tokens: tuple[str, ...], hidden: np.ndarray, joins: tuple[int, ...]
    ) -> TextStates:
        offsets = trim_offsets(transcript.text, encoding)
        first = 0 if self.include_input else 1
        names = tuple(str(first + i) for i in range(len(hidden)))
        return TextStates(hidden, tokens, offsets, own_pieces(transcript, offsets).words, self.identity, names, joins)


def find_frame(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids of the special tokens that the tokenizer puts before and after a text."""
    encoding = tokenizer.encode("a")
    own = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    first, last = (own[0], own[-1] + 1) if own else (len(encoding.ids) // 2,) * 2
    return encoding.ids[:first], encoding.ids[last:]


def find_mask(tokenizer: Tokenizer) -> AddedToken | None:
    """The token that stands for a hidden word piece, such as [MASK] or <mask>; None for a tokenizer without one."""
    known = [token for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    return next((token for token in known if token.content.strip("[]<>|").lower() == "mask"), None)


def count_positions(model: nn.Module) -> int:
    """How many tokens a text encoder takes at once, special ones included."""
    config: Any = model.config
    tables = [m for name, m in model.named_modules() if name.endswith("position_embeddings") and isinstance(m, nn.Embedding)]
    unused = [table.padding_idx + 1 for table in tables if table.padding_idx is not None]  # RoBERTa's positions begin after the padding's
    return int(getattr(config, "max_position_embeddings", POSITIONS)) - max(unused, default=0)


def trim_offsets(text: str, encoding: Encoding) -> np.ndarray:
    """(pieces, 2) half open character ranges, without the blank that some tokenizers count to the piece after it."""
    trimmed = []
    for start, end in encoding.offsets:
        while start < end and text[start].isspace():
            start += 1
        trimmed.append((start, end))
    return np.array(trimmed, dtype=np.int64).reshape(-1, 2)


def name_pieces(text: str, encoding: Encoding, tokenizer: Tokenizer) -> tuple[str, ...]:
    """The word pieces as they are shown: "##ing" goes on with the word before. Those of a WordPiece model are named so by itself; others
    are written as bytes or with signs for blanks, so they are shown as the text has them."""
    if isinstance(tokenizer.model, WordPiece):
        return tuple(encoding.tokens)
    offsets = trim_offsets(text, encoding).tolist()
    ends = [0, *(end for _, end in offsets)]
    names = []
    for (start, end), before in zip(offsets, ends):
        goes_on = 0 < start == before and text[start - 1].isalnum() and text[start:end][:1].isalnum()
        names.append(f"{'##' if goes_on else ''}{text[start:end]}")
    return tuple(names)


def _numpy(hidden: torch.Tensor) -> np.ndarray:
    return hidden.float().cpu().numpy()
