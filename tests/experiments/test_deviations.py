"""The paper's figures never stand beside others without what differs."""

from dataclasses import replace

from planted_sentences import write_sentences

from mmer.cli import main
from mmer.encoders.presets import PRESETS
from mmer.experiments.experiment import Experiment
from mmer.experiments.report.deviations import list_deviations

PAPER = Experiment("IEMOCAP_full_release", "cache", preset="paper")


def deviate(experiment, *, data="iemocap", utterances=5531):
    return list_deviations(experiment, data=data, utterances=utterances)


def test_the_paper_s_experiment_has_none():
    assert deviate(PAPER) == ()
    assert deviate(replace(PAPER, min_steps=0, seed=3, device="cpu", threads=2, fusion="linear", units=("F",))) == ()


def test_a_part_of_the_data_and_every_changed_setting_are_named():
    deviations = deviate(
        replace(PAPER, preset="compact", epochs=3, validation="session", model={"hidden": 64, "dropout": 0.2}), utterances=120
    )
    assert deviations == (
        "120 of 5,531 utterances (2.2%)",
        "preset compact instead of wav2vec2-base and BERT-base",
        "validation session instead of random",
        "epochs 3 instead of 100",
        "hidden 64 instead of 128",
    )
    assert deviate(PAPER, data="ravdess", utterances=672)[0] == "672 utterances of ravdess instead of IEMOCAP's 5,531"
    assert "min steps 5000 instead of 200" in deviate(replace(PAPER, min_steps=5000))
    assert "min steps 0 instead of 200" in deviate(replace(PAPER, min_steps=0), utterances=120)  # there it has an effect
    assert "labels excited=happiness" in deviate(replace(PAPER, labels={"excited": "happiness"}))


def test_a_projection_is_named_where_text_and_speech_meet():
    paper = PRESETS["paper"]
    with PRESETS.adding(replace(paper, name="unlike", speech=replace(paper.speech, dim=512))):
        joined = replace(PAPER, preset="unlike", fusion="coattention", units=("T", "F"))
        assert deviate(joined)[1:] == ("speech states projected from 512 to 768 numbers",)
        assert not any(
            "projected" in line
            for fusion in ("late", "concatenation")
            for line in deviate(replace(joined, fusion=fusion, units=("F", "S")))
        )
        assert not any("projected" in line for line in deviate(replace(joined, fusion="late")))


def test_reproduce_states_them_in_text_markdown_and_latex(tmp_path, capsys):
    data = write_sentences(tmp_path / "iemocap", sessions=True, speakers=4)
    arguments = ["--data", data, "--features", tmp_path / "cache", "--runs", tmp_path / "runs", "--repetitions", 1, "--epochs", 1]
    out = {name: tmp_path / f"table.{name}" for name in ("md", "tex")}
    files = ["--markdown", out["md"], "--latex", out["tex"]]
    assert main(["reproduce", "--table", "1", "--only", "table1-linear-t", *map(str, [*arguments, *files])]) == 0
    for text in (capsys.readouterr().out, *(path.read_text().replace("\\", "") for path in out.values())):
        assert "Not the paper's experiment: 64 of 5,531 utterances (1.2%); preset compact instead of wav2vec2-base and BERT-base" in text
        assert "repetitions 1 instead of 5; epochs 1 instead of 100" in text and "64 of 64" in text and "2 of 2" in text
