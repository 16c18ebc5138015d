"""Sets of classes that are not the paper's, through the whole house: manifest, check, training, report, head, analysis, exports, import."""

import csv
import io
import json
import shutil
from dataclasses import replace
from html import escape
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

from mmer.batch.fill import run_batch
from mmer.batch.items import read_items
from mmer.batch.rows import BatchRequest
from mmer.batch.scores import score_rows
from mmer.choices.emotions import EMOTIONS
from mmer.cli import main
from mmer.errors import HeadError
from mmer.experiments.check_data import check_data
from mmer.experiments.experiment import Experiment
from mmer.experiments.prepare import claim_experiment, prepare_experiment
from mmer.experiments.promote import promote_run
from mmer.experiments.report.run_report import format_run
from mmer.experiments.report.run_view import read_view
from mmer.experiments.trainer.run_experiment import run_experiment
from mmer.explain.steps import decision_steps
from mmer.explain.verdict import describe_verdict
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.exports.report import report_html
from mmer.exports.schema import read_schema
from mmer.exports.segment_table import write_segment_table
from mmer.exports.summary import summarise
from mmer.heads.folder import load_head
from mmer.interventions import leave_one_out
from mmer.interventions.compare import compare_analyses
from mmer.pipeline import Analyzer
from mmer.ui.batch import write_rows
from mmer.ui.explore import cards
from mmer.ui.explore.forms import name_heads
from mmer.ui.explore.imports import read_import
from mmer.ui.keep import handlers as keep
from mmer.ui.train import cards as train_cards
from mmer.ui.train import run_cards
from mmer.word_contributions import word_contributions

SETS = {
    2: ("calm", "upset"),
    3: ("neutral", "negative", "positive"),
    7: ("anger", "happiness", "sadness", "neutral", "disgust", "fear", "surprise"),
    12: (*EMOTIONS, "<b>bold</b>", "awe", "boredom", "disgust", "fear", "pride & joy", "Überraschung", "x" * 40),
}
TOPICS = (
    "bread butter flour oven", "river lake rain flood", "engine wheel brake road", "piano violin drum song", "doctor fever pill nurse",
    "goal referee team match", "planet star moon orbit", "judge court law prison", "cow horse sheep barn", "shirt coat shoes hat",
    "bank money loan tax", "snow ice frost winter",
)  # fmt: skip
SENTENCES = ("It is all about {} today.", "I say {} and {}.", "There was {} in the house.", "{}, they said.")
SPEAKERS, EACH = 4, 6


def write_sentences(folder, classes):
    """A manifest of sentences without sound: each class has a topic of its own, so that its words name it."""
    rows = []
    for speaker in range(SPEAKERS):
        for i in range(EACH * len(classes)):
            topic = TOPICS[i % len(classes)].split()
            text = SENTENCES[(i + speaker) % 4].format(topic[(i // len(classes) + speaker) % 4], topic[i // len(classes) % 4])
            rows.append([f"s{speaker}/{i}.wav", text, classes[i % len(classes)], f"s{speaker}"])
    folder.mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "text", "label", "speaker"], *rows])
    return folder


@pytest.fixture(scope="module", params=SETS, ids="{} classes".format)
def trained(request, tmp_path_factory, recogniser, speech_encoder, text_encoder, sphinx, random_heads):
    """A finished experiment on own labels, its head, and an analyzer in which it stands beside heads of the paper's four."""
    classes, root = SETS[request.param], tmp_path_factory.mktemp("own")
    data = write_sentences(root / f"voices{request.param}", classes)
    told = {"fusion": "linear", "units": ("T",), "folds": 2, "repetitions": 1, "epochs": 8, "min_steps": 0, "batch_size": 8}
    experiment = Experiment(str(data), str(root / "cache"), learning_rate=3e-3, threads=1, **told)
    report = check_data(experiment)
    folder = prepare_experiment(root / "runs", "own", experiment)
    run_experiment(folder, say=lambda line: None)
    place = promote_run(folder, name="own", out=root / "heads", licence="CC0 1.0")
    parts = {"recogniser": recogniser, "speech": speech_encoder, "text": text_encoder, "aligners": {"sphinx": sphinx}}
    analyzer = Analyzer(preset="compact", heads={"own": load_head(place), **random_heads}, **parts)
    return SimpleNamespace(classes=classes, experiment=experiment, report=report, folder=folder, place=place, analyzer=analyzer, root=root)


@pytest.fixture(scope="module")
def analysis(trained, librivox_clip):
    return trained.analyzer.analyze(librivox_clip, text="he was a doctor with bread and snow", head="own")


def test_a_check_says_which_classes_there_are_and_how_many_clips_of_each(trained):
    assert trained.report.dataset.classes == trained.classes
    shown = train_cards.write_report(trained.report)
    assert f"{len(trained.classes)} classes of its own" in shown and "<b>bold</b>" not in shown
    assert all(f'<th scope="col">{escape(name)}</th>' in shown for name in trained.classes)
    assert shown.count(f"<b>{SPEAKERS * EACH}</b>") == len(trained.classes)


def test_its_runs_learn_and_are_scored_over_its_own_classes(trained):
    summary = trained.folder.read("results")["summary"]
    assert summary["confusion"]["classes"] == list(trained.classes)
    assert np.shape(summary["confusion"]["counts"]) == (len(trained.classes),) * 2
    assert summary["ua"] > 1.5 / len(trained.classes) and not any(run["at_chance"] for run in trained.folder.read("results")["runs"])
    assert trained.folder.read_experiment().classes == trained.classes
    text = format_run(trained.folder)
    assert all(name in text for name in trained.classes)


