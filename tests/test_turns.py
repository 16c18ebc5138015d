import threading
import time

import pytest

from mmer.errors import Busy, Cancelled
from mmer.turns import Bounds, Turns

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
    turns, order, inside = Turns(), [], []
    tickets = [turns.ask(f"visitor {i}") for i in range(8)]
    early = turns.ask("asked, and never came to wait")

    def work(i):
        with turns.hold(tickets[i]):
            inside.append(i)
            assert len(inside) == 1
            time.sleep(0.005)
            order.append(i)
            inside.remove(i)

    with turns.take("before them"):
        threads = [start(work, i) for i in (5, 3, 7, 0, 1, 2, 6, 4)]
        time.sleep(0.2)  # all wait
    for thread in threads:
        thread.join(PATIENCE)
    assert order == list(range(8))
    turns.leave(early)


def test_each_knows_its_place():
    turns = Turns()
    one, two, three = (turns.ask(name) for name in "abc")
    assert [turns.count_before(t) for t in (one, two, three)] == [0, 1, 2]
    with turns.hold(one):
        assert [turns.count_before(t) for t in (one, two, three)] == [0, 1, 2]
        turns.leave(two)
        assert turns.count_before(three) == 1
    assert turns.count_before(three) == 0


def test_a_full_house_refuses_and_says_what_to_do():
    turns, bounds = Turns(), Bounds(places=2)
    first = turns.ask("a", bounds)
    turns.ask("b", bounds)
    with pytest.raises(Busy, match=r"2 requests are in line for the models, which is all there is room for\. Ask again in a minute\."):
        turns.ask("c", bounds)
    turns.ask("c")  # another caller's bounds
    turns.leave(first)
    turns.leave(turns.ask("d", Bounds(places=3)))


def test_one_visitor_cant_fill_the_house():
    turns, bounds = Turns(), Bounds(places=5, each=2)
    kept = [turns.ask("a", bounds), turns.ask("a", bounds)]
    with pytest.raises(Busy, match="2 of your requests are in line already"):
        turns.ask("a", bounds)
    turns.ask("b", bounds)
    turns.leave(kept[0])
    turns.ask("a", bounds)


def test_who_cancels_while_waiting_leaves_the_line():
    turns, seen, stop = Turns(), [], threading.Event()
    with turns.take("a"):
        ticket = turns.ask("b")

        def wait():
            with pytest.raises(Cancelled), turns.hold(ticket, stop.is_set):
                pass
            seen.append("left")

        thread = start(wait)
        stop.set()
        thread.join(PATIENCE)
        assert seen == ["left"]
        turns.leave(turns.ask("c", Bounds(places=2)))  # the place is free
    with turns.take("d"):
        pass


def test_a_turn_that_is_lent_comes_back_before_later_ones():
    turns, order, outside = Turns(), [], threading.Event()
    first, second, third = (turns.ask(name) for name in "abc")

    def slow():
        with turns.hold(first):
            with turns.lend():
                assert outside.wait(PATIENCE)
            order.append("first goes on")

    def quick(ticket, name):
        with turns.hold(ticket):
            order.append(name)
            if name == "second":
                outside.set()
                wait_until(lambda: turns.count_before(third) == 2)  # the first one is back in line

    threads = [start(slow), start(quick, second, "second"), start(quick, third, "third")]
    for thread in threads:
        thread.join(PATIENCE)
    assert order == ["second", "first goes on", "third"]


def test_a_failure_in_lent_time_takes_the_turn_again():
    turns = Turns()
    with turns.take("a"):
        with pytest.raises(ValueError, match="no path"), turns.lend():
            raise ValueError("no path")
        other = turns.ask("b")
        assert turns.count_before(other) == 1
    with turns.hold(other), turns.lend():
        pass


def test_lending_without_a_turn_is_nothing():
    turns = Turns()
    with turns.lend(), turns.take("a"):
        pass


def test_cancelled_in_lent_time_ends_without_the_turn():
    turns, stop = Turns(), threading.Event()
    with pytest.raises(Cancelled), turns.take("a", stop.is_set), turns.lend():
        other = turns.ask("b")
        start(lambda: hold_until(turns, other, stop))
        wait_until(lambda: turns.count_before(other) == 0)
        stop.set()
    with turns.take("c"):
        pass


def hold_until(turns, ticket, stop):
    with turns.hold(ticket):
        stop.wait(PATIENCE)
        time.sleep(0.1)


def test_one_who_looks_now_and_then_has_the_turn_until_leaving():
    turns = Turns()
    first, second = turns.ask("a"), turns.ask("b")
    assert not turns.try_hold(second) and turns.try_hold(first) and turns.try_hold(first)
    assert not turns.try_hold(second) and turns.count_before(second) == 1
    turns.leave(first)
    assert turns.try_hold(second)
