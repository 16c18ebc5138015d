import threading
import time

import numpy as np
import pytest

from mmer.errors import Cancelled
from mmer.stopping import check_stopped, hold_lock, stop_when


def test_nothing_is_stopped_that_nobody_cancelled():
    check_stopped()
    with stop_when(lambda: False):
        check_stopped()


def test_stopping_holds_for_its_block_alone():
    with stop_when(lambda: True), pytest.raises(Cancelled):
        check_stopped()
    check_stopped()


def test_who_waits_for_a_lock_can_be_cancelled_and_does_not_keep_it():
    lock = threading.Lock()
    with lock:
        begun = time.monotonic()
        with stop_when(lambda: time.monotonic() > begun + 0.3), pytest.raises(Cancelled), hold_lock(lock):
            pass
    with hold_lock(lock):
        assert lock.locked()
    assert not lock.locked()


class Calls:
    """Cancels after so many looks; counts them."""

    def __init__(self, most):
        self.most, self.looks = most, 0

    def __call__(self):
        self.looks += 1
        return self.looks > self.most


def test_cancel_reaches_into_the_recogniser_the_speech_encoder_and_the_aligner(analyzer):
    rng = np.random.default_rng(0)
    long = (rng.normal(size=16000 * 95) * 0.05).astype(np.float32)
    looks = Calls(1)
    with stop_when(looks), pytest.raises(Cancelled):
        analyzer.speech.encode(long)
    assert looks.looks == 2  # the first window was encoded, the second not
