"""Finding the Montreal Forced Aligner and its models: settings, environment, names and paths."""

import os

import pytest
from fake_kalpy import write_models

from mmer.align import identify_aligner
from mmer.align.mfa.setup import (
    MfaSettings,
    check_version,
    choose_settings,
    find_interpreter,
    find_model,
    find_paths,
    find_program,
    find_root,
    hash_path,
    identify,
)
from mmer.errors import AlignmentError


def write_program(path, *, version="3.4.3"):
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def test_flags_win_over_the_environment_and_the_environment_over_defaults():
    assert choose_settings(None, {}) == MfaSettings("mfa", "english_us_arpa", "english_us_arpa")
    environment = {"MMER_MFA_MODEL": "english_mfa", "MMER_MFA_COMMAND": "/opt/mfa", "MMER_MFA_DICTIONARY": "english_us_mfa"}
    assert choose_settings(MfaSettings(), environment) == MfaSettings("/opt/mfa", "english_mfa", "english_us_mfa")
    assert choose_settings(MfaSettings(model="a", dictionary="b"), environment) == MfaSettings("/opt/mfa", "a", "b")


@pytest.mark.parametrize("model", ["english_mfa", "/models/english_mfa.zip", "~/models/english_mfa", "/models/english_mfa/"])
def test_the_dictionary_is_the_model_s_namesake_unless_told(model):
    assert choose_settings(MfaSettings(model=model), {}).dictionary == "english_mfa"


def test_missing_program_and_models_name_what_brings_them(tmp_path):
    with pytest.raises(AlignmentError, match=r"no program “mfa” on the PATH.*conda create -n aligner.*--mfa-command"):
        find_program("mfa", path=str(tmp_path))
    with pytest.raises(AlignmentError, match="there is no program “/no/mfa”"):
        find_program("/no/mfa")
    program = write_program(tmp_path / "mfa")
    with pytest.raises(
        AlignmentError, match=r"no acoustic model “english_mfa” .*mfa model download acoustic english_mfa; or .*--mfa-model"
    ):
        find_paths(MfaSettings(str(program), "english_mfa", "english_mfa"), root=tmp_path)
    write_models(tmp_path, name="english_mfa")
    with pytest.raises(AlignmentError, match=r"no dictionary “german_mfa” .*mfa model download dictionary german_mfa"):
        find_paths(MfaSettings(str(program), "english_mfa", "german_mfa"), root=tmp_path)


def test_names_win_over_files_of_the_same_name_and_paths_are_taken(tmp_path, monkeypatch):
    acoustic, dictionary = write_models(tmp_path / "root")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "english_us_arpa").mkdir()  # somebody's folder, no model
    assert find_model("english_us_arpa", acoustic.parent, "acoustic") == acoustic
    mine = tmp_path / "mine.dict"
    mine.write_text("he\tHH IY1\n")
    assert find_model(str(mine), dictionary.parent, "dictionary") == mine
    assert os.path.samefile(find_model("mine.dict", dictionary.parent, "dictionary"), mine)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_model("~/mine.dict", dictionary.parent, "dictionary") == mine


@pytest.mark.parametrize("name", ["x" * 5000, "/x\0y", "/no/where.zip", "a/" * 3000])
def test_names_that_no_file_can_have_are_refused_in_short_sentences(tmp_path, name):
    with pytest.raises(AlignmentError) as refused:
        find_model(name, tmp_path, "acoustic")
    assert len(str(refused.value)) < 500 and "--mfa-model" in str(refused.value)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "many.yaml").write_text("default: english_us_arpa\n")
    with pytest.raises(AlignmentError, match=r"many.yaml” is no dictionary .*one .dict or .txt file is"):
        find_model(str(tmp_path / "many.yaml"), tmp_path, "dictionary")
    (tmp_path / "model.wav").touch()
    with pytest.raises(AlignmentError, match=r"is no acoustic model .* a .zip or an unpacked folder is"):
        find_model(str(tmp_path / "model.wav"), tmp_path, "acoustic")


def test_the_root_is_where_mfa_has_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MFA_ROOT_DIR", raising=False)
    assert find_root() == tmp_path / "Documents" / "MFA"
    monkeypatch.setenv("MFA_ROOT_DIR", "~/mfa")
    assert find_root() == tmp_path / "mfa"


def test_identity_holds_version_model_and_dictionary(tmp_path):
    program = write_program(tmp_path / "mfa")
    acoustic, dictionary = write_models(tmp_path)
    paths = find_paths(MfaSettings(str(program), "english_us_arpa", "english_us_arpa"), root=tmp_path)
    first = identify(paths)
    assert first.startswith("mfa 3.4.3 ") and identify(paths) == first
    with dictionary.open("a") as file:
        file.write("she\tSH IY1\n")
    second = identify(paths)
    (acoustic / "final.mdl").write_bytes(b"weights")
    third = identify(paths)
    write_program(program, version="3.5.0")
    assert len({first, second, third, identify(paths)}) == 4
    assert paths.title == "english_us_arpa"


def test_two_names_are_told_apart(tmp_path):
    program = write_program(tmp_path / "mfa")
    write_models(tmp_path, name="english_mfa")
    write_models(tmp_path, name="english_us_mfa")
    paths = find_paths(MfaSettings(str(program), "english_mfa", "english_us_mfa"), root=tmp_path)
    assert paths.title == "english_mfa with english_us_mfa"


def test_the_embedded_aligner_is_known_by_its_version(sphinx):
    assert identify_aligner("sphinx") == sphinx.identity == sphinx.source
    assert sphinx.identity.startswith("pocketsphinx 5.")


def test_files_of_a_folder_are_told_apart_by_name(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a").write_text("1")
    first = hash_path(tmp_path / "m")
    (tmp_path / "m" / "a").rename(tmp_path / "m" / "b")
    assert hash_path(tmp_path / "m") != first
    with pytest.raises(AlignmentError, match="can't be read"):
        hash_path(tmp_path / "none")


@pytest.mark.parametrize(
    ("head", "interpreter"),
    [
        ("#!/opt/conda/envs/aligner/bin/python3.11\nimport re\n", "/opt/conda/envs/aligner/bin/python3.11"),
        ("#!/opt/python -s\n", "/opt/python"),
        ("#!/bin/sh\n'''exec' \"/a long path/bin/python\" \"$0\" \"$@\"\n' '''\n", "/a long path/bin/python"),
        ("#!/bin/sh\nexec mfa\n", None),
        ("\x7fELF", None),
        ("", None),
    ],
)
def test_first_line_names_the_interpreter(tmp_path, head, interpreter):
    (tmp_path / "mfa").write_text(head)
    assert find_interpreter(tmp_path / "mfa") == interpreter


def test_env_in_the_first_line_is_looked_up(tmp_path):
    (tmp_path / "mfa").write_text("#!/usr/bin/env sh\n")
    assert os.path.basename(find_interpreter(tmp_path / "mfa")) == "sh"


def test_versions_of_three_are_taken():
    check_version("3.4.3")
