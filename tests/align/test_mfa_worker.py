"""The script that runs in MFA's interpreter, with a stand-in `kalpy` on its path."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_kalpy import write_kalpy, write_models

import mmer.align
from mmer.align.mfa import worker as mfa_worker

SCRIPT = Path(mmer.align.__file__).with_name("mfa") / "worker.py"


@pytest.fixture
def ask(tmp_path):
    """Runs the script over some requests and returns its hello and its answers."""
    write_kalpy(tmp_path / "packages")
    acoustic, dictionary = write_models(tmp_path)

    def ask_worker(*requests, acoustic=acoustic, packages=tmp_path / "packages"):
        lines = "".join(json.dumps({"id": i, **request}) + "\n" for i, request in enumerate(requests))
        done = subprocess.run(
            [sys.executable, str(SCRIPT), str(acoustic), str(dictionary)],
            input=lines,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(packages)},
            check=False,
        )
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    return ask_worker


@pytest.fixture
def samples(tmp_path):
    path = tmp_path / "samples.raw"
    np.zeros(16000, "<f4").tofile(path)
    return str(path)


def test_words_and_phones_come_back_and_noise_goes_to_stderr(ask, samples):
    (hello, answer), stderr = ask({"op": "align", "samples": samples, "words": ["he", "was", "young"]})
    assert hello["ready"] and "AA1" in hello["phones"] and hello["version"] is None
    assert answer["words"][0] == ["<eps>", 0.0, 0.1, [["sil", 0.0, 0.1]]]
    assert answer["words"][1][0] == "he" and [p[0] for p in answer["words"][2][3]] == ["W", "AH0", "Z"]
    assert answer["likelihood"] == -10600.0  # of the whole second
    assert "kalpy says something" in stderr


def test_missing_words_and_given_pronunciations(ask, samples):
    (_, missing, unknown, given), _ = ask(
        {"op": "missing", "words": ["he", "zorblatt"]},
        {"op": "align", "samples": samples, "words": ["he", "zorblatt"]},
        {"op": "align", "samples": samples, "words": ["he", "zorblatt"], "pronunciations": {"zorblatt": "Z AO1 R"}},
    )
    assert missing["missing"] == ["zorblatt"]
    assert unknown["words"][2][0] == "<unk>" and unknown["words"][2][3][0][0] == "spn"
    assert given["words"][2][0] == "zorblatt" and [p[0] for p in given["words"][2][3]] == ["Z", "AO1", "R"]


def test_an_error_is_one_sentence_and_the_next_request_is_served(ask, samples, tmp_path):
    (tmp_path / "empty.raw").touch()
    answers, _ = ask(
        {"op": "align", "samples": samples, "words": ["mismatch"]},
        {"op": "align", "samples": str(tmp_path / "empty.raw"), "words": ["he"]},
        {"op": "align", "samples": str(tmp_path / "none.raw"), "words": ["he"]},
        {"op": "dance"},
        {"op": "align", "samples": samples, "words": ["he"]},
    )
    assert answers[1] == {"id": 0, "no_path": True}
    assert answers[2]["error"] == "The recording holds no samples"
    assert "No such file" in answers[3]["error"] and "dance" in answers[4]["error"]
    assert answers[5]["words"]


def test_without_kalpy_it_says_so(ask, tmp_path):
    (hello,), _ = ask(packages=tmp_path / "nothing")
    assert hello["error"] == "No module named 'kalpy'"


def test_a_zipped_model_is_unpacked_for_itself(ask, samples, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "model"), "zip", tmp_path / "pretrained_models" / "acoustic")
    (hello, answer), _ = ask({"op": "align", "samples": samples, "words": ["he"]}, acoustic=packed)
    assert hello["ready"] and answer["words"]


def test_dictionary_lines_with_and_without_probabilities(tmp_path):
    _, dictionary = write_models(tmp_path)
    entries = mfa_worker.read_dictionary(dictionary)
    assert entries["was"] == ["0.99\t0.1\t1.0\t1.0\tW AA1 Z", "W AH0 Z"]
    assert entries["he"] == ["HH IY1", "IY0"]
