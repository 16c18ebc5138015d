"""The doctor: says what is ready, and what to do about what is not."""

import json
import re
import sys

from mmer.cli import main
from mmer.devices.choice import Machine
from mmer.devices.machine import CardMemory
from mmer.devices.recognition import RecogniserCards
from mmer.doctor import (
    Finding,
    examine_aligners,
    examine_devices,
    examine_heads,
    examine_packages,
    format_findings,
    is_ready,
    name_torch_install,
)

H100 = "NVIDIA H100 80GB HBM3"


def test_compact_weights_and_the_embedded_aligner_are_ready(capsys, tmp_path):
    """Fails, not skips, when the compact weights are missing: everything else rests on them."""
    code = main(["doctor", "--heads", str(tmp_path)])
    page = capsys.readouterr().out
    for line in ("recogniser", "compact: Whisper tiny.en", "compact: all-MiniLM-L6-v2", "sphinx"):
        assert any(text.startswith("  ok") and line in text for text in page.splitlines()), page
    assert "sha256 ok: model.bin 1a5afae06a4d" in page
    assert code == 1 and "there is no head in" in page and "Not ready: heads." in page


def test_altered_head_is_named_with_what_is_wrong(tmp_path, random_heads):
    from mmer.heads.folder import save_head

    head = random_heads["late-fs"]
    save_head(tmp_path / "late-fs", head.config, head.model)
    (finding,) = examine_heads(tmp_path)
    assert finding.ready and "preset compact" in finding.text and "T+F+S" in finding.text
    weights = tmp_path / "late-fs" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (finding,) = examine_heads(tmp_path)
    assert not finding.ready and "model.safetensors" in finding.text
    (tmp_path / "late-fs" / "config.json").write_text(json.dumps({"name": "late-fs"}))
    (finding,) = examine_heads(tmp_path)
    assert not finding.ready


def test_missing_package_says_how_to_install_it():
    here, gone = examine_packages(["numpy", "no-such-package-anywhere"])
    assert here.ready and here.text[0].isdigit()
    assert not gone.ready and "pip install -r requirements.txt" in gone.text


def test_optional_things_do_not_make_it_unready():
    findings = [Finding("a", "needed", True, "1"), Finding("b", "extra", False, "install it", essential=False)]
    assert is_ready(findings)
    page = format_findings(findings)
    assert "not there extra" in page.replace("  ", " ") and page.splitlines()[-1].startswith("Ready")
    broken = [*findings, Finding("b", "core", False, "mend it")]
    assert not is_ready(broken) and format_findings(broken).endswith("Not ready: core.\n")


def test_each_aligner_aligns_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # whether or not the other one is installed here
    found = {finding.name: finding for finding in examine_aligners()}
    sphinx, mfa = found["sphinx"], found["mfa"]
    assert sphinx.ready and re.search(r"^pocketsphinx 5\S+, 8 of 8 words of a test sentence aligned in \d+\.\d\d s$", sphinx.text)
    assert not mfa.ready and not mfa.essential and "not installed" in mfa.text and "conda create -n aligner" in mfa.text


def examine(machine, memory=CardMemory(75 * 2**30, 79 * 2**30), cards=RecogniserCards(1, lambda number: {"int8_float16"})):  # noqa: B008
    return {f.name: f for f in examine_devices(machine, lambda number: memory, lambda: cards)}


def test_a_card_is_named_with_memory_driver_and_torch_s_cuda():
    found = examine(Machine("2.13.0", "12.8", (H100,), driver="570.86", listed=(H100,)))
    assert found["cuda:0"].ready
    assert found["cuda:0"].text == f"{H100}, 75.0 of 79.0 GiB free, driver 570.86, PyTorch 2.13.0 for CUDA 12.8"
    assert found["recogniser"].text == f"on cuda:0 ({H100}), int8_float16"


def test_a_torch_without_cuda_beside_a_card_has_the_command_that_mends_it():
    found = examine(Machine("2.13.0+cpu", driver="570.86", listed=(H100,)))["card"]
    assert not found.ready and not found.essential
    command = name_torch_install("2.13.0+cpu", sys.platform)
    assert found.text == f"{H100} (driver 570.86) is not used: PyTorch 2.13.0+cpu was built without CUDA; run `{command}`"
    assert name_torch_install("2.13.0+cpu", "linux") == "pip install --force-reinstall --index-url https://pypi.org/simple torch==2.13.0"
    assert "--index-url https://download.pytorch.org/whl/cu" in name_torch_install("2.13.0+cpu", "win32")


def test_a_driver_that_does_not_answer_is_said_with_what_to_do():
    too_old = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)."
    found = examine(Machine("2.13.0", "12.8", failure=too_old, driver="470.1", listed=(H100,)))["card"]
    assert too_old in found.text and "install the driver anew" in found.text
    busy = examine(Machine("2.13.0", "12.8", (H100,), driver="570.86", listed=(H100,)), memory="CUDA error: busy.")["cuda:0"]
    assert not busy.ready and "does not answer: CUDA error: busy. `nvidia-smi` lists the programs" in busy.text
    hidden = examine(Machine("2.13.0", "12.8", driver="570.86", listed=(H100,)))["card"]
    assert "unset CUDA_VISIBLE_DEVICES" in hidden.text


def test_a_machine_without_a_card_is_ready_all_the_same():
    found = examine(Machine("2.13.0+cpu"))
    assert found["card"].text == "none is seen here, so the models compute on the CPU; PyTorch 2.13.0+cpu"
    assert found["recogniser"].text == "on cpu, int8" and is_ready([*found.values()])
