"""Every number of the lesson is the stored analysis's: compared with slow sums of our own over the six shipped examples."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from shipped import EXAMPLES, Numbers, read_shelf

from mmer.errors import DataError
from mmer.explain.steps import CAPTION_MIXED, centre
from mmer.exports.analysis_json import dump_json
from mmer.interventions.ranks import BY_CHANCE
from mmer.lesson import lesson_from_json, lesson_to_json, render_lesson
from mmer.lesson.cases_step import list_votes, pick_mended, pick_spoilt, teach_fusion
from mmer.lesson.coattention_step import pick_pair, teach_coattention
from mmer.lesson.evaluation_step import expect_highest, teach_evaluation
from mmer.lesson.evidence_step import teach_evidence
from mmer.lesson.markup import format_number, note_rounding, write_sum
from mmer.lesson.page import TEACHERS, list_steps
from mmer.lesson.pictures import round_ticks
from mmer.lesson.sound_steps import pick_layer, teach_frames, teach_layers, teach_segments
from mmer.lesson.steps import Answer, Question, pick_sound, shuffle
from mmer.lesson.sum_step import teach_sum
from mmer.word_contributions import word_contributions

NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/about.json"))
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module")
def examples():
    return read_shelf()


@pytest.fixture(params=NAMES)
def clip(request, examples):
    return next(c for c in examples if c.name == request.param)


def numbers(step):
    return Numbers(step.lead + step.equation + step.filled + step.picture + step.after).values


def test_frames_are_those_of_the_encoder(clip):
    found, frames = numbers(teach_frames(clip)), clip.frames
    assert found["clip.samples"] == len(clip.analysis.clip.samples)
    assert found["frames.count"] == len(clip.analysis.labels["F"]) == frames.values.shape[1]
    assert found["frames.numbers"] == frames.values.shape[0] * frames.values.shape[1] * frames.dim
    at = int(np.argmin(np.abs(frames.times - found["frames.time"])))
    vector = [found[f"frames.vector.{d}"] for d in range(3)]
    np.testing.assert_allclose(vector, frames.values[pick_layer(clip), at, :3], **CLOSE)


def test_a_segment_is_the_mean_of_the_frames_whose_centre_lies_in_it(clip):
    found = numbers(teach_segments(clip))
    unit, index, _ = pick_sound(clip)
    segment = clip.analysis.alignment.tier(unit)[index]
    assert (found["segment.start"], found["segment.end"]) == (pytest.approx(segment.start), pytest.approx(segment.end))
    inside = [k for k, time in enumerate(clip.frames.times) if segment.start <= time + 1e-9 and time + 1e-9 < segment.end]
    assert found["segment.count"] == len(inside) > 2
    for dim in range(4):
        values = [float(clip.frames.values[pick_layer(clip), k, dim]) for k in inside]
        assert found[f"segment.mean.{dim}"] == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert found["segment.sum"] == pytest.approx(sum(found[f"segment.value.{i}"] for i in range(len(inside))), abs=1e-5)


def test_layer_weights_are_the_head_s(clip):
    found = numbers(teach_layers(clip))
    for unit, weights in clip.analysis.predictions["late"].layer_weights.items():
        shares = [found[f"layers.{unit}.share.{i}"] for i in range(len(weights.raw))]
        np.testing.assert_allclose(shares, weights.raw / weights.raw.sum(), **CLOSE)
    raw = clip.analysis.predictions["late"].layer_weights["F"].raw
    np.testing.assert_allclose([found[f"layers.F.raw.{i}"] for i in range(len(raw))], raw, **CLOSE)
    assert found["layers.F.sum"] == pytest.approx(sum(map(float, raw)), abs=1e-5)
    assert found["layers.F.shares"] == pytest.approx(1, abs=1e-5)


def test_layer_weights_that_learned_faster_say_so(clip):
    sentence = "These layer weights learned 20 times as fast as the rest of the model"
    assert sentence in teach_layers(clip).lead  # the shipped heads' did
    assert sentence not in teach_layers(with_layer_rate(clip, 1.0)).lead
    assert sentence not in teach_layers(with_layer_rate(clip, None)).lead


def with_layer_rate(clip, rate):
    """The clip with layer weights that learned so many times as fast as the rest."""
    predictions = {
        role: replace(p, layer_weights={unit: replace(w, rate=rate) for unit, w in p.layer_weights.items()})
        for role, p in clip.analysis.predictions.items()
    }
    return replace(clip, analysis=replace(clip.analysis, predictions=predictions))


def test_the_branches_add_up_to_the_stored_prediction(clip):
    late, found = clip.analysis.predictions["late"], numbers(teach_sum(clip))
    for c, emotion in enumerate(late.classes):
        total = sum(found[f"branch.{b.unit}.{emotion}"] for b in late.branches)
        assert total == pytest.approx(found[f"late.logit.{emotion}"], abs=1e-4)
        assert found[f"late.logit.{emotion}"] == pytest.approx(float(late.logits[c]), abs=1e-6)
    assert found["sum.difference"] < 1e-4
    assert found["softmax.power"] / found["softmax.sum"] == pytest.approx(found[f"late.probability.{late.label}"], abs=1e-6)
    at = late.classes.index(late.label)
    for branch in late.branches:
        slow = float(branch.bias[at]) + sum(float(row[at]) for row in branch.contributions)
        assert found[f"bias.{branch.unit}"] + found[f"segments.{branch.unit}"] == pytest.approx(slow, abs=1e-5)
        assert slow == pytest.approx(found[f"branch.{branch.unit}"], abs=1e-4)
    assert found["combine.mean"] == pytest.approx(found[f"combined.logit.{late.label}"], abs=1e-4)


def test_the_answer_about_a_missing_branch_is_what_the_rest_says(clip):
    late, question = clip.analysis.predictions["late"], teach_sum(clip).question
    right = next(a.text for a in question.answers if a.right)
    names = {"T": "text", "F": "frames", "S": "syllables"}
    asked = next(b for b in late.branches if f"branch for {names[b.unit]} " in question.text)
    others = [sum(float(b.logits[c]) for b in late.branches if b is not asked) for c in range(len(late.classes))]
    assert right == late.classes[others.index(max(others))]


def test_rows_of_attention_are_stored_and_sum_to_one(clip):
    step = teach_coattention(clip)
    found, maps = numbers(step), clip.analysis.predictions["early"].coattention["P"]
    head = int(found["maps.head"]) - 1
    for key, weights in (("row.there", maps.text_to_speech[-1, head]), ("row.back", maps.speech_to_text[-1, head])):
        shown = {k: v for k, v in found.items() if k.startswith(key) and not k.endswith("sum")}
        assert sum(shown.values()) == pytest.approx(found[f"{key}.sum"], abs=1e-5)
        assert found[f"{key}.sum"] == pytest.approx(1, abs=1e-3)
        cells = {int(k.rsplit(".", 1)[1]): v for k, v in shown.items() if not k.endswith("rest")}
        assert any(all(abs(float(row[j]) - v) < 1e-6 for j, v in cells.items()) for row in weights)
    name = next(s for s in step.question.text.split("“") if "”" in s).split("”")[0]
    right = next(a.text for a in step.question.answers if a.right)
    sums = [format_number(sum(float(row[j]) for row in maps.text_to_speech[-1, head])) for j in range(maps.text_to_speech.shape[3])]
    assert right in sums and name.split(" ")[0] in clip.analysis.labels["P"]


def test_rows_behind_the_first_layer_are_said_to_be_mixed(clip):
    step = teach_coattention(clip)
    assert pick_pair(clip).layer > 0
    assert "a row is no pure word any more" in step.picture and CAPTION_MIXED in step.after
    early = clip.analysis.predictions["early"]
    first = {u: replace(m, text_to_speech=m.text_to_speech[:1], speech_to_text=m.speech_to_text[:1]) for u, m in early.coattention.items()}
    alone = replace(clip.analysis, predictions={**clip.analysis.predictions, "early": replace(early, coattention=first)})
    step = teach_coattention(replace(clip, analysis=alone))
    assert "no pure word" not in step.picture + step.after


def test_the_two_cases_are_chosen_by_the_rule_the_page_states(examples):
    def say(clip):
        late = clip.analysis.predictions["late"]
        branches = [late.classes[max(range(4), key=lambda c, b=b: float(b.logits[c]))] for b in late.branches]
        return [*branches, clip.analysis.predictions["early"].label], clip.analysis.best.label

    wrong_parts = {c.name: sum(p != c.emotion for p in say(c)[0]) for c in examples if say(c)[1] == c.emotion}
    right_parts = {c.name: sum(p == c.emotion for p in say(c)[0]) for c in examples if say(c)[1] != c.emotion}
    mended, spoilt = pick_mended(examples), pick_spoilt(examples)
    assert wrong_parts[mended.name] == max(wrong_parts.values()) > 0
    assert right_parts[spoilt.name] == max(right_parts.values()) > 0
    assert [v.label for v in list_votes(mended)] == say(mended)[0]
    found = numbers(teach_fusion(examples[0], examples))
    for case in (mended, spoilt):
        best = case.analysis.best
        for c, emotion in enumerate(best.classes):
            terms = {k: v for k, v in found.items() if k.startswith(f"case.{case.name}.") and k.endswith(emotion)}
            total = terms.pop(f"case.{case.name}.combined.{emotion}", None)
            if total is not None:
                assert sum(terms.values()) == pytest.approx(total, abs=1e-4)
                assert total == pytest.approx(float(best.logits[c]), abs=1e-6)


def test_without_such_a_case_the_page_says_so(examples):
    agreeing = [c for c in examples if c.analysis.best.label == c.emotion]
    step = teach_fusion(examples[0], agreeing)
    assert "Spoilt:</b> no example shows it" in step.filled
    assert pick_spoilt(agreeing) is None and pick_mended([]) is None


def test_ranks_equal_the_stored_correlations(clip):
    data, found = clip.leave_one_out, numbers(teach_evidence(clip))
    emotion = clip.analysis.best.label
    stored = {
        (a["role"], a["other"], a["baseline"]): a["rho"] for a in data["agreements"] if a["emotion"] == emotion and a["one"] == "drop"
    }
    assert found["rank.late.contribution"] == pytest.approx(stored["late", "contribution", "noise"], abs=1e-6)
    assert found["rank.early.attention"] == pytest.approx(stored["early", "attention", "noise"], abs=1e-6)
    assert found["rank.early.attention.silence"] == pytest.approx(stored["early", "attention", "silence"], abs=1e-6)
    count = len(data["labels"])
    columns = {key: [found[f"word.{key}.{i}"] for i in range(count)] for key in ("drop.late", "drop.early", "contribution", "attention")}
    assert spearmanr(columns["drop.late"], columns["contribution"]).statistic == pytest.approx(found["rank.late.contribution"], abs=1e-6)
    assert spearmanr(np.abs(columns["drop.early"]), columns["attention"]).statistic == pytest.approx(
        found["rank.early.attention"], abs=1e-6
    )
    at = data["classes"].index(emotion)
    noise = next(c for c in data["curves"] if c["baseline"] == "noise")["drops"]["late"]
    np.testing.assert_allclose(columns["drop.late"], [row[at] - sum(row) / 4 for row in noise], atol=1e-6)
    assert sum(found[f"word.contribution.{i}"] for i in range(count)) == pytest.approx(
        sum(row[at] - sum(row) / 4 for row in data["contributions"]), abs=1e-5
    )


def test_no_agreement_that_chance_reaches_is_praised(clip):
    """A rank correlation of 0.75 over seven words is what chance gives every fifteenth time."""
    step = teach_evidence(with_drops(clip, rho=0.75))
    assert numbers(step)["rank.late.contribution"] == pytest.approx(0.75)
    assert numbers(step)["rank.chance"] >= 0.75
    assert BY_CHANCE in step.filled and "agree well" not in step.filled
    assert "the ranks agree well" in teach_evidence(with_drops(clip, rho=27 / 28)).filled


def with_drops(clip, *, rho, silence=1.0):
    """The clip with seven words whose late drops of its emotion have this rank correlation with the contributions.

    `silence`: by what the first drop against silence is multiplied.
    """
    data, best = clip.leave_one_out, clip.analysis.best
    one = np.arange(1.0, 8.0)
    other = next(np.array(order) for order in permutations(one) if abs(spearmanr(one, order).statistic - rho) < 1e-9)
    unit = np.full(len(best.classes), -1 / 3)
    unit[list(best.classes).index(best.label)] = 1.0
    against = one * np.array([silence, *[1.0] * 6])
    curves = [
        {"baseline": name, "drops": {"late": np.outer(values, unit).tolist()}} for name, values in (("silence", against), ("noise", one))
    ]
    planted = {**data, "labels": [f"w{i}" for i in range(7)], "curves": curves, "contributions": np.outer(other, unit).tolist()}
    return replace(clip, leave_one_out=planted | {"attention": None, "agreements": []})


def test_a_drop_whose_sign_depends_on_the_baseline_is_marked(clip):
    step = teach_evidence(with_drops(clip, rho=0.75, silence=-1.0))
    assert step.picture.count(" ±</span>") == 1 and "± “w0”: silence and noise in its place disagree on the sign" in step.picture
    assert "±" not in teach_evidence(with_drops(clip, rho=0.75)).picture


def test_the_answer_about_the_drop_is_the_largest_drop(clip):
    data, question = clip.leave_one_out, teach_evidence(clip).question
    at = data["classes"].index(clip.analysis.best.label)
    noise = next(c for c in data["curves"] if c["baseline"] == "noise")["drops"]["early"]
    drops = [row[at] - sum(row) / 4 for row in noise]
    right = next(a.text for a in question.answers if a.right)
    assert right.strip("“”").split(" (")[0] == data["labels"][drops.index(max(drops))]


def test_ua_is_the_mean_recall_of_the_examples(examples):
    found = numbers(teach_evaluation(examples[0], examples))
    recalls = []
    for emotion in {c.emotion for c in examples}:
        own = [c for c in examples if c.emotion == emotion]
        recalls.append(sum(c.analysis.best.label == emotion for c in own) / len(own))
    assert found["ua"] == pytest.approx(sum(recalls) / len(recalls))
    assert found["wa"] == pytest.approx(sum(c.analysis.best.label == c.emotion for c in examples) / len(examples))
    assert found["iemocap.utterances"] == 1103 + 1636 + 1084 + 1708
    late = [74.88, 75.15, 75.80, 75.22, 74.67, 75.52, 75.59, 74.60]  # the paper's Table 2
    assert found["table2.mean"] == pytest.approx(sum(late) / 8)
    assert found["table2.sd"] == pytest.approx((sum((v - sum(late) / 8) ** 2 for v in late) / 7) ** 0.5)
    assert found["table2.chance"] == pytest.approx(found["table2.mean"] + found["table2.factor"] * found["table2.sd"])


def test_the_highest_of_several_draws_equals_a_simulation():
    drawn = np.random.default_rng(0).standard_normal((200_000, 8)).max(1).mean()
    assert expect_highest(8) == pytest.approx(drawn, abs=0.01)
    assert expect_highest(1) == pytest.approx(0, abs=1e-9)
    assert expect_highest(2) == pytest.approx(1 / np.sqrt(np.pi), abs=1e-6)


def test_every_question_has_three_answers_of_which_one_is_right(clip, examples):
    steps = [step for step, used, _ in list_steps(clip, examples) if used is clip]
    assert len(steps) == len(TEACHERS) == 8
    for step in steps:
        answers = step.question.answers
        assert len({a.text for a in answers}) == 3 and sum(a.right for a in answers) == 1
        assert all(a.reason for a in answers)


def test_the_right_answer_does_not_always_stand_first(examples):
    places = [[a.right for a in step.question.answers].index(True) for step, _, _ in list_steps(examples[0], examples)]
    assert set(places) == {0, 1, 2}
    assert [a.text for a in shuffle(("right", ""), ("right", ""), ("b", ""), ("b", ""), ("c", ""), place=1)] == ["b", "right", "c"]
    with pytest.raises(ValueError, match="one is right"):
        Question("?", (Answer("a", ""), Answer("b", ""), Answer("c", "")))


def test_nothing_is_loaded_from_elsewhere_and_no_text_becomes_markup(examples):
    hostile = '<img src=x onerror="alert(1)">'
    first = examples[0]
    tiers = {
        tier: tuple(replace(s, label=hostile) for s in getattr(first.analysis.alignment, tier)) for tier in ("words", "syllables", "phones")
    }
    analysis = replace(
        first.analysis,
        transcript=replace(first.analysis.transcript, text=hostile),
        labels={unit: tuple(hostile for _ in labels) for unit, labels in first.analysis.labels.items()},
        alignment=replace(first.analysis.alignment, source=hostile, **tiers),
    )
    curve = dict(first.leave_one_out, labels=[hostile] * len(first.leave_one_out["labels"]))
    html = render_lesson(replace(first, name=hostile, title=hostile, analysis=analysis, leave_one_out=curve), examples)
    read = Numbers(html)
    assert hostile in read.text and "img" not in read.tags and "script" not in read.tags
    assert not any(word in html for word in ("http://", "https://")) or html.count("http://") == html.count(
        "http://www.w3.org/1998/Math/MathML"
    )


def test_a_clip_that_lacks_something_lends_an_example(examples):
    bare = replace(examples[0], name="", title="Mine", analysis=replace(examples[0].analysis, alignment=None), leave_one_out=None)
    steps = list_steps(bare, examples)
    used = {step.key: clip.title for step, clip, _ in steps}
    assert used["frames"] == used["evidence"] == examples[0].title
    assert used["layers"] == used["sum"] == "Mine"
    page = render_lesson(bare, examples)
    assert "“Mine” can’t show this (no sound in it could be placed in time)" in page and "its words have not been left out yet" in page
    alone = list_steps(bare, ())
    assert [step is None for step, _, _ in alone] == [True, True, False, False, False, True, True, True]
    assert "can’t be shown: there are no examples" in render_lesson(bare, ())


def test_what_is_stored_comes_back_and_is_refused_when_stale(clip):
    data = json.loads(dump_json(lesson_to_json(clip)))
    frames, curve = lesson_from_json(data, clip.analysis)
    np.testing.assert_array_equal(frames.values, clip.frames.values)
    np.testing.assert_array_equal(frames.times, clip.frames.times)
    assert curve == clip.leave_one_out
    other = replace(clip.analysis, predictions={"late": replace(clip.analysis.predictions["late"], head_sha256="else")})
    assert lesson_from_json(data, other) is None
    with pytest.raises(DataError, match=r"python -m mmer\.ui"):
        lesson_from_json({"format": "else"}, clip.analysis)
    with pytest.raises(DataError, match="damaged"):
        lesson_from_json(data | {"frames": {}}, clip.analysis)


def test_numbers_are_written_as_people_read_them():
    assert format_number(-0.0004) == "0.000"
    assert format_number(-1.5, sign=True) == "−1.500" and format_number(1.5, sign=True) == "+1.500"
    assert format_number(47840, digits=0) == "47,840"


def read_bars(picture):
    """(key, index) -> (exact value, left and width of its bar in percent) of step 7's table."""
    found = re.findall(r'value="([^"]+)" data-key="word\.([a-z.]+)\.(\d+)".*?style="left:([\d.]+)%;width:([\d.]+)%"', picture)
    return {(key, int(i)): tuple(map(float, (value, left, width))) for value, key, i, left, width in found}