def test_it_goes_on_with_its_classes_and_no_others(trained):
    assert claim_experiment(trained.root / "runs", "own", trained.experiment).path == trained.folder.path
    others = replace(trained.experiment, classes=tuple(reversed(trained.classes)))
    with pytest.raises(Exception, match="another experiment: classes"):
        claim_experiment(trained.root / "runs", "own", others)


def test_its_page_names_no_figure_of_the_paper(trained):
    view = read_view(trained.folder)
    page = run_cards.write_scores(view) + run_cards.write_facts(view)
    assert "the paper's UA" not in page and "<b>bold</b>" not in page
    assert all(escape(name) in page for name in trained.classes)


def test_its_head_and_card_name_the_classes(trained):
    card = (trained.place / "README.md").read_text("utf-8")
    assert load_head(trained.place).config.classes == trained.classes
    assert f"{len(trained.classes)} classes from speech" in card and f"chance {1 / len(trained.classes):.2f}" in card
    assert "four" not in card.lower()


def test_its_analysis_adds_up_for_every_class(trained, analysis):
    late = analysis.predictions["late"]
    assert late.classes == trained.classes and set(analysis.predictions) == {"late"}  # no head of other classes stands in
    assert late.probabilities.sum() == pytest.approx(1)
    for branch in late.branches:
        np.testing.assert_allclose(branch.bias + branch.contributions.sum(0), branch.logits, atol=1e-4)
    found = word_contributions(analysis)
    np.testing.assert_allclose(found.words.sum(0) + found.rest + found.biases, late.logits, atol=1e-4)
    for k, name in enumerate(trained.classes):
        (share,) = [step.value for step in decision_steps(analysis, name) if step.kind == "probability"]
        assert share == pytest.approx(late.probabilities[k])


def test_texts_about_it_name_its_classes_and_never_four(trained, analysis):
    page = cards.write_verdict(analysis, None) + cards.write_empty(trained.classes)
    for text in (summarise(analysis), describe_verdict(analysis), page):
        assert "four" not in text.lower() and "<b>bold</b>" not in page
    assert all(escape(name) in page for name in trained.classes)


def test_its_exports_hold_every_class_and_come_back(trained, analysis, tmp_path):
    table = list(csv.reader(io.StringIO(write_segment_table(analysis))))
    assert all({f"raw_{name}", f"centred_{name}"} <= set(table[0]) for name in trained.classes)
    page = report_html(analysis)
    assert "<b>bold</b>" not in page and all(escape(name) in page for name in trained.classes)
    data = analysis_to_json(analysis, include_samples=True)
    jsonschema.validate(json.loads(dump_json(data)), read_schema("analysis"), cls=jsonschema.Draft202012Validator)
    (tmp_path / "kept.json").write_text(dump_json(data), "utf-8")
    back = read_import(tmp_path / "kept.json")
    assert back.best.classes == trained.classes
    np.testing.assert_allclose(back.best.logits, analysis.best.logits, atol=1e-6)


def test_its_claim_can_be_tested(trained, analysis):
    curve = leave_one_out(trained.analyzer, analysis, tier="words", medium="text")
    assert curve.classes == trained.classes
    assert all(drops.shape[1] == len(trained.classes) for one in curve.curves for drops in one.drops.values())


def test_a_batch_has_columns_of_its_classes(trained, librivox_clip, tmp_path):
    source = Path("/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav")
    shutil.copy(source, tmp_path / "a.wav")
    with (tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "text", "label"], ["a.wav", "bread and flour", trained.classes[0]]])
    (progress,) = run_batch(trained.analyzer, read_items(tmp_path / "list.csv"), tmp_path / "out.csv", BatchRequest("own", "none"))
    assert not progress.row.get("error")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert sum(float(row[f"late_p_{name}"]) for name in trained.classes) == pytest.approx(1)
    (score,) = score_rows([progress.row], None, trained.classes)
    assert score.ua == float(progress.row["late"] == trained.classes[0])
    page = write_rows([progress.row, {"path": "b", "error": "broken"}], trained.classes)
    assert page.count("mb-number") == 2 * len(trained.classes) and f'colspan="{len(trained.classes) + 4}"' in page
    assert "<b>bold</b>" not in page.replace(f"<b>{escape(progress.row['verdict'])}</b>", "")


def test_heads_of_other_classes_stand_beside_it_but_are_not_compared(trained, analysis, librivox_clip):
    other = trained.analyzer.analyze(librivox_clip, text="he was a doctor with bread and snow", head="late-fs")
    assert other.best.classes == EMOTIONS
    with pytest.raises(HeadError, match="can't be compared: own tells"):
        compare_analyses(analysis, other)
    pinned = {letter: SimpleNamespace(analysis=one, example=None, number=1) for letter, one in zip("AB", (analysis, other))}
    assert not keep.can_compare(pinned)
    assert any(f"({len(trained.classes)} classes)" in title for title, _ in name_heads(trained.analyzer))


def test_the_shell_trains_the_classes_that_it_is_told(trained, tmp_path, capsys):
    chosen = trained.classes[:2][::-1]
    told = ["--data", trained.experiment.data, "--features", trained.experiment.features, "--model", "linear", "--units", "T"]
    told += ["--folds", "2", "--repetitions", "1", "--epochs", "1", "--min-steps", "0", "--classes", ",".join(chosen)]
    assert main(["train", *told, "--runs", str(tmp_path), "--name", "two"]) in (None, 0)
    printed = capsys.readouterr().out
    assert f"2 classes of its own: {', '.join(chosen)}" in printed and "the paper's four" in printed
    assert json.loads((tmp_path / "two" / "config.json").read_text())["classes"] == list(chosen)
