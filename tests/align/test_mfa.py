"""MFA's client: its readers against real samples, the rest against a stand-in `mfa` whose interpreter has a stand-in `kalpy`."""

import os
import shutil
import sys

import numpy as np
import pytest
from align_cases import SAMPLES, load_speech, make_clip, make_transcript, read_transcriptions
from fake_kalpy import write_kalpy, write_models

from mmer.align.mfa import (
    CorpusItem,
    MfaAligner,
    add_stress,
    build_alignment,
    check_version,
    find_interpreter,
    find_program,
    read_mfa_textgrid,
)
from mmer.errors import AlignmentError

SENTENCE = "He was not an ill disposed young man."
YOUNG_MAN = "librivox/sense_and_sensibility_01_austen_64kb-0880.wav"

PROGRAM = """#!{interpreter}
import os, pathlib, shutil, sys
sys.path.insert(0, {tests!r})
samples = pathlib.Path({samples!r})
command, *arguments = sys.argv[1:]
if command == "version":
    print("{version}")
elif command == "align_one":
    sound, text, dictionary, acoustic, out = arguments[:5]
    assert os.path.getsize(sound) > 44 and os.path.exists(dictionary) and "root" in os.environ["MFA_ROOT_DIR"]
    words = open(text, encoding="utf-8").read()
    if "mismatch" in words:
        sys.exit((samples / "align_one.mismatch.stderr.txt").read_text())
    shutil.copy(samples / ("align_one.all_oov.TextGrid" if "zorblatt" in words else "align_one.short.TextGrid"), out)
elif command == "align":
    corpus, dictionary, acoustic, out = map(pathlib.Path, arguments[:4])
    for text in corpus.glob("*/*.lab"):
        if "mismatch" not in text.read_text():
            folder = out / text.parent.name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(samples / "align.short.TextGrid", folder / (text.stem + ".TextGrid"))
else:
    sys.exit("Error: No such command.")
"""


@pytest.fixture
def install(tmp_path):
    """A folder with `mfa` and models; with or without kalpy in the interpreter that `mfa` names."""
    aligners = []

    def install_mfa(*, version="3.4.3", kalpy=True):
        packages = tmp_path / "packages"
        if kalpy:
            write_kalpy(packages)
        interpreter = tmp_path / "python"
        interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
        program = tmp_path / "mfa"
        program.write_text(PROGRAM.format(interpreter=interpreter, version=version, samples=str(SAMPLES), tests=str(tmp_path)))
        for path in (interpreter, program):
            path.chmod(0o755)
        write_models(tmp_path / "models")
        aligner = MfaAligner(program=program, root=tmp_path / "models")
        aligners.append(aligner)
        return aligner

    yield install_mfa
    for aligner in aligners:
        aligner.close()


def test_worker_aligns_a_clip(install):
    aligner = install()
    assert not aligner.why_slow
    transcript = make_transcript("There's young 🙂 he", {"There's": ("there", "'s"), "🙂": ()})
    alignment = aligner.align(make_clip(np.random.default_rng(0).normal(0, 0.1, 32000)), transcript)
    assert [(w.label, w.word) for w in alignment.words] == [("There's", 0), ("young", 1), ("he", 3)]
    assert [p.label for p in alignment.phones] == ["DH", "EH", "R", "Z", "Y", "AH", "NG", "IY"]
    assert [s.label for s in alignment.syllables] == ["DH EH R Z", "Y AH NG", "IY"]  # the clitic belongs to its word's syllable
    assert alignment.source == "mfa 3.4.3 english_us_arpa" and alignment.score == -49.0


def test_unknown_words_get_letters_to_sound_and_typed_pronunciations_win(install):
    aligner = install()
    clip = make_clip(np.random.default_rng(0).normal(0, 0.1, 32000))
    guessed = aligner.align(clip, make_transcript("he man"))
    assert [p.label for p in guessed.phones] == ["IY", "M", "AE", "N"]
    typed = aligner.align(clip, make_transcript("he man"), pronunciations={"he": ("HH", "AA")})
    assert [p.label for p in typed.phones] == ["HH", "AA", "M", "AE", "N"]


def test_a_crash_is_answered_and_the_next_clip_aligned(install):
    aligner = install()
    clip = make_clip(np.random.default_rng(0).normal(0, 0.1, 32000))
    with pytest.raises(AlignmentError, match="ended twice without an answer"):
        aligner.align(clip, make_transcript("crash"))
    with pytest.raises(AlignmentError, match="The aligner says: Could not align the file"):
        aligner.align(clip, make_transcript("mismatch"))
    assert aligner.align(clip, make_transcript("he")).words