def test_bars_of_logits_begin_in_the_middle_and_one_model_has_one_scale(clip):
    picture = teach_evidence(clip).picture
    bars = read_bars(picture)
    assert len(bars) == 4 * len(clip.leave_one_out["labels"])
    for models in (("drop.late", "contribution"), ("drop.early",), ("attention",)):
        most = max(abs(value) for (key, _), (value, _, _) in bars.items() if key in models)
        for (key, _), (value, left, width) in bars.items():
            if key in models:
                full, start = (100, 0) if key == "attention" else (50, 50)
                assert width == pytest.approx(full * abs(value) / most, abs=0.01)
                assert (left if value >= 0 else left + width) == pytest.approx(start, abs=0.02)
    assert "relative to the longest of their column" not in picture and "begin in the middle" in picture


def test_every_symbol_of_an_equation_is_named_below_it(clip, examples):
    for step, _, _ in list_steps(clip, examples):
        parts = re.split(r"(?=<div class=\"ml-equation\")", step.equation)[1:]
        assert parts
        for part in parts:
            equation, _, given = part.partition('<p class="ml-where">')
            used = set(re.findall(r"<mi[^>]*>([^<]+)</mi>", equation)) - set("12345678")
            named = {name for text in re.findall(r"<var[^>]*>([^<]+)</var>", given) for name in (text, *text.split(","))}
            assert used <= named, (step.key, used - named)


