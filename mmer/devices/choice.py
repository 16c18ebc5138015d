"""The name of a device -> the device that models compute on, by what the machine has. The one place that chooses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mmer.errors import DeviceError

NAMES = "auto, cpu, cuda, cuda:1 (the second card, counting from 0) or mps"
AUTO = "a GPU where there is one"
FORM = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Machine:
    """What was found on a machine that could compute: see machine.look_at_machine."""

    torch: str  # version of PyTorch
    cuda: str = ""  # version of CUDA that this PyTorch was built for; "" for a build without CUDA
    cards: tuple[str, ...] = ()  # names of the cards that PyTorch can use, in its order
    failure: str = ""  # what CUDA answered instead of the cards; "" where it answered as it should
    driver: str = ""  # version of NVIDIA's driver; "" where there is none
    listed: tuple[str, ...] = ()  # names of the cards that the driver lists, whether PyTorch can use them or not
    mps: bool = False  # whether PyTorch can use the graphics part of an Apple chip


@dataclass(frozen=True)
class Device:
    """One device as PyTorch names it."""

    name: str  # cpu, cuda:0, mps
    card: str = ""  # the card's name; "" where it has none

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"

    @property
    def kind(self) -> str:
        """The name without a card's number: cpu, cuda, mps."""
        return self.name.partition(":")[0]

    @property
    def number(self) -> int:
        """Of the card, counting from 0."""
        return int(self.name.partition(":")[2] or 0)

    def __str__(self) -> str:
        """ "cpu", "cuda:0 (NVIDIA H100)": how it is written beside a result."""
        return f"{self.name} ({self.card})" if self.card else self.name


CPU = Device("cpu")


@dataclass(frozen=True)
class Choice:
    device: Device
    reason: str = ""  # why it is the CPU although a card was asked for or could be expected, in one sentence; "" elsewhere


def is_device_name(name: str) -> bool:
    return FORM.fullmatch(name) is not None


def check_device_name(name: str) -> str:
    """The name, if it has the form of a device's. Raises DeviceError."""
    if not is_device_name(name):
        raise DeviceError(f"There is no device {name[:60]!r}. Choose one of: {NAMES}.")
    return name


def choose_device(name: str, machine: Machine, *, strict: bool = False) -> Choice:
    """The device of this name: "auto" is the first card, else the CPU; the graphics part of an Apple chip only if it is asked for.

    A driver that answers with an error leads to the CPU, with the reason; with `strict` only "auto" does, as what takes hours on a card
    that somebody named would take weeks there.
    Raises: DeviceError for a name that is none, and for a device that this machine lacks.
    """
    kind = check_device_name(name).partition(":")[0]
    if kind == "cpu":
        return Choice(CPU)
    if kind == "mps":
        if not machine.mps:
            raise DeviceError("Device mps: PyTorch finds no Apple GPU here; use cpu, or auto for a card where there is one.")
        return Choice(Device("mps", "Apple GPU"))
    number = Device(name).number
    if number < len(machine.cards):
        return Choice(Device(f"cuda:{number}", machine.cards[number]))
    if machine.failure and not machine.cards and (name == "auto" or not strict):
        return Choice(CPU, f"The card can't be used, so the models compute on the CPU: {machine.failure}")
    if name == "auto":
        return Choice(CPU, describe_missing_cuda(machine))
    raise DeviceError(f"Device {name}: {describe_cards(machine)}; use {'cuda:0, ' if machine.cards else ''}cpu, or auto for {AUTO}.")


def describe_cards(machine: Machine) -> str:
    if machine.cards:
        named = ", ".join(f"cuda:{number} ({card})" for number, card in enumerate(machine.cards))
        return f"PyTorch finds {'one card' if len(machine.cards) == 1 else f'{len(machine.cards)} cards'} here, {named}"
    if missing := machine.failure or describe_missing_cuda(machine):
        return missing.removesuffix(".")
    return "PyTorch finds no GPU here"


def describe_missing_cuda(machine: Machine) -> str:
    """One sentence on a PyTorch that can't see the card that is there; "" elsewhere."""
    if machine.cuda or not machine.listed:
        return ""
    return f"This PyTorch ({machine.torch}) was built without CUDA, so {machine.listed[0]} is not used: `mmer doctor` says how to mend it."
