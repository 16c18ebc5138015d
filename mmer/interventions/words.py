"""Changes of a transcript: words as [MASK], words dropped. Offsets into the text stay right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from mmer.encoders.encoders import TextEncoder
from mmer.errors import EditError
from mmer.results import Transcript
from mmer.word_contributions import own_pieces

MASK = "[MASK]"


def mask_words(transcript: Transcript, chosen: Collection[int], encoder: TextEncoder) -> Transcript:
    """The transcript with each word piece of the chosen words as the encoder's [MASK]; as many word pieces as before.

    Raises: EditError when the encoder has no such token.
    """
    if encoder.tokenizer.token_to_id(MASK) is None:
        raise EditError(f"This text encoder has no {MASK} token; drop the word instead.")
    counts = count_pieces(transcript, encoder)
    return rewrite(transcript, {i: " ".join([MASK] * counts[i]) for i in chosen if counts[i]})


def count_pieces(transcript: Transcript, encoder: TextEncoder) -> list[int]:
    """(words,) how many word pieces the encoder reads each written word in."""
    import numpy as np

    encoding = encoder.tokenizer.encode(transcript.text, add_special_tokens=False)
    words = own_pieces(transcript, np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)).words
    return [int((words == i).sum()) for i in range(len(transcript.words))]


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
