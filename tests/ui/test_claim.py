"""Test the claim: what the panel's widgets mean, what its sentences say, and a muted word and a leave-one-out in a real browser."""

import json
import re
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect
from test_browser import PATIENCE

from mmer.errors import EditError
from mmer.explain.verdict import FEW
from mmer.interventions import (
    ChangeLoudness,
    ChangePitch,
    CorrectWords,
    Mute,
    Remove,
    SwapWords,
    Target,
    intervene,
    leave_one_out,
    rank_agreements,
)
from mmer.lesson import LessonClip, evidence_step
from mmer.lesson.store import encode_frames, measure_words
from mmer.ui.claim import cards as claim_cards
from mmer.ui.claim import claim
from mmer.ui.claim import edits as claim_edits
from mmer.ui.claim.handlers import ClaimHandlers
from mmer.ui.explore.session import Session

SPOKEN = "He was not an ill-disposed young man,"


def select(**fields):
    return json.dumps({"unit": None, "segment": None, "word": None, "span": None} | fields)


def test_a_selection_is_a_word_a_syllable_a_phone_or_a_span(analysis):
    assert claim_edits.read_selection(analysis, select(unit="W", segment=2, word=2)) == Target("word", index=2)
    assert claim_edits.read_selection(analysis, select(unit="T", segment=5, word=4)) == Target("word", index=4)
    assert claim_edits.read_selection(analysis, select(unit="S", segment=3, word=2)) == Target("syllable", index=3)
    assert claim_edits.read_selection(analysis, select(unit="P", segment=7)) == Target("phone", index=7)
    assert claim_edits.read_selection(analysis, select(span=[0.25, 0.5])) == Target("span", start=0.25, end=0.5)
    assert claim_edits.read_selection(analysis, select(unit="W", segment=0, word=None, span=[0.1, 0.2])).tier == "span"


@pytest.mark.parametrize(
    "place", ["", "{}", "null", "[1]", "{", select(span=["a", "b"]), select(span=[2, 1]), select(span=[float("nan"), 1])]
)
def test_no_selection_is_a_sentence(analysis, place):
    with pytest.raises(EditError) as raised:
        claim_edits.read_selection(analysis, place)
    assert str(raised.value).endswith(".")


def test_the_widgets_make_an_edit(analysis):
    def read(part="word:1", action="mute", medium="sound", amount=None, words="", voice=None, stretch=(None, None)):
        return claim_edits.read_edit(analysis, claim_edits.EditRequest("", part, *stretch, action, medium, amount, words, voice))

    assert read(action="mute noise", medium="both") == Mute(Target("word", index=1), medium="both", fill="noise")
    assert read(part="syllable:2", action="pitch", amount=3) == ChangePitch(Target("syllable", index=2), semitones=3.0)
    assert read(action="words", words="I am glad.") == SwapWords("I am glad.")
    assert read(part="stretch", stretch=(0.5, 1)) == Mute(Target("span", start=0.5, end=1.0))  # by keyboard or finger
    for wrong in (
        {"part": "stretch"},
        {"part": "stretch", "stretch": (2.0, 1.0)},
        {"action": "pitch"},
        {"action": "tempo", "amount": 99.0},
        {"action": "words", "words": " "},
        {"action": "voice"},
        {"part": "x"},
    ):
        with pytest.raises(EditError):
            read(**wrong)


