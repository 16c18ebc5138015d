"""Standard output that is closed, full or read by nobody, and the last net: files are whole, and what was lost is said."""

import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mmer.align.textgrid_tiers import read_tiers
from mmer.cli import main
from mmer.errors import AudioError, Bug, MmerError
from mmer.exports.analysis_json import read_analysis
from mmer.files.bugs import catch_bugs

CLIP = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
WORDS = "he was not an ill disposed young man"


def start(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "mmer", *map(str, arguments)], check=False, timeout=120, text=True, **options)


def open_pipe_nobody_reads():
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_output_that_nobody_reads_does_not_stop_the_work(heads_folder, tmp_path, stream):
    gone, out = open_pipe_nobody_reads(), tmp_path / "a.json"
    kept = {"stdout": "stderr", "stderr": "stdout"}[stream]
    done = start("analyze", CLIP, "--text", WORDS, "--heads", heads_folder, "--json", out, **{stream: gone, kept: subprocess.PIPE})
    os.close(gone)
    assert done.returncode == 0 and "Traceback" not in getattr(done, kept)
    assert read_analysis(out).transcript.text == WORDS


def test_closed_outputs_take_no_file_s_place(tmp_path):
    out = tmp_path / "a.TextGrid"
    command = f"exec '{sys.executable}' -m mmer align '{CLIP}' --text '{WORDS}' --textgrid '{out}' >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False, timeout=120).returncode == 0
    assert [tier.name for tier in read_tiers(out)] == ["words", "syllables", "phones"] and list(tmp_path.iterdir()) == [out]


def test_a_full_disk_is_said(tmp_path):
    with (tmp_path / "full").open("wb") as file:
        done = start(
            "schema", stdout=file, stderr=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mmer: Standard output can't be written: File too large.")


def test_dash_is_standard_output_and_the_summary_goes_to_the_other(heads_folder, tmp_path):
    done = start("analyze", CLIP, "--text", WORDS, "--heads", heads_folder, "--json", "-", capture_output=True, cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["format"] == "mmer-analysis"
    assert f"“{WORDS}” (typed)" in done.stderr and list(tmp_path.iterdir()) == []


def test_dash_for_a_textgrid(tmp_path):
    done = start("align", CLIP, "--text", WORDS, "--textgrid", "-", "--quiet", capture_output=True, cwd=tmp_path)
    assert done.stderr == "" and [tier.name for tier in read_tiers(done.stdout)] == ["words", "syllables", "phones"]


def test_two_outputs_can_t_share_standard_output():
    done = start("analyze", CLIP, "--json", "-", "--csv", "-", capture_output=True)
    assert (done.returncode, done.stdout) == (2, "") and "Only one output" in done.stderr


def test_a_closed_standard_output_is_said_where_a_file_should_go_there():
    command = f"exec '{sys.executable}' -m mmer align '{CLIP}' --text '{WORDS}' --textgrid - --quiet >&-"
    done = subprocess.run(["sh", "-c", command], check=False, timeout=120, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.startswith("mmer: Standard output is closed") and len(done.stderr.splitlines()) == 1


PLANTED = "import sys, mmer.cli, mmer.commands.schema as s; s.run = lambda args: {}['gone']; sys.exit(mmer.cli.main(['schema']))"


def test_a_bug_is_one_sentence_and_a_file_with_its_traceback(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PLANTED], check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (1, "") and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mmer: This is a bug in mmer") and "KeyError: 'gone'" in done.stderr
    (file,) = tmp_path.iterdir()
    assert str(file) in done.stderr and file.stat().st_mode & 0o777 == 0o600
    assert "Traceback (most recent call last)" in file.read_text() and "KeyError: 'gone'" in file.read_text()


def test_a_bug_whose_traceback_can_t_be_kept_is_told_all_the_same():
    environment = os.environ | {"TMPDIR": "/nonexistent", "PATH": os.environ["PATH"]}
    code = "import tempfile; tempfile.tempdir = '/nonexistent'; " + PLANTED
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "KeyError: 'gone'" in done.stderr and len(done.stderr.splitlines()) == 1


def raise_error(error):
    raise error


def test_the_net_lets_pass_what_it_is_not_for():
    assert catch_bugs(lambda: 3) == 3
    with pytest.raises(AudioError, match="ours"):
        catch_bugs(lambda: raise_error(AudioError("ours")))
    with pytest.raises(KeyboardInterrupt):
        catch_bugs(lambda: raise_error(KeyboardInterrupt()))
    with pytest.raises(MmerError, match="memory") as error:
        catch_bugs(lambda: raise_error(MemoryError()))
    assert not isinstance(error.value, Bug)


def test_the_same_bug_met_again_has_one_file():
    sentences = []
    for text in ("one", "two"):
        with pytest.raises(Bug) as caught:
            catch_bugs(lambda text=text: raise_error(ValueError(text)))
        sentences.append(str(caught.value))
    one, two = (re.search(r"file (\S+),", sentence)[1] for sentence in sentences)
    assert one == two and "ValueError: two" in Path(one).read_text()
    Path(one).unlink()


def test_there_is_one_last_net():
    package = Path(__file__).parents[2] / "mmer"
    nets = [p.name for p in sorted(package.rglob("*.py")) for _ in re.findall(r"except Exception\b", p.read_text(encoding="utf-8"))]
    assert sorted(nets) == ["bugs.py", *["worker.py"] * 2], "the aligner's worker answers for whatever happens in another program's Python"


def test_streams_that_a_notebook_or_a_string_put_in_their_place_are_printed_to():
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        assert main(["analyze", "/nonexistent/clip.wav"]) == 2
    assert (out.getvalue(), errors.getvalue()) == ("", "mmer: clip.wav: there is no such file.\n")
