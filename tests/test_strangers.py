"""A stranger of each kind of choice, added as one row, goes through shell, form, training, analysis and export: nothing else names it."""

import csv
import io
import json
import shlex
from contextlib import ExitStack
from dataclasses import replace

import gradio as gr
import jsonschema
import numpy as np
import pytest
from torch import nn

from mmer.align import ALIGNERS, AlignerChoice, AlignerOption
from mmer.batch.fill import run_batch
from mmer.batch.items import read_items
from mmer.batch.rows import BatchRequest
from mmer.choices.emotions import EMOTIONS
from mmer.choices.fusion_models import FUSION_MODELS, FusionModel
from mmer.choices.units import ALIGNMENT, UNITS, Unit
from mmer.cli import build_command_parser, main
from mmer.commands.options.clip import read_aligner_options
from mmer.commands.train import read_model, read_settings
from mmer.doctor import examine_aligners
from mmer.encoders.presets import PRESETS
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.promote import promote_run
from mmer.experiments.settings import build_experiment, write_command
from mmer.experiments.training_service import TrainingService
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json
from mmer.exports.formats import EXPORTS, Export, Wishes
from mmer.exports.report import report_html, suggest_command
from mmer.exports.schema import read_schema
from mmer.exports.segment_table import write_segment_table
from mmer.fusion import LateFusion
from mmer.heads.folder import load_head
from mmer.interventions import leave_one_out
from mmer.pipeline import Analyzer
from mmer.results import Alignment, Segment
from mmer.ui.explore import explore
from mmer.ui.explore.session import name_aligner
from mmer.ui.train import train
from mmer.views import build_payload

SPEECH = "/usr/share/pocketsphinx/test/data"
CLIP = f"{SPEECH}/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
WORDS = "he was not an ill disposed young man"
AUSTEN = "librivox/sense_and_sensibility_01_austen_64kb"
RECORDINGS = {
    f"{AUSTEN}-0870": "and mr john dashwood had then leisure to consider how much there might prudently be in his power to do for them",
    f"{AUSTEN}-0880": WORDS,
    f"{AUSTEN}-0890": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    f"{AUSTEN}-0930": "he might even have been made amiable himself",
    "cards/001": "ten of clubs",
    "cards/002": "four queen of clubs",
    "cards/003": "seven of clubs",
    "cards/005": "eight of spades four of clubs seven of hearts",
}
LONGEST_PAUSE = 0.02  # seconds within a phrase


def group_phrases(alignment):
    """Words between two pauses are one phrase."""
    phrases = []
    for word in alignment.words:
        if phrases and word.start - phrases[-1].end <= LONGEST_PAUSE:
            last = phrases.pop()
            phrases.append(Segment(f"{last.label} {word.label}", last.start, word.end, -1))
        else:
            phrases.append(Segment(word.label, word.start, word.end, -1))
    return phrases


class GatedFusion(nn.Module):
    """Another class, which computes what late fusion does."""

    def __init__(self, units, *, hidden, **sizes):
        super().__init__()
        self.inner = LateFusion(units, hidden=hidden, **sizes)

    def forward(self, states, masks, *, explain=False):
        return self.inner(states, masks, explain=explain)


def shout(analysis, wishes):
    return f"{analysis.best.label.upper()}!\n"


class EvenAligner:
    """Shares the clip's time evenly among its words; in the place of phones each word has one."""

    name, source, identity = "even", "even 1.0", "even 1.0"

    def __init__(self, spacing):
        self.spacing = spacing  # seconds between words

    def align(self, clip, transcript, *, pronunciations=None):
        step = clip.duration / len(transcript.words)
        spans = [(i * step, (i + 1) * step - self.spacing * (i % 3 == 2)) for i in range(len(transcript.words))]
        words = tuple(Segment(word.text, *span, i) for i, (word, span) in enumerate(zip(transcript.words, spans)))
        return Alignment(
            words=words, syllables=(), phones=tuple(Segment("AH", *span, i) for i, span in enumerate(spans)), source=self.source
        )


