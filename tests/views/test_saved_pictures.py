"""What the offline report saves in the browser: the four pictures as SVG and PDF, and the selection as WAV."""

import base64
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pypdf
import pytest
import soundfile
from PIL import Image
from planted_analysis import TEXT, WAV, plant_analysis
from test_linked_page import tile

from mmer.explain.steps import decision_steps

pytestmark = pytest.mark.browser
KINDS = ("player", "attention", "waterfall", "layers")
HOSTILE = '<b>&"x.wav'
SVG = "{http://www.w3.org/2000/svg}"


def save(page, kind, suffix):
    """The name and bytes of a picture, saved with its own buttons."""
    page.locator(f"[data-part=save-{kind}] summary").click()
    with page.expect_download() as download:
        page.locator(f'[data-save="{kind} {suffix}"]').click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def told_numbers(parts):
    """The signed numbers of four decimals, in their order."""
    return [float(text.replace("−", "-")) for text in parts if re.fullmatch(r"[+−]\d+\.\d{4}", text)]


def check_offsets(content):
    """Every entry of the cross-reference table points at its object, and startxref at the table."""
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", content)[1])
    head, *lines = content[start:].split(b"trailer")[0].splitlines()
    assert head == b"xref"
    count = int(lines[0].split()[1])
    assert len(lines) == count + 1 and all(len(line) == 19 for line in lines[1:])
    for number, line in enumerate(lines[2:], start=1):
        assert content[int(line[:10]) :].startswith(b"%d 0 obj\n" % number)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_saved_as_svg_that_stands_alone(open_report, analysis, kind):
    page = open_report(replace(analysis, clip=replace(analysis.clip, name=HOSTILE)))
    name, svg = save(page, kind, "svg")
    root = ElementTree.fromstring(svg)
    assert name == f"_b___x_{kind}.svg" and root.tag == f"{SVG}svg"
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{tag}" for tag in ("svg", "title", "desc", "text", "path", "image", "g", "clipPath", "rect")
    }
    assert all(element.get("href").startswith("data:image/png;base64,") for element in root.iter(f"{SVG}image"))
    shown = texts(svg)
    assert any(text.startswith(f"Heard as {analysis.best.label}, ") for text in shown)
    assert HOSTILE in shown and HOSTILE in root.find(f"{SVG}title").text
    footer = shown[-2] + shown[-1]
    assert all(part in footer for part in ("sha256 000000000000", "preset compact", "analysed 2026-01-01", "mmer 0"))
    assert page.evaluate("kind => mmerViews.figure(kind)", kind).encode() == svg


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_saved_as_pdf_with_its_text(open_report, analysis, kind):
    page = open_report(analysis)
    name, content = save(page, kind, "pdf")
    assert name == f"librivox-0880_{kind}.pdf" and content.startswith(b"%PDF-1.7\n")
    check_offsets(content)
    reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
    (sheet,) = reader.pages
    written = sheet.extract_text()
    for wanted in ("librivox-0880.wav", "sha256 000000000000", "preset compact"):
        assert wanted in written
    assert reader.metadata.title.endswith(": librivox-0880.wav")
    for image in sheet.images:
        assert image.image.size[0] > 1  # it can be decoded
    svg = page.evaluate("kind => mmerViews.figure(kind)", kind)
    assert all(text in written for text in told_numbers_as_written(svg))


def told_numbers_as_written(svg):
    return [text for text in texts(svg) if re.fullmatch(r"[+−]\d+\.\d{4}", text)]


@pytest.mark.parametrize("role", ["combined", "late", "early"])
@pytest.mark.parametrize("scale", ["centred", "raw"])
def test_the_waterfall_s_numbers_are_the_model_s(open_report, analysis, role, scale):
    page = open_report(analysis)
    page.evaluate("changes => mmerViews.set(changes)", {"role": role, "scale": scale, "branch": None})
    prediction = analysis.predictions[role]
    for i, emotion in enumerate(analysis.best.classes):
        page.evaluate("emotion => mmerViews.set({emotion})", emotion)
        numbers = told_numbers(texts(page.evaluate("mmerViews.figure('waterfall')")))
        logit = prediction.logits[i] - (prediction.logits.mean() if scale == "centred" else 0)
        np.testing.assert_allclose(numbers[-2:], [logit, logit / prediction.temperature], atol=1e-4)
        payload = page.evaluate(SUM_PARTS, [role, emotion, scale])
        np.testing.assert_allclose(numbers, payload, atol=1e-4)