def test_the_table_holds_the_intervention_s_own_numbers(analyzer, analysis):
    result = intervene(analyzer, analysis, [Mute(Target("word", index=2))])
    html = claim_cards.write_intervention(result)
    late = result.difference("late")
    for i, name in enumerate(late.classes):
        row = re.search(rf'data-role="late" data-unit="".*?<th scope="row">{name}</th>(.*?)</tr>', html, re.DOTALL).group(1)
        numbers = re.findall(r"<small>([^<]*)</small>", row)
        np.testing.assert_allclose([read(n) for n in numbers], [late.original[i], late.changed[i], late.logits[i]], atol=1e-4)
    assert html.count("<table") == 3 + 3  # late, early, combined; T, F, S
    assert "In the sound word 3, “not”" in html and "was replaced by silence." in html


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Mute(Target("word", index=3), medium="text"), "In the text word 4, “an”"),
        (Remove(Target("word", index=3), medium="both"), "In the sound and the text word 4, “an”"),
        (ChangeLoudness(Target("word", index=3), decibels=-6.0), "Synthetic: word 4, “an”"),
        (SwapWords("I am <b>glad</b>."), "Other words were put over the voice, in the text alone: “I am &lt;b&gt;glad&lt;/b&gt;.”"),
        (CorrectWords("Colourless green ideas sleep."), "The words were corrected and aligned again"),
    ],
)
def test_what_was_done_is_said(analyzer, analysis, edit, said):
    html = claim_cards.write_intervention(intervene(analyzer, analysis, [edit]))
    assert said in html and "<b>glad" not in html
    if isinstance(edit, CorrectWords):
        assert "No longer available: " in html and "phones" in html


def test_what_was_tested_can_be_saved(analyzer, analysis):
    handlers, session = ClaimHandlers(analyzer), Session(analysis=analysis)
    for export in (handlers.export_change, handlers.export_sound, handlers.export_curve):
        with pytest.raises(gr.Error, match="Nothing was"):
            export(session)
    session.intervention = intervene(analyzer, analysis, [Mute(Target("word", index=2))])
    session.curve = leave_one_out(analyzer, analysis, medium="text")
    change, curve = (json.loads(Path(export(session)["saved"]).read_text()) for export in (handlers.export_change, handlers.export_curve))
    assert (change["format"], curve["format"]) == ("mmer-intervention", "mmer-leave-one-out")
    path = Path(handlers.export_sound(session)["saved"])
    samples, rate = soundfile.read(path)
    assert path.stem.endswith("-changed") and rate == 16000
    np.testing.assert_allclose(samples, session.intervention.changed.clip.samples, atol=1e-4)


def test_what_is_shown_is_what_is_saved_at_the_same_rounding(analyzer, analysis):
    handlers, session = ClaimHandlers(analyzer), Session(analysis=analysis)
    session.intervention = intervene(analyzer, analysis, [Mute(Target("word", index=2), "both", "noise")])
    update = handlers.show(session)
    html, (rate, samples) = update["result"], update["sound"]
    sound = session.intervention.changed.clip.samples
    saved, saved_rate = soundfile.read(handlers.export_sound(session)["saved"], dtype="int16")
    assert rate == saved_rate == 16000 and samples.dtype == np.int16
    np.testing.assert_array_equal(samples, saved)
    np.testing.assert_allclose(samples / 32768, np.clip(sound, -1, 32767 / 32768), atol=0.5 / 32768 + 1e-9)  # rounded, not cut
    change = json.loads(Path(handlers.export_change(session)["saved"]).read_text())
    for side, place in (("original", 0), ("changed", 1)):
        for role, stored in change[side]["predictions"].items():
            logits, table = np.array(stored["logits"]), read_table(html, role)
            assert table[:, 2 * place].tolist() == [f"{100 * p:.1f} %" for p in stored["probabilities"]]
            assert [read(n) for n in table[:, 2 * place + 1]] == [round(float(value), 4) for value in logits]


def read_table(html, role):
    """(classes, 6) texts of a model's table: probability and logit of original, changed and difference."""
    body = re.search(rf'data-role="{role}" data-unit="".*?<tbody>(.*?)</tbody>', html, re.DOTALL).group(1)
    rows = [re.findall(r"<(?:span|small)>([^<]*)</", row) for row in body.split("</tr>") if row]
    return np.array(rows)


def test_loud_samples_stay_at_full_scale(analyzer, analysis):
    session = Session(analysis=analysis)
    found = intervene(analyzer, analysis, [Mute(Target("word", index=2))])
    loud = replace(found.changed.clip, samples=np.array([1.0, -1.0, 0.5, 1.49 / 32768, 1.51 / 32768], dtype=np.float32))
    session.intervention = replace(found, changed=replace(found.changed, clip=loud))
    assert ClaimHandlers(analyzer).show(session)["sound"][1].tolist() == [32767, -32768, 16384, 1, 2]