def load_even(options=None, *, check_words=True):
    return EvenAligner(float((options or {}).get("even_spacing") or 0.05))


GATED = FusionModel("gated", "gated fusion", f"{__name__}:GatedFusion", "late", ("hidden",), rate=0.01, fewest_units=2)
PHRASE = Unit("R", "phrases", "phrase", ALIGNMENT, spans=f"{__name__}:group_phrases", lane=0, pixels=28, typical=4)
SHOUT = Export("shout", "Shout", "the shout is one word", "write the verdict alone", "txt", "text/plain", shout)

EVEN = AlignerChoice(
    "even",
    "Even shares",
    load_even,
    lambda options: EvenAligner.identity,
    ("even",),
    options=(AlignerOption("even_spacing", "SECONDS", "between words"),),
)

PRESET = replace(PRESETS["compact"], name="strange", title="The compact pair under another name")


@pytest.fixture(scope="module", autouse=True)
def strangers():
    with ExitStack() as stack:
        for rows, row in ((FUSION_MODELS, GATED), (UNITS, PHRASE), (EXPORTS, SHOUT), (ALIGNERS, EVEN), (PRESETS, PRESET)):
            stack.enter_context(rows.adding(row))
        yield


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """What a person types to train the stranger on ten recordings whose labels mean nothing."""
    root = tmp_path_factory.mktemp("strange")
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "text", "label", "speaker"])
        for i, (name, text) in enumerate(RECORDINGS.items()):
            writer.writerow([f"{SPEECH}/{name}.wav", text, EMOTIONS[i % 2], f"reader {i // 2 % 2}"])
    words = f"--model gated --units T R --data {root}/manifest.csv --features {root}/cache --runs {root}/runs --name strange"
    return shlex.split(
        words + " --preset strange --aligner even --folds 2 --repetitions 1 --epochs 2 --share 0.4 --threads 1 --workers 1 --min-steps 0"
    )


@pytest.fixture(scope="module")
def folder(shell):
    assert main(["train", *shell]) == 0
    return RunFolder(shell[shell.index("--runs") + 1] + "/strange")


