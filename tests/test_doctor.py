"""The doctor: says what is ready, and what to do about what is not."""

import json
import re

from mmer.cli import main
from mmer.doctor import Finding, examine_aligners, examine_heads, examine_packages, format_findings, is_ready


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