# every number of the sum from the payload's own arrays: biases, branches, half of the late sum, the early part, logit, scaled
SUM_PARTS = """([role, emotion, scale]) => {
  const { payload, data } = mmerViews.find();
  const at = payload.classes.indexOf(emotion);
  const pick = (row) => row[at] - (scale === "raw" ? 0 : row.reduce((a, b) => a + b, 0) / row.length);
  const prediction = payload.predictions[role];
  const members = role === "combined" ? ["late", "early"] : [role];
  const numbers = [];
  for (const member of members) {
    const { branches, logits } = payload.predictions[member];
    const share = 1 / members.length;
    if (branches) {
      numbers.push(share * branches.reduce((sum, one) => sum + pick(one.bias), 0));
      for (const { unit } of branches) numbers.push(share * data.values(unit, emotion, scale).reduce((a, b) => a + b, 0));
      if (members.length > 1) numbers.push(share * pick(logits));
    } else numbers.push(share * pick(logits));
  }
  return [...numbers, pick(prediction.logits), pick(prediction.logits) / prediction.temperature];
}"""


def test_an_unfolded_branch_is_in_the_figure(open_report, analysis):
    page = open_report(analysis)
    page.evaluate("mmerViews.set({branch: 'S'})")
    shown = texts(page.evaluate("mmerViews.figure('waterfall')"))
    wanted = [step.value for step in decision_steps(analysis, analysis.best.label, unit_detail="S") if step.kind == "segment"]
    numbers = told_numbers(shown)
    first = numbers.index(pytest.approx(wanted[0], abs=1e-4))
    np.testing.assert_allclose(numbers[first : first + len(wanted)], wanted, atol=1e-4)


def test_a_figure_shows_the_time_that_the_page_shows(open_report, analysis):
    page = open_report(analysis)
    assert any(text.startswith("Whole clip, 2.99 s") for text in texts(page.evaluate("mmerViews.figure('player')")))
    tile(page, "W", 3).click()
    page.get_by_role("button", name="Show all").click()
    page.wait_for_timeout(100)
    shown = texts(page.evaluate("mmerViews.figure('player')"))
    assert "an" in shown and "man" not in shown
    start, end = map(float, re.search(r"(\d\.\d\d) to (\d\.\d\d) s of 2\.99 s", " ".join(shown)).groups())
    word = analysis.alignment.words[3]
    assert start < word.start and end > word.end and end - start == pytest.approx(1.6 * (word.end - word.start), abs=0.03)


def test_raw_layer_weights_are_drawn_when_they_are_shown(open_report, analysis):
    page = open_report(analysis)
    page.locator("[data-part=layers]").locator("xpath=..").get_by_role("radio", name="raw w").check(force=True)
    shown = texts(page.evaluate("mmerViews.figure('layers')"))
    raw = analysis.predictions["late"].layer_weights["T"].raw
    assert [text for text in shown if re.fullmatch(r"−?\d\.\d\d", text)][:6] == [f"{value:.2f}".replace("-", "−") for value in raw]


def test_letters_beyond_latin_are_drawn_in_the_pdf_and_can_be_searched(open_report):
    page = open_report(plant_analysis(text="zażółć gęślą jaźń 你好 не ill man"))
    _, content = save(page, "player", "pdf")
    check_offsets(content)
    (sheet,) = pypdf.PdfReader(io.BytesIO(content), strict=True).pages
    stream = sheet.get_contents().get_data().decode("latin-1")
    spoken = [bytes.fromhex(part).decode("utf-16") for part in re.findall(r"/ActualText <([0-9a-f]+)>", stream)]
    assert {"zażółć", "gęślą", "jaźń", "你好", "не"} <= set(spoken) and "ill" not in spoken
    masks = [image["/SMask"] for image in (one.get_object() for one in sheet["/Resources"]["/XObject"].values()) if "/SMask" in image]
    assert len(masks) == len(spoken) and all(max(mask.get_object().get_data()) > 200 for mask in masks)


