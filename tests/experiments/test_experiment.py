"""What the settings of an experiment may be: bounds hold for the form, the shell and a stored config alike."""

from dataclasses import fields, replace

import pytest

from mmer.cli import build_command_parser
from mmer.commands.train import read_model, read_settings
from mmer.errors import DataError
from mmer.experiments.experiment import FURTHER, MODEL, PROTOCOL, SETTINGS, Experiment, default_of, read_experiment
from mmer.experiments.settings import build_experiment

WRONG = {
    "epochs": (0, "Epochs at most is 0: it must be a whole number from 1 to 10000"),
    "dropout": (2.0, "Dropout is 2: it must be a number from 0 to 0.95"),
    "label_smoothing": (5.0, "Label smoothing is 5"),
    "threads": (-4, "CPU threads is -4"),
    "weight_decay": (-1.0, "Weight decay is -1"),
    "hidden": (-3, "Hidden size is -3"),
    "share": (float("nan"), "Validation share is nan"),
    "chunk": (0, "Utterances sorted together is 0"),
}


def ask_shell(*arguments):
    args = build_command_parser("train").parse_args(["--data", "here", "--name", "x", *arguments])
    return read_settings(args, **read_model(args))


@pytest.mark.parametrize("name", WRONG)
def test_numbers_out_of_bounds_are_refused_everywhere(name):
    value, said = WRONG[name]
    with pytest.raises(DataError, match=said):
        ask_shell(f"--{name.replace('_', '-')}", str(value))
    changes = {"model": {name: value}} if name in MODEL else {name: value}
    with pytest.raises(DataError, match=said):
        read_experiment({"data": "a", "features": "b", "units": ["T"]} | changes)
    if name != "chunk":
        with pytest.raises(DataError, match=said):
            build_experiment({"fusion": "late", "units": ["T", "F"], name: value}, data="a", features="b", labels={})


def test_heads_must_divide_the_states_where_there_are_any():
    with pytest.raises(DataError, match="Attention heads is 5: it must divide 384"):
        ask_shell("--model", "coattention", "--units", "T", "F", "--heads", "5")
    assert ask_shell("--model", "late", "--heads", "5").model == {"heads": 5}


def test_a_number_of_the_wrong_kind_in_a_stored_config_is_refused():
    with pytest.raises(DataError, match="Epochs at most is 'many'"):
        read_experiment({"data": "a", "features": "b", "epochs": "many"})
    with pytest.raises(DataError, match="Model settings depth: known are hidden"):
        read_experiment({"data": "a", "features": "b", "model": {"depth": 3}})


def test_every_number_is_a_setting_with_its_default_within_bounds():
    settings = (*PROTOCOL, *SETTINGS, *FURTHER)
    numbers = {f.name for f in fields(Experiment) if isinstance(f.default, int | float)}
    assert {s.name for s in settings} == numbers | set(MODEL)
    for setting in settings:
        setting.check(default_of(setting))


def test_precision_is_that_of_the_device_unless_it_is_named():
    linear, attention = Experiment("data", "features"), Experiment("data", "features", fusion="coattention")
    assert [each.choose_precision(device) for each in (linear, attention) for device in ("cpu", "mps")] == ["float32"] * 4
    assert linear.choose_precision("cuda:1") == "tf32" and attention.choose_precision("cuda") == "bfloat16"
    assert replace(attention, precision="float32").choose_precision("cuda") == "float32"
    assert replace(linear, precision="bfloat16").choose_precision("cpu") == "bfloat16"
