"""Recordings on the disk: whose folder, how long, how much, and what is left when the process ends."""

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from mmer.ui.page.upload_folder import LOCK, own_upload_folder, remove_abandoned, sweep

DAY = 24 * 3600


def write(path, size=10):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_old_files_go_strays_of_uploads_that_broke_off_included(tmp_path):
    stray, known = write(tmp_path / "tmpab12cd"), write(tmp_path / "0123abcd" / "voice.wav")
    lock = write(tmp_path / LOCK)
    assert sweep(tmp_path, now=time.time() + 10, most_seconds=60) == 0 and stray.exists()
    assert sweep(tmp_path, now=time.time() + 100, most_seconds=60) == 2
    assert not stray.exists() and not known.exists() and not known.parent.exists() and lock.exists()


def test_when_all_files_together_are_too_much_the_oldest_go_first(tmp_path):
    paths = []
    for i in range(4):
        paths.append(write(tmp_path / f"{i}" / "clip.wav", 100))
        time.sleep(0.02)  # of the file system's clock
    assert sweep(tmp_path, most_bytes=250) == 2
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_a_link_is_removed_and_what_it_names_stays(tmp_path):
    outside = write(tmp_path / "outside" / "kept.txt")
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    sweep(folder, now=time.time() + DAY)
    assert outside.exists()


def test_the_folder_is_the_process_s_own_and_gone_at_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with own_upload_folder() as folder:
        assert folder.parent == tmp_path and os.environ["GRADIO_TEMP_DIR"] == str(folder)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            assert Path(file.name).parent == folder  # an aligner's too
        write(folder / "ab" / "clip.wav")
        remove_abandoned(tmp_path)  # as another process does when it starts
        assert (folder / "ab" / "clip.wav").exists()
    assert not folder.exists() and os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)


KILLED = textwrap.dedent("""
    import pathlib, sys, time
    from mmer.ui.page.upload_folder import own_upload_folder
    with own_upload_folder(pathlib.Path(sys.argv[1])) as folder:
        (folder / "tmpbroken").write_bytes(b"voice")
        print("ready", flush=True)
        time.sleep(60)
""")
STOPPED = textwrap.dedent("""
    import os, pathlib, sys, threading, time
    import ctranslate2, numpy
    from mmer.encoders.presets import WHISPER_TINY
    from mmer.ui.page.upload_folder import serve_and_end

    class SlowToGo:  # Python's end takes long where much is loaded
        def __del__(self, sleep=time.sleep):
            sleep(6)

    kept = SlowToGo()
    model = ctranslate2.models.Whisper(str(WHISPER_TINY.find(local_only=True)), device="cpu", compute_type="int8", intra_threads=1)
    sound = ctranslate2.StorageView.from_array(numpy.zeros((1, 80, 3000), numpy.float32))

    def serve():
        pathlib.Path(os.environ["GRADIO_TEMP_DIR"], "tmpbroken").write_bytes(b"voice")
        threading.Thread(target=model.encode, args=(sound,), daemon=True).start()
        print("ready", flush=True)
        try:
            time.sleep(60)
        except KeyboardInterrupt:  # as Gradio takes it
            pass

    os.environ["GRADIO_TEMP_DIR"] = sys.argv[1]
    serve_and_end(serve)
""")


@pytest.mark.parametrize(("program", "sent", "code", "left"), [(STOPPED, signal.SIGTERM, 0, 0), (KILLED, signal.SIGKILL, -9, 1)])
def test_recordings_go_at_sigterm_though_the_recogniser_works_and_those_of_a_killed_process_at_the_next_start(
    tmp_path, program, sent, code, left
):
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        remove_abandoned(tmp_path)
        assert len(list(tmp_path.glob("visit-*/tmpbroken"))) == 1  # it is in use
        process.send_signal(sent)
        errors = process.communicate(timeout=60)[1].decode()
    assert (process.returncode, errors) == (code, "")
    assert len(list(tmp_path.glob("visit-*"))) == left
    with own_upload_folder(tmp_path) as folder:
        assert list(tmp_path.glob("visit-*")) == [folder]