def test_a_map_of_very_many_cells_is_an_image_of_them(open_report):
    analysis = plant_analysis(text=" ".join([TEXT] * 4))
    page = open_report(analysis)
    root = ElementTree.fromstring(page.evaluate("mmerViews.figure('attention')"))
    (image,) = root.iter(f"{SVG}image")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("href").split(",")[1]))).convert("L")).astype(int)
    weights = analysis.predictions["early"].coattention["F"].text_to_speech.mean(axis=(0, 1))
    rows, columns = weights.shape
    assert rows * columns > 3000 and pixels.shape[0] % rows == pixels.shape[1] % columns == 0
    cells = pixels.reshape(rows, pixels.shape[0] // rows, columns, pixels.shape[1] // columns)
    assert (cells.max(axis=(1, 3)) - cells.min(axis=(1, 3))).max() == 0, "each cell has one colour"
    order = np.argsort(weights, axis=None)
    assert (np.diff(cells[:, 0, :, 0].ravel()[order]) <= 1).all(), "more weight is darker, but for ties in half precision"


def test_figures_are_light_whatever_the_page_is(open_report, analysis):
    svgs = []
    for scheme in ("light", "dark"):
        page = open_report(analysis, scheme=scheme)
        page.wait_for_timeout(300)  # the sound is decoded
        svgs.append(page.evaluate("['player', 'attention', 'waterfall', 'layers'].map((kind) => mmerViews.figure(kind))"))
    assert svgs[0] == svgs[1]


def test_a_clip_without_a_map_offers_none(open_report, analysis):
    page = open_report(replace(analysis, predictions={"late": analysis.predictions["late"]}))
    assert page.locator("[data-part^=save-]").count() == 4  # three pictures and the selection
    assert page.evaluate("mmerViews.figure('attention')") is None
    assert page.evaluate("mmerViews.figure('waterfall')").startswith("<?xml")


def test_the_menu_is_reached_by_keys_and_esc_keeps_the_selection(open_report, analysis):
    page = open_report(analysis)
    tile(page, "S", 5).click()
    menu = page.locator("[data-part=save-player]")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.save") == "player svg"
    page.keyboard.press("Escape")
    assert menu.get_attribute("open") is None and page.evaluate("mmerViews.get().segment") == 5
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename.endswith("_player.pdf")


@pytest.mark.parametrize("whole", [False, True])
def test_the_wav_is_exactly_the_selected_sound(open_report, analysis, whole):
    page = open_report(analysis)
    button = page.locator("[data-part=save-selection]")
    assert not button.is_visible()
    start, end = (0, analysis.clip.duration) if whole else (analysis.alignment.syllables[5].start, analysis.alignment.syllables[5].end)
    if whole:
        page.evaluate("end => mmerViews.find().pickSpan(0, end)", end)
    else:
        tile(page, "S", 5).click()
    button.wait_for()
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename == f"librivox-0880_{start:.3f}-{end:.3f}s.wav"
    saved, rate = soundfile.read(download.value.path(), dtype="int16")
    original, _ = soundfile.read(WAV, dtype="int16")
    wanted = original[round(start * 16000) : round(end * 16000)].astype(int)
    info = soundfile.info(download.value.path())
    assert rate == 16000 and info.channels == 1 and info.subtype == "PCM_16" and len(saved) == len(wanted)
    assert np.abs(saved - wanted).max() <= 1
    page.keyboard.press("Escape")
    page.evaluate("mmerViews.clear()")
    assert not button.is_visible()


def test_without_sound_there_is_nothing_to_save(open_report, analysis):
    page = open_report(replace(analysis, clip=replace(analysis.clip, outline=True)))
    tile(page, "S", 5).click()
    assert page.locator("[data-part=play-selection]").is_visible()
    assert not page.locator("[data-part=save-selection]").is_visible()
    assert "Where in the clip" in texts(page.evaluate("mmerViews.figure('player')"))
