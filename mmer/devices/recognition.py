"""Where the recogniser computes: it runs on CTranslate2, which has its own way to the card, and knows NVIDIA's alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from mmer.devices.choice import CPU, Device
from mmer.devices.failure import read_failure, shorten_failure
from mmer.results import SAMPLE_RATE

Found = TypeVar("Found")
CPU_TYPE = "int8"  # of the weights' products on the CPU
CARD_TYPES = ("int8_float16", "float16", "int8_float32", "float32")  # the first that a card has is taken: weights of 8 bits as on the CPU


@dataclass(frozen=True)
class RecogniserCards:
    """What CTranslate2 found."""

    count: int = 0  # of cards
    types: Callable[[int], Collection[str]] = lambda number: ()  # of computation, that the card of this number has


@dataclass(frozen=True)
class RecogniserDevice:
    device: Device = CPU
    compute_type: str = CPU_TYPE
    reason: str = ""  # why it is the CPU although the other models have a card; "" elsewhere


def look_at_recogniser_cards() -> RecogniserCards:
    import ctranslate2

    return RecogniserCards(
        ctranslate2.get_cuda_device_count(), lambda number: ctranslate2.get_supported_compute_types("cuda", device_index=number)
    )


def choose_recogniser_device(device: Device, look: Callable[[], RecogniserCards] = look_at_recogniser_cards) -> RecogniserDevice:
    """The same card as the other models have, where CTranslate2 has it too; else the CPU, with the reason."""
    if device.is_cpu:
        return RecogniserDevice()
    if device.kind != "cuda":
        return stay_on_cpu(f"CTranslate2 does not know {device.kind}.")
    cards = look()
    if device.number >= cards.count:
        return stay_on_cpu(f"CTranslate2 finds {f'{cards.count} of the cards' if cards.count else 'no card'}.")
    try:
        known = cards.types(device.number)
    except (RuntimeError, ValueError) as error:
        return stay_on_cpu(shorten_failure(str(error)))
    found = next((kind for kind in CARD_TYPES if kind in known), None)
    return RecogniserDevice(device, found) if found else stay_on_cpu("CTranslate2 has no way to compute on this card.")


def stay_on_cpu(why: str) -> RecogniserDevice:
    return RecogniserDevice(reason=f"The recogniser computes on the CPU: {why}")


class RecogniserModel:
    """A model of CTranslate2 on the device that was chosen for it, and on the CPU once that has failed."""

    def __init__(self, open_model: Callable[[RecogniserDevice], Any], place: RecogniserDevice = RecogniserDevice()):
        """`open_model` loads the model onto a device."""
        self._open, self.place = open_model, place
        self.model = self._load()

    def run(self, action: Callable[[], Found]) -> Found:
        """The action's result; where the card fails, that of the same action once more, with the model on the CPU."""
        try:
            return action()
        except RuntimeError as error:
            self._leave(error)
        self.model = self._load()
        return action()

    def _load(self) -> Any:
        """On a card it recognises a second of silence first, since a library that is missing shows only then."""
        try:
            model = self._open(self.place)
            if not self.place.device.is_cpu:
                list(model.transcribe(np.zeros(SAMPLE_RATE, np.float32), language="en", beam_size=1)[0])
            return model
        except RuntimeError as error:
            self._leave(error)
        return self._open(self.place)

    def _leave(self, error: RuntimeError) -> None:
        """Raises the error again where no card is to blame."""
        failure = None if self.place.device.is_cpu else read_failure(error)
        if failure is None:
            raise error
        self.place = stay_on_cpu(f"on {self.place.device} it failed: {failure.text}")
