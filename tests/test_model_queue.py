import threading
import time

import pytest

from mmer.errors import Busy, Cancelled
from mmer.model_queue import ModelQueue, QueueLimits

PATIENCE = 10.0


def wait_until(is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def start(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def test_turns_come_in_the_order_of_asking_and_never_two_at_once():
    queue, order, inside = ModelQueue(), [], []
    tickets = [queue.ask(f"visitor {i}") for i in range(8)]
    early = queue.ask("asked, and never came to wait")

    def work(i):
        with queue.hold(tickets[i]):
            inside.append(i)
            assert len(inside) == 1
            time.sleep(0.005)
            order.append(i)
            inside.remove(i)

    with queue.take("before them"):
        threads = [start(work, i) for i in (5, 3, 7, 0, 1, 2, 6, 4)]
        time.sleep(0.2)  # all wait
    for thread in threads:
        thread.join(PATIENCE)
    assert order == list(range(8))
    queue.leave(early)


def test_each_knows_its_place():
    queue = ModelQueue()
    one, two, three = (queue.ask(name) for name in "abc")
    assert [queue.count_before(t) for t in (one, two, three)] == [0, 1, 2]
    with queue.hold(one):
        assert [queue.count_before(t) for t in (one, two, three)] == [0, 1, 2]
        queue.leave(two)
        assert queue.count_before(three) == 1
    assert queue.count_before(three) == 0


def test_a_full_house_refuses_and_says_what_to_do():
    queue, bounds = ModelQueue(), QueueLimits(places=2)
    first = queue.ask("a", bounds)
    queue.ask("b", bounds)
    with pytest.raises(Busy, match=r"2 requests are in line for the models, which is all there is room for\. Ask again in a minute\."):
        queue.ask("c", bounds)
    queue.ask("c")  # another caller's bounds
    queue.leave(first)
    queue.leave(queue.ask("d", QueueLimits(places=3)))


def test_one_visitor_cant_fill_the_house():
    queue, bounds = ModelQueue(), QueueLimits(places=5, each=2)
    kept = [queue.ask("a", bounds), queue.ask("a", bounds)]
    with pytest.raises(Busy, match="2 of your requests are in line already"):
        queue.ask("a", bounds)
    queue.ask("b", bounds)
    queue.leave(kept[0])
    queue.ask("a", bounds)


def test_who_cancels_while_waiting_leaves_the_line():
    queue, seen, stop = ModelQueue(), [], threading.Event()
    with queue.take("a"):
        ticket = queue.ask("b")

        def wait():
            with pytest.raises(Cancelled), queue.hold(ticket, stop.is_set):
                pass
            seen.append("left")

        thread = start(wait)
        stop.set()
        thread.join(PATIENCE)
        assert seen == ["left"]
        queue.leave(queue.ask("c", QueueLimits(places=2)))  # the place is free
    with queue.take("d"):
        pass


def test_a_turn_that_is_lent_comes_back_before_later_ones():
    queue, order, outside = ModelQueue(), [], threading.Event()
    first, second, third = (queue.ask(name) for name in "abc")

    def slow():
        with queue.hold(first):
            with queue.lend():
                assert outside.wait(PATIENCE)
            order.append("first goes on")

    def quick(ticket, name):
        with queue.hold(ticket):
            order.append(name)
            if name == "second":
                outside.set()
                wait_until(lambda: queue.count_before(third) == 2)  # the first one is back in line

    threads = [start(slow), start(quick, second, "second"), start(quick, third, "third")]
    for thread in threads:
        thread.join(PATIENCE)
    assert order == ["second", "first goes on", "third"]


def test_a_failure_in_lent_time_takes_the_turn_again():
    queue = ModelQueue()
    with queue.take("a"):
        with pytest.raises(ValueError, match="no path"), queue.lend():
            raise ValueError("no path")
        other = queue.ask("b")
        assert queue.count_before(other) == 1
    with queue.hold(other), queue.lend():
        pass


def test_lending_without_a_turn_is_nothing():
    queue = ModelQueue()
    with queue.lend(), queue.take("a"):
        pass


def test_cancelled_in_lent_time_ends_without_the_turn():
    queue, stop = ModelQueue(), threading.Event()
    with pytest.raises(Cancelled), queue.take("a", stop.is_set), queue.lend():
        other = queue.ask("b")
        start(lambda: hold_until(queue, other, stop))
        wait_until(lambda: queue.count_before(other) == 0)
        stop.set()
    with queue.take("c"):
        pass


def hold_until(queue, ticket, stop):
    with queue.hold(ticket):
        stop.wait(PATIENCE)
        time.sleep(0.1)


def test_one_who_looks_now_and_then_has_the_turn_until_leaving():
    queue = ModelQueue()
    first, second = queue.ask("a"), queue.ask("b")
    assert not queue.try_hold(second) and queue.try_hold(first) and queue.try_hold(first)
    assert not queue.try_hold(second) and queue.count_before(second) == 1
    queue.leave(first)
    assert queue.try_hold(second)
