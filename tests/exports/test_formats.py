"""Every row of EXPORTS writes what it says of itself, and a row that is added has its flag at once."""

import dataclasses
import json

import pytest
from sample_analysis import make_analysis

from mmer.cli import build_command_parser
from mmer.exports.formats import EXPORTS, Export, Wishes

BEGINS = {"json": "{", "textgrid": 'File type = "ooTextFile"', "csv": "clip,", "html": "<!doctype html>", "vtt": "WEBVTT\n"}


@pytest.mark.parametrize("key", EXPORTS)
def test_a_row_writes_its_format(key):
    analysis, export = make_analysis(), EXPORTS[key]
    assert export.refuse(analysis) == ""
    assert export.write(analysis, Wishes()).lower().startswith(BEGINS.get(key, "").lower())


@pytest.mark.parametrize("key", EXPORTS)
def test_a_row_says_truly_whether_it_holds_the_sound(key):
    analysis, export = make_analysis(), EXPORTS[key]
    plain, asked = (len(export.write(analysis, Wishes(sound=wish))) for wish in (False, True))
    assert (asked > plain) == (export.sound == "asked")
    silent = dataclasses.replace(analysis, clip=dataclasses.replace(analysis.clip, outline=True))
    assert (len(export.write(silent, Wishes())) < 0.8 * plain) == (export.sound == "always")


def test_the_person_s_own_notes_go_into_the_json():
    assert json.loads(EXPORTS["json"].write(make_analysis(), Wishes(own={"note": "loud"})))["note"] == "loud"


def test_without_an_alignment_the_reason_is_said():
    analysis = dataclasses.replace(make_analysis(), alignment=None, unavailable={"W": "Nobody spoke."})
    refused = {key: export.refuse(analysis) for key, export in EXPORTS.items()}
    needy = {key: f"No {export.title} was written: Nobody spoke." for key, export in EXPORTS.items() if export.needs_alignment}
    assert {"textgrid", "vtt"} <= set(needy)
    assert refused == dict.fromkeys(EXPORTS, "") | needy


def test_a_row_that_is_added_has_its_flag():
    loud = Export("loud", "Loud", "loud is loud", "write it in capitals", "txt", "text/plain", lambda analysis, wishes: "LOUD")
    with EXPORTS.adding(loud):
        assert str(build_command_parser("analyze").parse_args(["clip.wav", "--loud", "a.txt"]).loud) == "a.txt"
