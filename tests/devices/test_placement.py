"""A device that fails, planted: "cpu:0" and "meta" stand for a card, so that what would happen on one happens here."""

import pytest
import torch
from torch import nn

from mmer.devices.choice import CPU, Choice, Device
from mmer.devices.failure import read_failure
from mmer.devices.placement import Placement, full_precision

CARD = Device("cpu:0", "Planted card")  # to PyTorch the CPU, to us a device like any other
BROKEN = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"


def double_up_to(most, seen, error=torch.cuda.OutOfMemoryError):
    """A callable that takes at most so many at once, as a card with little memory does."""

    def compute(items):
        seen.append(len(items))
        if placement_is_card[0] and len(items) > most:
            raise error("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [2 * item for item in items]

    placement_is_card = [True]
    return compute, placement_is_card


def test_memory_that_is_too_small_halves_the_batch_and_again():
    placement, seen = Placement(Choice(CARD)), []
    compute, _ = double_up_to(2, seen)
    assert placement.run(list(range(7)), compute) == [0, 2, 4, 6, 8, 10, 12]
    assert seen == [7, 3, 1, 2, 4, 2, 2]
    assert placement.device == CARD and placement.reason == ""


def test_memory_that_is_too_small_for_one_leads_to_the_cpu():
    placement, seen = Placement(Choice(CARD)), []

    def compute(items):
        seen.append((len(items), placement.device.is_cpu))
        if not placement.device.is_cpu:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [2 * item for item in items]

    assert placement.run([1, 2, 3], compute) == [2, 4, 6]
    assert seen == [(3, False), (1, False), (1, True), (2, True)]  # the rest goes on there at once
    assert placement.device == CPU
    where = "so the models compute on the CPU until they are loaded anew"
    assert placement.reason == f"The device cpu:0 (Planted card) has too little memory, {where}: CUDA out of memory."
    assert placement.run([4], compute) == [8] and seen[-1] == (1, True)


def test_a_device_that_breaks_gives_nothing_back_and_nothing_is_lost():
    """On "meta" a module's numbers are gone, as on a card whose driver broke; those that were kept compute on."""
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval().requires_grad_(False)
    x = torch.arange(6.0).reshape(2, 3)
    expected = module(x)
    placement = Placement(Choice(Device("meta", "Planted card")))
    placement.place(module)
    assert {tensor.device.type for tensor in module.state_dict().values()} == {"meta"}

    def compute(rows):
        found = module(torch.stack(list(rows)).to(next(module.parameters()).device))
        if found.is_meta:
            raise RuntimeError(BROKEN)
        return list(found)

    torch.testing.assert_close(torch.stack(placement.run(list(x), compute)), expected, rtol=0, atol=0)
    assert not any(p.requires_grad for p in module.parameters())
    assert placement.device == CPU and "failed" in placement.reason and placement.reason.endswith("was encountered.")


def test_a_device_that_fails_at_the_start_is_left_at_once():
    class Refusing(nn.Linear):
        def to(self, *args):
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nmore")

    placement = Placement(Choice(CARD))
    placement.place(Refusing(2, 2))
    assert placement.device == CPU and "busy or unavailable" in placement.reason


def test_an_error_of_ours_is_not_hidden():
    def compute(items):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)")

    placement = Placement(Choice(CARD))
    with pytest.raises(RuntimeError, match="shapes"):
        placement.run([1], compute)
    assert placement.device == CARD


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), False),
        (RuntimeError("Found no NVIDIA driver on your system."), False),
        (RuntimeError("CUDA failed with error out of memory"), True),  # as CTranslate2 says it
    ],
)
def test_what_a_device_answers_is_known(error, is_memory):
    assert read_failure(error).is_memory == is_memory


def test_products_keep_their_precision_where_models_compute_for_people():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with full_precision():
        assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    seen = []
    Placement(Choice(CARD)).run([1], lambda items: seen.append(torch.backends.cudnn.allow_tf32) or [1])
    assert seen == [False]
