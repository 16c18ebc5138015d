"""Modules on a device, and what is computed there: out of memory halves a batch, and what the device can't do the CPU does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from mmer.devices.choice import CPU, Choice, check_device_name, choose_device
from mmer.devices.failure import DeviceFailure, read_failure
from mmer.devices.machine import look_at_machine

Item = TypeVar("Item")
Found = TypeVar("Found")
ON_CPU = Choice(CPU)
OwnedTensor = tuple[nn.Module, str, str, torch.Tensor]  # (owner, which of its dictionaries, name, tensor)


class Placement:
    """The device of a process's models. Whoever holds a model places it here and computes with `run`.

    Once the device has failed, everything that was placed is on the CPU for good, and `reason` says why.
    """

    def __init__(self, choice: Choice = ON_CPU):
        self.device = choice.device
        self.reason = choice.reason
        self._moved: list[list[OwnedTensor]] = []  # of each module that was placed, as it was before

    def place(self, module: nn.Module) -> None:
        """Moves a module to the device; its tensors on the CPU are kept, since a broken device gives nothing back."""
        if self.device.is_cpu:
            return
        self._moved.append(list(list_tensors(module)))
        failure = None
        try:
            module.to(self.device.name)
        except RuntimeError as error:
            failure = read_failure(error)
            if failure is None:
                raise
        if failure is not None:
            self.leave(failure)

    def run(self, items: Sequence[Item], compute: Callable[[Sequence[Item]], list[Found]]) -> list[Found]:
        """compute(items), one result each. Where the device's memory is too small for all, halves are computed one after the other, and
        halves of these; where it is too small for one, or the device fails, the CPU goes on.
        """
        if self.device.is_cpu:
            return compute(items)
        try:
            with full_precision():
                return compute(items)
        except RuntimeError as error:
            failure = read_failure(error)
            if failure is None:
                raise
        # outside of the handler, whose error holds what was computed so far, and so its memory
        if failure.is_memory and len(items) > 1:
            self.free()
            half = len(items) // 2
            return [*self.run(items[:half], compute), *self.run(items[half:], compute)]
        self.leave(failure)
        return compute(items)

    def free(self) -> None:
        """Gives back what PyTorch holds of the device's memory without using it."""
        if self.device.kind == "cuda" and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # of torch
            torch.cuda.empty_cache()
        elif self.device.kind == "mps":
            torch.mps.empty_cache()

    def leave(self, failure: DeviceFailure) -> None:
        """Everything that was placed computes on the CPU from now on."""
        what = "has too little memory" if failure.is_memory else "failed"
        self.reason = f"The device {self.device} {what}, so the models compute on the CPU until they are loaded anew: {failure.text}"
        for tensors in self._moved:
            restore_tensors(tensors)
        self._moved.clear()
        self.device = CPU


def open_placement(name: str, *, strict: bool = False) -> Placement:
    """On the device of this name, by what this machine has; see choose_device. Raises: DeviceError."""
    return Placement() if check_device_name(name) == CPU.name else Placement(choose_device(name, look_at_machine(), strict=strict))


def list_tensors(module: nn.Module) -> Iterator[OwnedTensor]:
    """All parameters and buffers; a parameter as another one of the same numbers, which stays when the module is moved."""
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is not None:
                yield owner, "_parameters", name, nn.Parameter(parameter.data, requires_grad=parameter.requires_grad)
        for name, buffer in owner._buffers.items():
            if buffer is not None:
                yield owner, "_buffers", name, buffer


def restore_tensors(tensors: Sequence[OwnedTensor]) -> None:
    for owner, kind, name, tensor in tensors:
        getattr(owner, kind)[name] = tensor


@contextmanager
def full_precision() -> Iterator[None]:
    """Products of float32 numbers in float32: a card's TF32 keeps 10 bits of each, and verdicts must not depend on the device."""
    matrices = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matrices)
        torch.backends.cudnn.allow_tf32 = convolutions