@pytest.mark.parametrize("named", ["neither", "original", "both"])
def test_numbers_of_a_clip_without_a_verdict_are_folded(analyzer, analysis, named):
    found = intervene(analyzer, analysis, [Mute(Target("word", index=2))])
    sides = {"original": found.original, "changed": found.changed}
    for name in {"neither": ("original", "changed"), "original": ("changed",), "both": ()}[named]:
        bare = replace(sides[name].transcript, text="", words=())
        sides[name] = replace(sides[name], transcript=bare, speech_seconds=0.0)
    edits = [Mute(Target("span", start=0.5, end=0.9))]
    html = claim_cards.write_intervention(replace(found, edits=edits, **sides))
    before, fold, after = html.partition("<details")
    if named == "both":
        assert fold == "" and "There is no verdict" not in html and FEW not in html
        return
    assert "<table" not in before and FEW in after and after.count("<table") == 6
    if named == "neither":
        assert "There is no verdict, before or now." in before and not re.search(r"\d %", before)
        assert not any(emotion in before for emotion in analysis.best.classes)
    else:
        assert "The verdict changes." in before and "Now: no speech was heard" in before


def test_a_clip_without_parts_says_so(analyzer, analysis):
    bare = replace(analysis, transcript=replace(analysis.transcript, text="", words=()), alignment=None)
    assert "no words, syllables or phones" in ClaimHandlers(analyzer).refresh(Session(analysis=bare))["curve"]
    assert ClaimHandlers(analyzer).refresh(Session(analysis=analysis))["curve"] == ""
    with pytest.raises(EditError, match="drag over the wave above, or choose a span of time"):
        claim_edits.read_selection(bare, "{}")


def test_a_curve_of_an_unfamiliar_clip_is_folded(analyzer, analysis):
    far = {role: replace(prediction, novelty=9.0, novelty_threshold=2.0) for role, prediction in analysis.predictions.items()}
    session = Session(analysis=analysis, curve=leave_one_out(analyzer, analysis, medium="text"))
    shown = ClaimHandlers(analyzer).show_curve(session, "anger", "late")["curve"]
    assert "<details class" not in shown
    session.analysis = replace(analysis, predictions=far)
    folded = ClaimHandlers(analyzer).show_curve(session, "anger", "late")["curve"]
    assert folded == f'<div class="mc">{claim_cards.fold_numbers(shown)}</div>' and folded.startswith('<div class="mc"><details')


def read(number):
    """A number as the page writes it."""
    return float(number.replace("−", "-"))


def test_the_curve_names_its_ranks(analyzer, analysis):
    curve = leave_one_out(analyzer, analysis, tier="syllables")
    html = claim_cards.write_curve(curve, "sadness", "late")
    assert f"beside the drops of {len(curve.labels)} syllables" in html
    drop = rank_agreements(curve, "sadness", role="late", baseline="silence")[0]
    assert f"<td>{drop.rho:+.2f}</td>" in html


def test_the_page_and_the_lesson_start_from_the_same_settings(analyzer, address, serve_app, analysis):
    """What the widgets hold when nobody touched them is what the lesson measures with."""
    config = serve_app.apps[0].config
    first = {part["props"].get("elem_id"): part["props"].get("value") for part in config["components"]}
    asked = {}

    def measure(analyzer, analysis, *, tier, medium, **options):
        asked.update(tier=tier, medium=medium)
        return leave_one_out(analyzer, analysis, tier=tier, medium=medium, **options)

    measure_words(analyzer, LessonClip("", "", "", analysis, encode_frames(analyzer, analysis), None), leave_out=measure)
    assert (first["curve-tier"], first["curve-medium"]) == (asked["tier"], asked["medium"]) == ("words", "both")
    assert (first["claim-action"], first["claim-medium"]) == (f"mute {evidence_step.BASELINE}", asked["medium"])


