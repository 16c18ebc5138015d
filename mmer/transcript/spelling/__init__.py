"""Written words -> the words a person says: "21" -> twenty one, "Mr." -> mister, "$5.50" -> five dollars and fifty cents."""

from mmer.transcript.spelling.written import MAX_LETTERS, WrittenWord, find_directions, spell_word, split_words

__all__ = ["MAX_LETTERS", "WrittenWord", "find_directions", "spell_word", "split_words"]
