"""Which device a name means, on machines that are planted."""

import pytest

from mmer.devices.choice import CPU, Choice, Device, Machine, check_device_name, choose_device
from mmer.errors import DeviceError

BARE = Machine(torch="2.13.0+cpu")
TWO = Machine(torch="2.13.0", cuda="12.8", cards=("NVIDIA A", "NVIDIA B"), driver="570.1", listed=("NVIDIA A", "NVIDIA B"))
BUSY = Machine(torch="2.13.0", cuda="12.8", failure="CUDA error: out of devices.", driver="570.1", listed=("NVIDIA A",))
UNSEEN = Machine(torch="2.13.0+cpu", driver="570.1", listed=("NVIDIA A",))


@pytest.mark.parametrize(
    ("name", "machine", "device"),
    [
        ("auto", BARE, CPU),
        ("cpu", TWO, CPU),
        ("auto", TWO, Device("cuda:0", "NVIDIA A")),
        ("cuda", TWO, Device("cuda:0", "NVIDIA A")),
        ("cuda:1", TWO, Device("cuda:1", "NVIDIA B")),
        ("auto", Machine("2.13.0", mps=True), CPU),  # only when it is asked for
        ("mps", Machine("2.13.0", mps=True), Device("mps", "Apple GPU")),
    ],
)
def test_a_name_means_a_device(name, machine, device):
    assert choose_device(name, machine) == Choice(device)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:-1", "cuda:x", "CPU", "cuda:1111", "mps:0", "a" * 5000, "cuda\n"])
def test_a_wrong_name_is_one_sentence_with_the_names_there_are(name):
    with pytest.raises(DeviceError, match="Choose one of: auto, cpu, cuda, cuda:1") as caught:
        check_device_name(name)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("name", "machine", "words"),
    [
        ("cuda", BARE, "Device cuda: PyTorch finds no GPU here; use cpu, or auto for a GPU where there is one."),
        ("cuda:2", TWO, "Device cuda:2: PyTorch finds 2 cards here, cuda:0 (NVIDIA A), cuda:1 (NVIDIA B); use cuda:0, cpu, or auto"),
        ("mps", TWO, "PyTorch finds no Apple GPU here"),
        ("cuda", UNSEEN, "built without CUDA, so NVIDIA A is not used: `mmer doctor` says how to mend it; use cpu"),
    ],
)
def test_a_card_that_is_not_there_is_one_sentence(name, machine, words):
    with pytest.raises(DeviceError) as caught:
        choose_device(name, machine)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
def test_a_driver_that_fails_leads_to_the_cpu_with_the_reason(name):
    found = choose_device(name, BUSY)
    assert found.device == CPU
    assert found.reason == "The card can't be used, so the models compute on the CPU: CUDA error: out of devices."


def test_a_torch_without_cuda_beside_a_card_is_said_where_nobody_chose():
    assert "built without CUDA, so NVIDIA A is not used" in choose_device("auto", UNSEEN).reason
    assert choose_device("cpu", UNSEEN).reason == ""


def test_how_a_device_is_written():
    assert [str(d) for d in (CPU, Device("cuda:1", "NVIDIA B"))] == ["cpu", "cuda:1 (NVIDIA B)"]
    assert (Device("cuda:1").kind, Device("cuda:1").number, CPU.number) == ("cuda", 1, 0)
