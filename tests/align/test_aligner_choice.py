"""Who chooses the Montreal Forced Aligner's program and models: flags of each command, experiments; and what caches know of it."""

import argparse
from pathlib import Path

import pytest

from mmer.cli import COMMANDS, build_command_parser, main
from mmer.commands.options.clip import read_aligner_options
from mmer.commands.train import add_settings, read_settings
from mmer.datasets.dataset import Utterance
from mmer.feature_store.entry_names import name_alignment
from mmer.feature_store.extraction import ExtractionJob, plan_extraction

FLAGS = ["--mfa-model", "english_mfa", "--mfa-dictionary", "mine.dict", "--mfa-command", "/opt/mfa"]
SETTINGS = {"mfa_model": "english_mfa", "mfa_dictionary": "mine.dict", "mfa_command": "/opt/mfa"}
UTTERANCE = Utterance(path=Path("a.wav"), label="anger", speaker="a", text="he was")


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "a.wav"],
        ["align", "a.wav"],
        ["intervene", "a.wav"],
        ["batch", "folder", "--out", "a.csv"],
        ["extract", "data", "--features", "f"],
        ["doctor"],
    ],
)
def test_every_command_that_aligns_takes_the_flags(arguments):
    args = build_command_parser(arguments[0]).parse_args([*arguments[1:], *FLAGS])
    assert read_aligner_options(args) == SETTINGS


def test_no_command_with_an_aligner_lacks_them():
    for name in COMMANDS:
        options = {option for action in build_command_parser(name)._actions for option in action.option_strings}
        assert "--aligner" not in options or set(FLAGS[::2]) <= options, name


def test_an_experiment_keeps_them():
    parser = argparse.ArgumentParser()
    add_settings(parser)
    experiment = read_settings(parser.parse_args(["--data", "d", "--aligner", "mfa", *FLAGS]))
    assert experiment.aligner_options == SETTINGS and experiment.to_json()["mfa_model"] == "english_mfa"


def test_a_missing_program_is_named_with_its_path(capsys, tmp_path):
    clip = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
    code = main(["align", clip, "--text", "he was", "--aligner", "mfa", "--mfa-command", str(tmp_path / "mfa")])
    assert code == 2 and f"there is no program “{tmp_path / 'mfa'}”"[:60] in capsys.readouterr().err


def test_cache_keys_hold_the_aligner_s_version(sphinx):
    """Another version may place the words elsewhere, so what was extracted with it is not taken."""
    job = ExtractionJob(Path("f"), "compact")
    assert job.name_aligner(UTTERANCE) == sphinx.identity
    assert name_alignment(UTTERANCE, sphinx.identity) == f"{sphinx.identity}: he was"
    assert plan_extraction(["T", "W"], features="f", preset="compact", aligner="none").name_aligner(UTTERANCE) == "none"
    assert plan_extraction(["T", "F"], features="f", preset="compact").name_aligner(UTTERANCE) == ""


def test_an_order_knows_the_montreal_aligner_by_its_files(tmp_path, monkeypatch):
    program = tmp_path / "mfa"
    program.write_text("#!/bin/sh\necho 3.4.3\n")
    program.chmod(0o755)
    model, dictionary = tmp_path / "m.zip", tmp_path / "d.dict"
    model.write_bytes(b"model")
    dictionary.write_text("he\tHH IY1\n")
    settings = {"mfa_command": str(program), "mfa_model": str(model), "mfa_dictionary": str(dictionary)}
    first = ExtractionJob(Path("f"), "compact", aligner="mfa", aligner_options=settings).name_aligner(UTTERANCE)
    dictionary.write_text("he\tHH IY1\nshe\tSH IY1\n")
    second = ExtractionJob(Path("f"), "compact", aligner="mfa", aligner_options=settings).name_aligner(UTTERANCE)
    assert first.startswith("mfa 3.4.3 ") and second.startswith("mfa 3.4.3 ") and first != second