def test_without_kalpy_align_one_is_used(install):
    aligner = install(kalpy=False)
    assert "No module named 'kalpy'" in aligner.why_slow
    alignment = aligner.align(load_speech(YOUNG_MAN), make_transcript(SENTENCE))
    assert [w.label for w in alignment.words] == SENTENCE.rstrip(".").split()
    assert alignment.source == "mfa 3.4.3 english_us_arpa"
    assert any("slow command" in n.text and n.level == "info" for n in alignment.notices)
    typed = aligner.align(load_speech(YOUNG_MAN), make_transcript(SENTENCE), pronunciations={"ill": ("IH", "L")})
    assert any("pronunciations were not used" in n.text for n in typed.notices)
    with pytest.raises(AlignmentError, match="Montreal Forced Aligner says: Could not align the file with the current beam size"):
        aligner.align(load_speech(YOUNG_MAN), make_transcript("mismatch"))
    with pytest.raises(AlignmentError, match="dictionary has none of these words"):
        aligner.align(load_speech(YOUNG_MAN), make_transcript("zorblatt zorblatt zorblatt"))


def test_corpus_names_what_was_left_out(install):
    clip = load_speech(YOUNG_MAN)
    items = [
        CorpusItem("good", "anna", clip, make_transcript(SENTENCE)),
        CorpusItem("lost", "anna", clip, make_transcript("mismatch")),
        CorpusItem("other", "ben", clip, make_transcript("Kids are talking")),
        CorpusItem("empty", "ben", make_clip([]), make_transcript(SENTENCE)),
    ]
    result = install().align_corpus(items)
    assert list(result.found) == ["good"] and len(result.found["good"].phones) == 25
    assert "left it out" in result.missing["lost"]
    assert "Word 1 of the transcript is “Kids”" in result.missing["other"]
    assert "0 ms long" in result.missing["empty"]


@pytest.mark.parametrize(
    ("samples", "text", "message"),
    [
        (np.zeros(0), "he", "0 ms long"),
        (np.zeros(800), "he", "50 ms long"),
        (np.full(16000, np.nan), "he", "not numbers"),
        (np.zeros(16000), "", "no spoken words"),
    ],
)
def test_input_that_mfa_would_die_of_never_reaches_it(install, samples, text, message):
    with pytest.raises(AlignmentError, match=message):
        install().align(make_clip(samples), make_transcript(text))


@pytest.mark.parametrize("version", ["4.0.0", "2.2.17", "unknown"])
def test_other_versions_are_refused(install, version):
    with pytest.raises(AlignmentError, match=rf"version {version} of the Montreal Forced Aligner; versions 3.x are supported"):
        install(version=version)


def test_missing_program_and_models_name_their_command(tmp_path):
    with pytest.raises(AlignmentError, match=r"not installed: .* conda create"):
        find_program(tmp_path / "mfa")
    program = tmp_path / "mfa"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(AlignmentError, match="mfa model download acoustic english_us_arpa"):
        MfaAligner(program=program, root=tmp_path)


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


@pytest.mark.parametrize("name", ["align.long.TextGrid", "align.json", "align_one.short.TextGrid", "align_one.json"])
def test_every_output_format_is_read_alike(name):
    found = read_mfa_textgrid(SAMPLES / name)
    assert [w.label for w in found] == SENTENCE.lower().rstrip(".").split()
    assert [p for p, _, _ in found[1].phones] == ["W", "AA1", "Z"]


def test_unknown_word_keeps_its_place_and_name():
    found = read_mfa_textgrid(SAMPLES / "align_one.oov.TextGrid")
    assert [w.label for w in found][5] == "<unk>"
    transcript = make_transcript("He was not an ill zorblatted young man")
    alignment = build_alignment(found, load_speech(YOUNG_MAN), transcript, source="mfa")
    assert alignment.words[5].label == "zorblatted" and all(p.word != 5 for p in alignment.phones)
    assert any("without phones: zorblatted" in n.text for n in alignment.notices)


def test_nothing_but_unknown_words_is_refused():
    found = read_mfa_textgrid(SAMPLES / "align_one.all_oov.TextGrid")
    with pytest.raises(AlignmentError, match="none of these words"):
        build_alignment(found, load_speech(YOUNG_MAN), make_transcript("a b c"), source="mfa")


def test_a_short_wrong_transcript_is_noticed():
    """MFA exits with 0 and puts "kids" into a sentence of eight other words."""
    found = read_mfa_textgrid(SAMPLES / "align_one.mismatch_short.TextGrid")
    alignment = build_alignment(found, load_speech(YOUNG_MAN), make_transcript("kids"), source="mfa")
    assert any("of the loud sound lies outside the words" in n.text for n in alignment.notices)


def test_stress_is_added_as_the_model_names_its_phones():
    known = frozenset(["Z", "AO0", "AO1", "R", "AH0", "AH1", "B"])
    assert add_stress(["Z", "AO", "R", "B", "AH"], known) == "Z AO1 R B AH0"
    assert add_stress(["B", "AH", "Z"], known) == "B AH1 Z"
    assert add_stress(["B", "AH"], frozenset(["b", "ə"])) == ""
    check_version("3.4.3")


@pytest.mark.mfa
@pytest.mark.skipif(shutil.which("mfa") is None, reason="the Montreal Forced Aligner is not installed (conda only)")
def test_the_real_aligner():
    texts = read_transcriptions("librivox", "transcription")
    aligner = MfaAligner()
    for path, text in texts.items():
        alignment = aligner.align(load_speech(path), make_transcript(text))
        assert [w.label for w in alignment.words] == text.split()
    aligner.close()
