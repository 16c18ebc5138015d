"""MFA's client: its readers against real samples, the rest against a stand-in `mfa` whose interpreter has a stand-in `kalpy`."""

import shutil
import sys
import wave
from dataclasses import replace

import numpy as np
import pytest
from align_cases import SAMPLES, load_speech, make_clip, make_transcript, read_transcriptions
from fake_kalpy import IPA_DICTIONARY, IPA_PHONES, write_kalpy, write_models

from mmer.align import ALIGNERS
from mmer.align.fit import NO_PATH
from mmer.align.mfa.aligner import MfaAligner, build_alignment, mean_likelihood, read_mfa_textgrid, round_samples, write_wav
from mmer.align.mfa.setup import MfaSettings
from mmer.doctor import try_aligner, try_out
from mmer.errors import AlignmentError
from mmer.results import Notice

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
else:
    sys.exit("Error: No such command.")
"""


@pytest.fixture
def install(tmp_path):
    """A folder with `mfa` and models; with or without kalpy in the interpreter that `mfa` names."""
    aligners = []

    def install_mfa(*, version="3.4.3", kalpy=True, model="english_us_arpa", judge=None, **models):
        packages = tmp_path / "packages"
        if kalpy:
            write_kalpy(packages)
        interpreter = tmp_path / "python"
        interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
        program = tmp_path / "mfa"
        program.write_text(PROGRAM.format(interpreter=interpreter, version=version, samples=str(SAMPLES), tests=str(tmp_path)))
        for path in (interpreter, program):
            path.chmod(0o755)
        write_models(tmp_path / "models", name=model, **models)
        settings = MfaSettings(str(program), model)
        aligner = MfaAligner(settings, root=tmp_path / "models", judge=judge, try_again_seconds=0.0)
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
    assert alignment.source == "mfa 3.4.3 english_us_arpa" and aligner.fast
    assert alignment.score == pytest.approx(-106.0)  # per 10 ms: the clip's total divided by its frames


def test_unknown_words_get_letters_to_sound_and_typed_pronunciations_win(install):
    aligner = install()
    clip = make_clip(np.random.default_rng(0).normal(0, 0.1, 32000))
    guessed = aligner.align(clip, make_transcript("he man"))
    assert [p.label for p in guessed.phones] == ["IY", "M", "AE", "N"]
    assert [(n.text, n.level) for n in guessed.notices if "spelling" in n.text] == [
        ("Not in the dictionary, so pronounced by their spelling: “man” as M AE N.", "info")
    ]
    typed = aligner.align(clip, make_transcript("he man"), pronunciations={"he": ("HH", "AA")})
    assert [p.label for p in typed.phones] == ["HH", "AA", "M", "AE", "N"]


def test_an_ipa_model_takes_guessed_and_typed_pronunciations_too(install):
    aligner = install(model="english_mfa", phones=IPA_PHONES, words=IPA_DICTIONARY)
    clip = make_clip(np.random.default_rng(0).normal(0, 0.1, 32000))
    alignment = aligner.align(clip, make_transcript("he man cat"), pronunciations={"cat": ("K", "AA", "T")})
    assert [p.label for p in alignment.phones] == ["HH", "IY", "M", "AE", "N", "K", "AA", "T"]
    assert alignment.source == "mfa 3.4.3 english_mfa"


def test_a_poor_fit_is_said_by_the_second_aligner(install, sphinx):
    """MFA itself takes any words; what it aligned is kept, with the warning."""
    aligner = install(judge=sphinx)
    right = aligner.align(load_speech(YOUNG_MAN), make_transcript(SENTENCE))
    assert not any("fit" in n.text for n in right.notices)
    wrong = aligner.align(load_speech(YOUNG_MAN), make_transcript("There was young man here yesterday he said"))
    assert len(wrong.words) == 8
    assert any(n.level == "warning" and ("fit" in n.text or "could not be matched" in n.text) for n in wrong.notices)


def test_the_second_aligner_hears_typed_pronunciations(install):
    class WordChecker:
        def judge(self, clip, transcript, *, pronunciations):
            return (Notice("alignment", f"asked with {pronunciations}"),)

    aligner = install(judge=WordChecker())
    clip = make_clip(np.random.default_rng(0).normal(0, 0.1, 32000))
    assert "asked with {'he': ('HH', 'AA')}" in [
        n.text for n in aligner.align(clip, make_transcript("he"), pronunciations={"he": ("HH", "AA")}).notices
    ]


def test_a_worker_that_could_not_start_is_started_again(install, tmp_path):
    aligner = install(kalpy=False)
    assert not aligner.fast and "No module named 'kalpy'" in aligner.why_slow
    write_kalpy(tmp_path / "packages")  # somebody has mended it
    alignment = aligner.align(make_clip(np.random.default_rng(0).normal(0, 0.1, 32000)), make_transcript("he"))
    assert aligner.fast and aligner.why_slow == "" and not any("slow" in n.text for n in alignment.notices)


def test_a_worker_that_could_not_start_is_not_started_at_every_clip(install, tmp_path):
    install(kalpy=False)
    aligner = MfaAligner(MfaSettings(str(tmp_path / "mfa")), root=tmp_path / "models", try_again_seconds=3600.0)
    write_kalpy(tmp_path / "packages")
    aligner.align(load_speech(YOUNG_MAN), make_transcript(SENTENCE))
    assert not aligner.fast


def test_a_crash_is_answered_and_the_next_clip_aligned(install):
    aligner = install()
    clip = make_clip(np.random.default_rng(0).normal(0, 0.1, 32000))
    with pytest.raises(AlignmentError, match="ended twice without an answer"):
        aligner.align(clip, make_transcript("crash"))
    with pytest.raises(AlignmentError) as refused:
        aligner.align(clip, make_transcript("mismatch"))
    assert str(refused.value) == NO_PATH  # not kalpy's, which names options of a command that nobody typed
    with pytest.raises(AlignmentError, match="The aligner says: Something else is wrong"):
        aligner.align(clip, make_transcript("broken"))
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
    with pytest.raises(AlignmentError) as refused:
        aligner.align(load_speech(YOUNG_MAN), make_transcript("mismatch"))
    assert str(refused.value) == NO_PATH
    with pytest.raises(AlignmentError, match="dictionary has none of these words"):
        aligner.align(load_speech(YOUNG_MAN), make_transcript("zorblatt zorblatt zorblatt"))


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


def test_likelihood_is_a_mean_per_frame():
    """The real aligner gave -31,760 for a clip of 3 s."""
    assert mean_likelihood(-31760.0, make_clip(np.zeros(3 * 16000))) == pytest.approx(-105.87, abs=0.01)
    assert mean_likelihood(None, make_clip(np.zeros(16000))) is None


def test_samples_are_rounded_and_bounded(tmp_path):
    samples = np.array([0.6, -0.6, 0.4, -0.4, 12.5, 1.5, 32767.4, 32768.0, -32768.0, -40000.0]) / 32768
    expected = [1, -1, 0, 0, 12, 2, 32767, 32767, -32768, -32768]  # halves to the even one, as kalpy's
    assert round_samples(samples).tolist() == expected
    write_wav(tmp_path / "a.wav", samples)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert np.frombuffer(file.readframes(10), "<i2").tolist() == expected


@pytest.mark.parametrize(("kalpy", "said"), [(True, "the fast way"), (False, "the slow way, by a new process for each clip. ")])
def test_it_says_which_way_the_montreal_aligner_goes(install, kalpy, said):
    aligner = install(kalpy=kalpy)
    text = try_aligner(replace(ALIGNERS["mfa"], load=lambda options: aligner))
    assert text.startswith("mfa 3.4.3 english_us_arpa, 8 of 8 words of a test sentence aligned in ") and said in text
    assert ("No module named 'kalpy'" in text) == (not kalpy)


def test_what_an_aligner_can_not_do_is_said(install):
    row = replace(ALIGNERS["mfa"], load=lambda options: install(words="zorblatt\tZ\n", phones=["Z"]))
    ready, text = try_out(lambda: try_aligner(row), AlignmentError)
    assert not ready and "none of these words" in text


@pytest.mark.mfa
@pytest.mark.skipif(shutil.which("mfa") is None, reason="the Montreal Forced Aligner is not installed (conda only)")
def test_the_real_aligner():
    texts = read_transcriptions("librivox", "transcription")
    aligner = ALIGNERS["mfa"].load()
    assert aligner.fast, aligner.why_slow
    for path, text in texts.items():
        alignment = aligner.align(load_speech(path), make_transcript(text))
        assert [w.label for w in alignment.words] == text.split()
        assert -200 < alignment.score < -40
    aligner.close()