@pytest.fixture(scope="module")
def promoted(folder, tmp_path_factory):
    return promote_run(folder, name="strange", fold=0, repetition=0, out=tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def stranger(promoted, recogniser, speech_encoder, text_encoder):
    """An analyzer of the head that the training left."""
    parts = {
        "recogniser": recogniser,
        "speech": speech_encoder,
        "text": text_encoder,
        "aligners": {key: choice.load() for key, choice in ALIGNERS.items() if key != "mfa"},
    }
    return Analyzer(preset="strange", **parts, heads={"strange": load_head(promoted)})


@pytest.fixture(scope="module")
def analysis(stranger, librivox_clip):
    return stranger.analyze(librivox_clip, text=WORDS, aligner="even", head="strange")


def test_the_shell_takes_them(shell):
    args = build_command_parser("train").parse_args(shell)
    experiment = read_settings(args, **read_model(args))
    assert (experiment.fusion, experiment.units, experiment.rate, experiment.preset) == ("gated", ("T", "R"), 0.01, "strange")
    assert experiment.title == "T + R, gated fusion"
    args = build_command_parser("analyze").parse_args(["a.wav", "--shout", "out.txt", "--aligner", "even", "--even-spacing", "0.1"])
    assert (args.shout.name, read_aligner_options(args)["even_spacing"]) == ("out.txt", "0.1")
    assert "R: text, frames, phones, syllables, words, phrases" in " ".join(build_command_parser("extract").format_help().split())


def test_the_form_takes_them_and_says_the_shell_s_words(shell):
    experiment = build_experiment({"fusion": "gated", "units": ["R", "T"]}, data="d", features="cache", labels={})
    assert experiment == Experiment("d", "cache", fusion="gated", units=("T", "R"))
    assert "--model gated --units T R" in write_command(experiment)


def test_the_page_offers_them(stranger):
    with gr.Blocks() as page:
        explore.build(stranger, examples=[], open_stored=lambda example: None, is_public=False)
        train.build(TrainingService())
    texts = json.dumps([block.get_config() for block in page.blocks.values() if isinstance(block, gr.components.Component)], default=str)
    for given in (
        '["Gated fusion", "gated"]',
        '["R phrases", "R"]',
        "the shout is one word",
        '["Even shares", "even"]',
        '"Shout"',
        '["phrases", "phrases"]',
    ):
        assert given in texts, given


def test_it_trains(folder):
    results = folder.read("results")
    assert results["summary"]["runs"] == 2
    assert set(results["runs"][0]["layer_weights"]) == {"T", "R"}


def test_an_analysis_reads_them(analysis):
    prediction = analysis.predictions["late"]
    assert (prediction.fusion, prediction.units) == ("gated", ("T", "R"))
    phrases = group_phrases(analysis.alignment)
    assert analysis.labels["R"] == tuple(phrase.label for phrase in phrases)
    assert 1 < len(phrases) <= 8
    total = sum(branch.bias + branch.contributions.sum(0) for branch in prediction.branches)
    np.testing.assert_allclose(total, prediction.logits, atol=1e-5)


def test_the_alignment_is_the_stranger_s_and_known_again(analysis):
    assert (analysis.alignment.source, name_aligner(analysis)) == ("even 1.0", "even")
    assert "--aligner even" in suggest_command(analysis)
    found = {finding.name: finding for finding in examine_aligners()}
    assert found["even"].ready and not found["even"].essential and found["even"].text.startswith("even 1.0, ")


def test_the_page_s_data_give_them_a_lane(analysis):
    unit = build_payload(analysis)["units"]["R"]
    assert (unit["name"], unit["one"], unit["lane"], unit["pixels"]) == ("phrases", "phrase", 0, 28)
    assert len(unit["starts"]) == len(unit["labels"]) == len(analysis.labels["R"])


def test_the_files_hold_them(analysis):
    restored = analysis_from_json(json.loads(json.dumps(analysis_to_json(analysis))))
    assert restored.labels["R"] == analysis.labels["R"] and restored.predictions["late"].fusion == "gated"
    rows = list(csv.DictReader(io.StringIO(write_segment_table(analysis))))
    assert sum(row["unit"] == "R" and row["part"] == "segment" for row in rows) == len(analysis.labels["R"])
    assert "phrases" in report_html(analysis)
    jsonschema.validate(json.loads(EXPORTS["json"].write(analysis, Wishes())), read_schema())


def test_the_shell_analyses_with_them_and_writes_the_stranger(stranger, tmp_path, capsys, promoted):
    given = [
        "--text",
        WORDS,
        "--aligner",
        "even",
        "--preset",
        "strange",
        "--heads",
        promoted.parent,
        "--head",
        "strange",
        "--shout",
        tmp_path / "a.txt",
    ]
    assert main(["analyze", CLIP, *map(str, given)]) == 0
    assert (tmp_path / "a.txt").read_text() in {f"{emotion.upper()}!\n" for emotion in EMOTIONS}
    assert "phrases" in capsys.readouterr().out


def test_they_can_be_left_out_one_by_one(stranger, analysis):
    found = leave_one_out(stranger, analysis, tier="phrases", medium="sound", baselines=("silence",))
    assert found.labels == analysis.labels["R"]


def test_a_batch_has_columns_for_them(stranger, tmp_path):
    (tmp_path / "list.csv").write_text(f"path,text\n{CLIP},{WORDS}\n")
    list(run_batch(stranger, read_items(tmp_path / "list.csv"), tmp_path / "table.csv", BatchRequest("strange")))
    (row,) = csv.DictReader((tmp_path / "table.csv").read_text().splitlines())
    assert not row["error"] and float(row["late_R_logit_anger"])