def test_the_prediction_has_one_hat(clip, examples):
    html = render_lesson(clip, examples)
    assert "ŷ</mi>" in html and "ỹ</mi>" not in html
    assert "rightly" not in html


def test_every_term_of_a_sum_has_a_sign_and_rounding_is_said():
    def written(*numbers, result):
        terms = [(f'<data value="0">{number}</data>', "") for number in numbers]
        return Numbers(write_sum(terms, result=f"<data>{result}</data>", label="sum")).text.replace("\u2009", "")

    assert written("0.500", "0.000", "−0.200", result="0.300") == "0.500+0.000−0.200= 0.300sum"
    assert written("0.333", "0.333", "0.333", result="1.000").endswith("1.000sum (rounded)")
    assert written("1/2", "1/4", result="0.750") == "1/2+1/4= 0.750sum"
    assert note_rounding(1 / 3, "0.333") == note_rounding(-0.5, "−0.50") == "" and note_rounding(0.3345, "0.333") == " (rounded)"


def test_printed_sums_of_the_lesson_add_up_or_say_that_they_are_rounded(clip, examples):
    sums = re.findall(r'<p class="ml-sum">(.*?)</p>', render_lesson(clip, examples))
    ended = [s for s in sums if "ml-result" in s]
    assert len(ended) > 8
    for one in ended:
        terms, _, result = one.partition("ml-result")
        texts = re.findall(r'ml-term">(?:<span>)?(?:<data[^>]*>)?([^<]+)', terms)
        numbers = [float(Fraction(t.replace("\u2009", "").replace("−", "-"))) for t in texts]
        assert all(t[0] in "+−" for t in texts[1:])
        made, printed = sum(numbers), float(re.search(r"<data[^>]*>([^<]+)<", result)[1].replace("−", "-"))
        assert ("(rounded)" in result) == (abs(made - printed) > 0.00051), one


