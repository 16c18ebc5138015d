"""The shared visiting order: every run sees its own utterances once an epoch, in batches that don't depend on its company."""

import numpy as np

from mmer.experiments.trainer.visits import draw_order, scramble_keys, visit_epoch


def make_masks(count=101, runs=3):
    return [np.random.default_rng(run).random(count) < 0.7 for run in range(runs)]


def collect(masks, **changes):
    lengths = np.random.default_rng(9).integers(1, 50, len(masks[0]))
    steps = list(visit_epoch(masks, lengths, **({"seed": 1, "epoch": 0, "size": 8, "chunk": 24} | changes)))
    return [[step[run].tolist() for step in steps if step[run] is not None] for run in range(len(masks))], lengths


def test_every_run_visits_its_own_utterances_once():
    masks = make_masks()
    found, _ = collect(masks)
    for mask, batches in zip(masks, found):
        assert sorted(i for batch in batches for i in batch) == np.flatnonzero(mask).tolist()


def test_all_batches_but_one_are_full():
    found, _ = collect(make_masks())
    for batches in found:
        assert sorted(len(batch) for batch in batches)[1:] == [8] * (len(batches) - 1)


def test_a_run_alone_visits_what_it_visits_beside_others():
    masks = make_masks()
    together, _ = collect(masks)
    assert [collect([mask])[0][0] for mask in masks] == together


def test_epochs_and_seeds_differ_and_come_again():
    masks = make_masks()
    first = collect(masks)[0]
    assert collect(masks)[0] == first
    assert collect(masks, epoch=1)[0] != first and collect(masks, seed=2)[0] != first
    assert sorted(draw_order(3, 4, 10)) == list(range(10))


def test_batches_hold_utterances_of_similar_length():
    found, lengths = collect(make_masks(count=2000), chunk=256)
    spread = np.mean([np.ptp(lengths[batch]) for batch in found[0]])
    shuffled = np.random.default_rng(0).permutation(np.concatenate(found[0]))[: 8 * 100].reshape(-1, 8)
    assert spread < 0.25 * np.mean(np.ptp(lengths[shuffled], axis=1))


def test_runs_that_share_utterances_visit_them_at_the_same_step():
    """What makes one reading do for all runs: of the utterances two runs share, most stand in batches of the same step."""
    masks = [np.random.default_rng(run).random(2000) < 0.9 for run in range(2)]
    lengths = np.random.default_rng(9).integers(1, 50, 2000)
    shared = together = 0
    for a, b in visit_epoch(masks, lengths, seed=0, epoch=0, size=32, chunk=512):
        if a is not None and b is not None:
            together += len(np.intersect1d(a, b))
    shared = (masks[0] & masks[1]).sum()
    assert together > 0.6 * shared


def test_keys_differ_between_runs_steps_and_sites():
    seeds = np.array([3, 4, 5])
    keys = np.concatenate([scramble_keys(seeds, np.full(3, step), 6) for step in range(50)])
    assert keys.dtype == np.int32 and len(np.unique(keys)) == keys.size
    assert (scramble_keys(seeds[1:2], np.array([7]), 6) == scramble_keys(seeds, np.array([0, 7, 1]), 6)[1]).all()
