"""The shipped examples as the lesson takes them, read without any model."""

import json
from html.parser import HTMLParser
from pathlib import Path

from mmer.audio.load import load_audio
from mmer.exports.analysis_json import read_analysis
from mmer.lesson import LessonClip, lesson_from_json

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"


def read_shelf():
    examples = []
    for about in sorted(EXAMPLES.glob("*/about.json")):
        folder, facts = about.parent, json.loads(about.read_text(encoding="utf-8"))
        analysis = read_analysis(folder / "analysis.json", clip_samples=load_audio(folder / "clip.wav", name="clip.wav").samples)
        stored = lesson_from_json(json.loads((folder / "lesson.json").read_text(encoding="utf-8")), analysis)
        assert stored is not None, f"{folder.name}: store the examples again"
        examples.append(LessonClip(folder.name, facts["title"], facts["emotion"], analysis, *stored, recorded=facts["kind"] == "recorded"))
    return tuple(examples)


class Numbers(HTMLParser):
    """data-key -> exact value of every number in a fragment; a key that comes twice must have one value."""

    def __init__(self, html):
        super().__init__()
        self.values, self.text, self.tags = {}, "", set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        found = dict(attributes)
        if "data-key" in found and tag == "data":
            value = float(found["value"])
            assert self.values.setdefault(found["data-key"], value) == value, found["data-key"]

    def handle_data(self, data):
        self.text += data
