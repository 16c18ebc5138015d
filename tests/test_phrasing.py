"""How times and lists are said."""

import ast
import re
from pathlib import Path

from mmer.phrasing import join_words, say_count, say_time


def test_times_are_no_more_exact_than_they_are_known():
    seconds = (0.4, 7.4, 61, 75, 119.4, 119.7, 200, 781, 3580, 3599.6, 5240, 7800)
    said = ["0 s", "7 s", "1 min 01 s", "1 min 15 s", "1 min 59 s", "2 min", "3 min", "13 min", "1 h 00 min", "1 h 00 min", "1 h 27 min"]
    assert [say_time(s) for s in seconds] == [*said, "2 h 10 min"]


def test_one_thing_is_no_plural():
    assert [say_count(n, "clip") for n in (0, 1, 2, 5531)] == ["0 clips", "1 clip", "2 clips", "5,531 clips"]
    assert say_count(2, "identity", "identities") == "2 identities"


def test_lists_end_with_and():
    assert [join_words("abc"[:n]) for n in (0, 1, 2, 3)] == ["", "a", "a and b", "a, b and c"]


def test_no_sentence_says_1_runs():
    """A number before one of these plurals is said by say_count, unless the sentence is the other half of one about a single one."""
    plural = re.compile(r" (runs(?! from)|repetitions|experiments|shards|answers|requests|cells|tensors|splits|clips|test utterances)\b")
    found = []
    for path in sorted((Path(__file__).parents[1] / "mmer").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = {id(half) for node in ast.walk(tree) if isinstance(node, ast.IfExp) for half in (node.body, node.orelse)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr) and id(node) not in guarded:
                pairs = zip(node.values, node.values[1:])
                said = [b.value for a, b in pairs if isinstance(a, ast.FormattedValue) and isinstance(b, ast.Constant)]
                found += [f"{path.name}:{node.lineno}: {text[:30]}" for text in said if plural.match(str(text))]
    assert found == []