def test_syllables_are_muted_in_the_sound_since_the_text_has_none(analysis):
    edit = claim_edits.read_edit(analysis, claim_edits.EditRequest("", "syllable:2", None, None, "mute noise", "both", None, "", None))
    assert edit == Mute(Target("syllable", index=2), medium="sound", fill="noise")
    assert [claim.offer_media(tier)["curve_medium"]["value"] for tier in ("phones", "words")] == ["sound", "both"]


def choose(page, dropdown, name):
    page.locator(f"{dropdown} input").click()
    page.get_by_role("option", name=name, exact=True).click()


@pytest.mark.browser
def test_a_word_is_muted_in_the_page(page, analyzer, analysis):
    page.click("#claim-run")  # nothing is selected yet
    expect(page.locator("#claim-stages")).to_contain_text("Nothing is selected", timeout=PATIENCE)
    page.locator(".mv-tile[data-unit=W]").nth(2).click()
    expect(page.locator("#claim-picked")).to_contain_text("the word “not”")
    page.click("#claim-run")
    table = page.locator("#claim-result .mc-table[data-role=combined]")
    expect(table).to_be_visible(timeout=PATIENCE)
    expected = intervene(analyzer, analysis, [Mute(Target("word", index=2), "both", "noise")]).difference("combined")
    shown = [read(text) for text in table.locator("tbody td:last-child small").all_inner_texts()]
    np.testing.assert_allclose(shown, expected.logits, atol=2e-3)  # the page's clip came through a file
    expect(page.locator("#claim-sound")).to_be_visible()


@pytest.mark.browser
def test_segments_are_left_out_and_a_row_is_the_selection(page):
    page.click("#curve-run")
    rows = page.locator(".mc-curve tbody tr")
    expect(rows).to_have_count(7, timeout=PATIENCE)
    expect(page.locator("#curve-result .mc-outcome")).to_contain_text("of 7 words")
    rows.nth(4).locator("button").press("Enter")
    expect(rows.nth(4)).to_have_class(re.compile("mc-selected"))
    assert page.evaluate("mmerViews.get().word") == 4
    page.locator(".mv-tile[data-unit=W]").nth(1).click()
    expect(rows.nth(1)).to_have_class(re.compile("mc-selected"))
    before = rows.nth(0).inner_text()
    choose(page, "#curve-role", "late fusion")
    expect(rows.nth(0)).not_to_have_text(before, timeout=PATIENCE)


@pytest.mark.browser
def test_original_and_changed_stand_side_by_side(page):
    page.click("#claim-beside")
    sides = page.locator("#pair [data-side]")
    expect(sides).to_have_count(2, timeout=PATIENCE)
    names = page.locator(".mv-pair-name").all_inner_texts()
    assert "young man.wav" in names[0] and "changed" in names[1] and "changed" not in names[0]
    expect(page.locator("#keep-list label")).to_have_count(2, timeout=PATIENCE)
    expect(page.locator("#claim-result .mc-table").first).to_be_visible()  # what is shown stays
    expect(page.locator("#claim-cancel")).to_be_disabled()  # nothing runs
    expect(page.locator("#claim-stages .mm-problem")).to_have_count(0)


@pytest.mark.browser
def test_the_changed_clip_is_opened_and_its_parent_found_again(page):
    rows = page.locator("#claim-result .mc-table[data-role=combined] tbody tr")
    changed = {row.locator("th").inner_text(): row.locator("td:nth-child(3) span").inner_text() for row in rows.all()}
    page.click("#claim-open")
    expect(page.locator("#claim-origin")).to_contain_text("made from young man.wav", timeout=PATIENCE)
    for emotion, share in changed.items():  # the decision chart has the same numbers at the same rounding
        page.locator("#views [data-part=emotion] .mv-pill", has_text=emotion).first.click()
        expect(page.locator("#views [data-step=probability] .mv-number")).to_have_text(share)
    expect(page.locator("#keep-list label")).to_have_count(2, timeout=PATIENCE)
    expect(page.locator("#claim-result .mc-table")).to_have_count(0)
    page.click("#claim-back")
    expect(page.locator("#claim-origin")).not_to_contain_text("made from", timeout=PATIENCE)
    expect(page.locator("#keep-list label")).to_have_count(2)
