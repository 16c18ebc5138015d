"""Changes of a transcript: words as the mask, words dropped. Offsets into the text stay right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from mmer.encoders.encoders import TextEncoder, trim_offsets
from mmer.errors import EditError
from mmer.results import Transcript
from mmer.word_contributions import own_pieces


def mask_words(transcript: Transcript, chosen: Collection[int], encoder: TextEncoder) -> Transcript:
    """The transcript with each word piece of the chosen words as the encoder's mask, [MASK] or <mask>; as many word pieces as before.

    Raises: EditError when the encoder has no such token.
    """
    mask = encoder.mask
    if mask is None:
        raise EditError("This text encoder has no token for a hidden word; drop the word instead.")
    counts = count_pieces(transcript, encoder, with_blanks=mask.lstrip)
    return rewrite(transcript, {i: " ".join([mask.content] * counts[i]) for i in chosen if counts[i]})


def count_pieces(transcript: Transcript, encoder: TextEncoder, *, with_blanks: bool = False) -> list[int]:
    """(words,) how many word pieces the encoder reads each written word in; with a piece that is only the blank before it or not."""
    encoding = encoder.tokenizer.encode(transcript.text, add_special_tokens=False)
    offsets = trim_offsets(transcript.text, encoding)
    owners = own_pieces(transcript, offsets).words.tolist()
    if with_blanks:  # from the last to the first, as one blank may be several pieces
        for i in range(len(owners) - 2, -1, -1):
            owners[i] = owners[i + 1] if offsets[i, 0] == offsets[i, 1] else owners[i]
    return [owners.count(i) for i in range(len(transcript.words))]


def rewrite(transcript: Transcript, texts: dict[int, str]) -> Transcript:
    """The transcript with other text in the place of some words; how they are said and when stays."""
    text, words, shift = transcript.text, [], 0
    for i, word in enumerate(transcript.words):
        start, end = word.start_char + shift, word.end_char + shift
        if i in texts:
            text = text[:start] + texts[i] + text[end:]
            shift += len(texts[i]) - (end - start)
            word = replace(word, text=texts[i])
            end = start + len(texts[i])
        words.append(replace(word, start_char=start, end_char=end))
    return replace(transcript, text=text, words=tuple(words))


def drop_words(transcript: Transcript, chosen: Collection[int]) -> Transcript:
    """The transcript without some words and the blank after each; punctuation stays."""
    text, words, shift = transcript.text, [], 0
    for i, word in enumerate(transcript.words):
        start, end = word.start_char + shift, word.end_char + shift
        if i in chosen:
            if end < len(text) and text[end].isspace():
                end += 1
            elif end == len(text) and start and text[start - 1].isspace():
                start -= 1
            text = text[:start] + text[end:]
            shift -= end - start
        else:
            words.append(replace(word, start_char=start, end_char=end))
    return replace(transcript, text=text, words=tuple(words))