def test_ticks_are_round_and_the_axis_has_its_unit(examples):
    assert round_ticks(73.1, 76.2) == [74, 75, 76]
    assert round_ticks(0.02, 0.98) == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert round_ticks(-30, 1000) == [0, 500, 1000]
    picture = teach_evaluation(examples[0], examples).picture
    axis = picture[picture.index("ml-axis") :]
    assert "UA (%)" in axis and all(f">{tick}<" in axis for tick in (74, 75, 76))


def test_the_lesson_s_styles_are_for_what_the_lesson_draws():
    root = Path(__file__).parents[2] / "mmer"
    source = "".join(p.read_text() for p in [*root.glob("lesson/*.py"), root / "ui" / "lesson.py", root / "ui" / "lesson.js"])
    source += "mm-running"  # of the stages, cards.py
    source += " ".join(f"ml-{kind}" for kind in ("for", "against", "total", "share", "right", "wrong", "test", "both", "row-total"))
    styled = set(re.findall(r"\.(m[lm]-[a-z-]+)", (root / "ui" / "lesson.css").read_text()))
    assert {name for name in styled if name not in source} == set()


def test_a_word_s_contribution_is_the_one_of_the_other_views_and_its_parts_are_named(clip):
    found, data = word_contributions(clip.analysis), clip.leave_one_out
    np.testing.assert_allclose(data["contributions"], found.words[data["words"]], atol=1e-6)
    shown, at = numbers(teach_evidence(clip)), clip.analysis.best.classes.index(clip.analysis.best.label)
    strongest = max(range(len(data["words"])), key=lambda i: abs(shown[f"word.contribution.{i}"]))
    word = data["words"][strongest]
    assert shown["word.whole"] == shown[f"word.contribution.{strongest}"] == pytest.approx(float(centre(found.words)[word, at]), abs=1e-6)
    parts = {unit: shown[f"word.part.{unit}"] for unit in found.units}
    assert parts == {unit: pytest.approx(float(centre(part)[word, at]), abs=1e-6) for unit, part in found.parts.items()}
