"""The guided lesson: stored or fresh analyses -> eight short steps, each with an equation, its numbers, a picture and a question."""

from mmer.lesson.lesson_clip import FrameStates, LessonClip, lesson_from_json, lesson_to_json
from mmer.lesson.page import render_lesson

__all__ = ["FrameStates", "LessonClip", "lesson_from_json", "lesson_to_json", "render_lesson"]
