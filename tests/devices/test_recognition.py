"""Where the recogniser computes, on cards that are planted; and a card that fails, by a model that is one in name."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmer.devices.choice import CPU, Device
from mmer.devices.recognition import RecogniserCards, RecogniserDevice, RecogniserModel, choose_recogniser_device
from mmer.results import SAMPLE_RATE, Clip
from mmer.transcript.transcribe import Recogniser

CARD = Device("cuda:1", "NVIDIA B")
LIBRARY = "Library libcublas.so.12 is not found or cannot be loaded"  # as CTranslate2 says it


def cards(count, *types):
    return lambda: RecogniserCards(count, lambda number: set(types))


def test_it_takes_the_card_of_the_other_models_with_weights_of_8_bits():
    found = choose_recogniser_device(CARD, cards(2, "float32", "float16", "int8_float16", "int8"))
    assert found == RecogniserDevice(CARD, "int8_float16")
    assert choose_recogniser_device(CARD, cards(2, "float32", "int8")) == RecogniserDevice(CARD, "float32")


@pytest.mark.parametrize(
    ("device", "look", "reason"),
    [
        (CARD, cards(0), "The recogniser computes on the CPU: CTranslate2 finds no card."),
        (CARD, cards(1, "float32"), "The recogniser computes on the CPU: CTranslate2 finds 1 of the cards."),
        (CARD, cards(2, "int8"), "The recogniser computes on the CPU: CTranslate2 has no way to compute on this card."),
        (Device("mps", "Apple GPU"), None, "The recogniser computes on the CPU: CTranslate2 does not know mps."),
        (CPU, None, ""),
    ],
)
def test_else_it_is_on_the_cpu_with_the_reason(device, look, reason):
    assert choose_recogniser_device(device, look) == RecogniserDevice(CPU, "int8", reason)


def test_a_card_that_ctranslate2_can_t_ask_is_said():
    def types(number):
        raise RuntimeError("CUDA failed with error CUDA driver version is insufficient for CUDA runtime version")

    reason = choose_recogniser_device(CARD, lambda: RecogniserCards(2, types)).reason
    assert reason.endswith("CUDA failed with error CUDA driver version is insufficient for CUDA runtime version.")


def test_here_ctranslate2_is_asked():
    assert isinstance(choose_recogniser_device(Device("cuda:900")).reason, str)


class PlantedModel:
    """Hears "yes" for the whole clip; on a card it fails from the n-th clip on."""

    def __init__(self, place, works_for):
        self.place, self.left = place, works_for

    def transcribe(self, samples, **options):
        def listen():
            if not self.place.device.is_cpu:
                if not self.left:
                    raise RuntimeError(LIBRARY)
                self.left -= 1
            word = SimpleNamespace(word=" yes", start=0.0, end=0.9, probability=0.9)
            yield SimpleNamespace(start=0.0, end=1.0, no_speech_prob=0.0, compression_ratio=1.0, words=[word])

        return listen(), None


def make_recogniser(works_for, opened):
    def open_model(place):
        opened.append((str(place.device), place.compute_type))
        return PlantedModel(place, works_for)

    return Recogniser(
        RecogniserModel(open_model, RecogniserDevice(CARD, "float16")), find_speech=lambda samples: ((0.0, len(samples) / SAMPLE_RATE),)
    )


def make_clip():
    return Clip("a.wav", np.full(SAMPLE_RATE, 0.1, np.float32), "a" * 64)


def test_a_missing_library_is_met_when_the_model_is_loaded():
    opened = []
    recogniser = make_recogniser(0, opened)
    assert opened == [("cuda:1 (NVIDIA B)", "float16"), ("cpu", "int8")]
    assert recogniser.place.reason == f"The recogniser computes on the CPU: on cuda:1 (NVIDIA B) it failed: {LIBRARY}."
    transcript = recogniser.transcribe(make_clip())
    assert transcript.text == "yes" and LIBRARY not in str(transcript.notices)


def test_a_card_that_fails_later_begins_the_clip_anew_on_the_cpu():
    opened = []
    recogniser = make_recogniser(2, opened)  # the trial at the start, and one clip
    assert recogniser.transcribe(make_clip()).text == "yes" and recogniser.place.device == CARD
    second = recogniser.transcribe(make_clip())
    assert second.text == "yes" and opened[1:] == [("cpu", "int8")]
    assert second.notices[-1].level == "info" and "it failed: Library libcublas" in second.notices[-1].text
    assert LIBRARY not in str(recogniser.transcribe(make_clip()).notices)  # said once


def test_a_mistake_of_ours_is_not_taken_for_the_card_s():
    model = RecogniserModel(lambda place: PlantedModel(place, 9), RecogniserDevice(CARD, "float16"))

    def fail():
        raise RuntimeError("index out of range")

    with pytest.raises(RuntimeError, match="index"):
        model.run(fail)
    assert model.place.device == CARD
