"""The HTML report: complete, escaped, and drawn by a browser that has no network."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from sample_analysis import make_analysis

from mmer.explain.verdict import describe_verdict
from mmer.exports.report import report_html, show_probabilities, suggest_command

HOSTILE = '</script><img src=x onerror="window.broken=1"><b>'


class Page(HTMLParser):
    """Tags and sources of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href") and value]


def test_page_is_self_contained():
    page = Page(report_html(make_analysis()))
    assert all(source.startswith("data:") for source in page.sources)
    assert not {"link", "iframe", "object", "base"} & set(page.tags)


def test_the_views_are_there_once_with_all_their_data():
    text = report_html(make_analysis())
    assert text.count("mmerViews.mount(") == 1 and "plotly" not in text
    payload = json.loads(re.search(r'<script type="application/json" id="views-payload">(.+?)</script>', text).group(1))
    assert set(payload["units"]) == set("TFSPW") and set(payload["predictions"]) == {"late", "early", "combined"}


def test_probabilities_of_all_models_are_a_table():
    analysis = make_analysis()
    text = report_html(analysis)
    for role, prediction in analysis.predictions.items():
        assert f"{role} ({prediction.head})" in text
        assert all(f"{100 * p:.1f} %" in text for p in prediction.probabilities)


def test_sound_comes_back_from_the_page():
    analysis = make_analysis()
    sound = re.search(r'"sound":"([^"]+)"', report_html(analysis)).group(1)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)), dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(samples, analysis.clip.samples, atol=1.01 / 32768)


def test_outline_is_not_played():
    analysis = make_analysis()
    assert '"sound":null' in report_html(replace(analysis, clip=replace(analysis.clip, outline=True)))


def test_person_s_text_is_escaped_everywhere():
    analysis = make_analysis()
    transcript = replace(analysis.transcript, text=HOSTILE)
    labels = dict(analysis.labels) | {"T": (HOSTILE,) * 7}
    analysis = replace(analysis, transcript=transcript, labels=labels, clip=replace(analysis.clip, name=HOSTILE))
    text = report_html(analysis, command=HOSTILE)
    assert HOSTILE not in text and "<img" not in text
    assert "&lt;/script&gt;" in text and "\\u003c/script\\u003e" in text


def test_provenance_names_all_that_is_needed_to_trace_it():
    analysis = make_analysis()
    text = report_html(analysis)
    for info in analysis.heads:
        assert info.sha256 in text and info.name in text
    for fact in (analysis.clip.sha256, analysis.created, analysis.version, *analysis.encoders.values()):
        assert fact in text


def test_notices_and_reasons_are_told_once():
    analysis = make_analysis()
    text = report_html(replace(analysis, notices=(*analysis.notices, *analysis.clip.notices)))
    assert text.count(analysis.clip.notices[0].text) == 1
    assert "Not available: words: the head has no word branch" in text


def test_analysis_without_words_has_a_report():
    text = report_html(make_analysis(words=False))
    assert "no words were heard" in text and '"coattention":{}' in text


def test_command_says_how_to_get_the_same():
    analysis = make_analysis()
    command = suggest_command(analysis)
    assert command.startswith("python -m mmer analyze '<voice>.wav' --text 'I won <10> & more'")
    assert "--aligner none" in suggest_command(replace(analysis, alignment=None))
    mfa = replace(analysis, alignment=replace(analysis.alignment, source="mfa 3.4.3 english_us_arpa"))
    assert "--aligner mfa --mfa-model english_us_arpa --preset" in suggest_command(mfa)
    own = replace(analysis, alignment=replace(analysis.alignment, source="mfa 3.4.3 my voices with english_us_mfa"))
    assert "--aligner mfa --mfa-model 'my voices' --mfa-dictionary english_us_mfa --preset" in suggest_command(own)
    bare = replace(analysis, alignment=replace(analysis.alignment, source="mfa 3.4.3"))
    assert "--aligner mfa --preset" in suggest_command(bare)
    heard = replace(analysis, transcript=replace(analysis.transcript, source="whisper-tiny.en"))
    assert "--text" not in suggest_command(heard)


def test_verdict_says_when_it_is_not_sure():
    analysis = make_analysis()

    def say(probabilities, **changes):
        best = replace(analysis.best, probabilities=np.array(probabilities), **changes)
        return describe_verdict(replace(analysis, predictions=analysis.predictions | {best.role: best}))

    assert say([0.7, 0.1, 0.1, 0.1]).startswith("Anger (70 %). Sure, as far as 200 clips")
    assert say([0.41, 0.39, 0.1, 0.1]) == "Anger (41 %). Not sure: happiness is only 2 points behind, less than the 10 this model needs."
    assert say([0.7, 0.1, 0.1, 0.1], measured_clips=None).startswith("Anger (70 %). How sure it is was never measured")
    far = say([0.7, 0.1, 0.1, 0.1], novelty=9.0, novelty_threshold=2.0)
    assert far.startswith("Unlike anything it was trained on. Its sound lies 9.0 from the training clips") and "%" not in far


def test_numbers_that_say_little_are_folded_away():
    analysis = make_analysis()
    assert "<details" not in show_probabilities(analysis)
    far = replace(analysis.best, novelty=9.0, novelty_threshold=2.0)
    page = report_html(replace(analysis, predictions=analysis.predictions | {far.role: far}))
    title = page.partition("<title>")[2].partition("</title>")[0]
    read = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert title.endswith(": unlike anything it was trained on") and read.count("Unlike anything it was trained on") == 1
    assert '<details class="grey"><summary>The numbers anyway' in page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_without_network_draws_every_view(browser, tmp_path, scheme):
    analysis = make_analysis()
    analysis = replace(analysis, labels=dict(analysis.labels) | {"T": (HOSTILE,) * 7}, clip=replace(analysis.clip, name=HOSTILE))
    path = tmp_path / "report.html"
    path.write_text(report_html(analysis), encoding="utf-8")
    problems, requests = [], []
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector(".mv-tile")
    panels = page.locator(".mv-panel h2").all_inner_texts()
    wide = page.evaluate("document.documentElement.scrollWidth")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    clock = page.locator(".mv-clock").inner_text()
    broken = page.evaluate("window.broken")
    page.close()
    assert len(panels) == 4 and problems == [] and broken is None
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert wide <= 390, "the page must not scroll sideways on a phone"
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(16, 20, 24)")
    assert clock == "0.00 / 2.00 s"
