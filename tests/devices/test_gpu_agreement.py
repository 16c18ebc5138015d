"""The check of a card against the CPU: its file is made and checked here on the CPU, as it is on a card where there is one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
TEXT = "he was not an ill disposed young man"
sys.path.insert(0, str(ROOT / "benchmarks"))
import gpu_agreement  # noqa: E402  # no package

ABSENT = ("gradio", "faster_whisper", "ctranslate2", "pocketsphinx", "soundfile", "av", "soxr", "num2words", "g2p2", "plotly")


@pytest.fixture(scope="module")
def bundle(analyzer, librivox_clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("agreement") / "agreement.safetensors"
    gpu_agreement.make_bundle(analyzer, [(librivox_clip, TEXT)], path, words=10, seconds=5.0)
    return path


def test_the_file_is_made_and_checked_without_recogniser_aligner_or_page(bundle, heads_folder):
    assert bundle.stat().st_size < 50e6
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); sys.path.insert(0, 'benchmarks'); from pathlib import Path; "
        f"import gpu_agreement as g; sys.exit(not g.check_bundle(Path({str(bundle)!r}), 'cpu', Path({str(heads_folder)!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "clip 1: logits differ by at most 0.00e+00; other verdicts: none" in done.stdout
    assert done.stdout.count("16 words left out of 6 s of sound") == 2 and "The device agrees with the CPU." in done.stdout


def test_the_joined_clip_has_every_word_in_its_place(bundle, heads_folder):
    _, clips = gpu_agreement.open_bundle(bundle, gpu_agreement.Placement(), heads_folder)
    _, transcript, alignment = clips[1]
    assert [transcript.text[w.start_char : w.end_char] for w in transcript.words] == 2 * TEXT.split()
    assert [s.label for s in alignment.words] == [transcript.words[s.word].text for s in alignment.words]


def test_another_logit_or_verdict_is_found(bundle, heads_folder):
    analyzer, clips = gpu_agreement.open_bundle(bundle, gpu_agreement.Placement(), heads_folder)
    analysis = analyzer.analyze_parts(*clips[0])
    late = analysis.predictions["late"]
    moved = replace(analysis, predictions={**analysis.predictions, "late": replace(late, logits=late.logits + 0.002)})
    assert gpu_agreement.compare(analysis, moved)[0] == pytest.approx(0.002, rel=1e-3) and not gpu_agreement.compare(analysis, moved)[1]
    turned = replace(analysis, predictions={**analysis.predictions, "late": replace(late, probabilities=late.probabilities[::-1])})
    assert gpu_agreement.compare(analysis, turned)[1] == ["late"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_card_says_what_the_cpu_says(bundle, heads_folder):
    assert gpu_agreement.check_bundle(bundle, "cuda", heads_folder, timed=False)
