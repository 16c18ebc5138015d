"""A stack whose steps are batched is the stack that trains run by run: losses, weights, predictions, whatever holds the features."""

import numpy as np
import pytest
import torch
from planted_items import Bench, plant_items

from mmer.errors import DataError
from mmer.experiments.batched.forms import choose_form
from mmer.experiments.batched.numerics import count_runs_at_once, fix_numerics
from mmer.experiments.batched.packed_features import (
    DISK,
    PINNED,
    RESIDENT,
    PackedFeatures,
    choose_residence,
    measure_features,
    word_residence,
)
from mmer.experiments.batched.plan import plan_keys, plan_prediction, plan_training
from mmer.experiments.batched.steps import BatchedSteps
from mmer.experiments.estimate import time_batched_step
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.blocks import FeatureLoader
from mmer.experiments.trainer.stack import Stack
from mmer.experiments.trainer.visits import mark, scramble_keys, visit_epoch
from mmer.feature_store.cache import FeatureCache

SMALL = {"heads": 4, "feedforward": 32, "blocks": 1}
MODELS = [
    {"fusion": "linear", "units": ("F",)},
    {"fusion": "late", "units": ("T", "F", "S"), "branch_loss": 0.5, "label_smoothing": 0.1, "weight_decay": 0.01, "warmup_steps": 5},
    {"fusion": "concatenation", "units": ("T", "F"), "layer_rate": 10.0},
    {"fusion": "coattention", "units": ("T", "S"), "model": SMALL, "learning_rate": 1e-3},
    {"fusion": "transformer", "units": ("S",), "model": SMALL, "learning_rate": 1e-3},
]


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path)


def make_batched(bench, *, residence=RESIDENT, **options):
    features = PackedFeatures(bench.loader, device="cpu", residence=residence)
    steps = BatchedSteps(features, choose_form(bench.experiment.fusion), "cpu", **options)
    return Stack(bench.experiment, bench.runs, device="cpu", stacked=False, batched=steps)


def choose_felt(stack, flat):
    """Without the biases of attention keys, to which softmax is blind."""
    return torch.cat([flat[:, place] for name, place in stack.layout.slices.items() if not name.endswith("key.bias")], 1)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["fusion"])
def test_batched_steps_are_those_of_runs_by_themselves(cache, model):
    """With dropout, utterances that lack units, and one run that leaves after the first epoch.

    A hidden unit whose value is 0 but for rounding is on in one and off in the other, and Adam makes whole steps of that: a few weights
    may differ. test_batched_forms.py holds every gradient.
    """
    bench = Bench(cache, items=plant_items(cache, count=44, units=model["units"]), **model)
    plain, batched = bench.stack(bench.runs), make_batched(bench, multiple=4)
    for epoch in range(2):
        assert np.allclose(bench.train(batched, epoch).numpy(), bench.train(plain, epoch), atol=5e-4)
        assert (batched.steps == plain.steps).all()
        if epoch == 0:
            plain.keep([0, 1, 3])
            batched.keep([0, 1, 3])
    assert ((choose_felt(plain, batched.flat) - choose_felt(plain, plain.flat)).abs() > 1e-4).float().mean() < 0.01
    wanted = {i: run.test[:: i + 1] for i, run in enumerate(plain.runs)}  # as many as no other run
    one, other = bench.predict(plain, wanted), bench.predict(batched, wanted)
    for run in wanted:
        assert np.allclose(one[run].logits, other[run].logits, atol=5e-3) and (one[run].labels == other[run].labels).all()
        assert one[run].branches.keys() == other[run].branches.keys()
        assert all(np.allclose(one[run].branches[u], other[run].branches[u], atol=5e-3) for u in one[run].branches)


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("residence", [PINNED, DISK])
def test_it_is_the_same_bits_wherever_features_are(cache, residence, stride, monkeypatch):
    monkeypatch.setattr("mmer.experiments.batched.packed_features.PIECE", 100_000)  # so that entries lie in several pieces
    bench = Bench(cache, frame_stride=stride)
    firsts = np.random.default_rng(0).integers(stride, size=len(bench.items))
    bench.loader = FeatureLoader(cache, bench.items, bench.experiment.units, max_seconds=15, stride=stride, budget=100_000)
    bench.loader.show(bench.items, firsts=firsts if stride > 1 else None)
    resident, elsewhere, plain = make_batched(bench), make_batched(bench, residence=residence), bench.stack(bench.runs)
    for stack in (resident, elsewhere, plain):
        bench.train(stack, 0)
    assert torch.equal(resident.flat, elsewhere.flat)
    assert torch.allclose(resident.flat, plain.flat, atol=1e-4)


def test_groups_of_runs_end_at_the_same_weights(cache):
    bench = Bench(cache)
    whole, cut = make_batched(bench), make_batched(bench, at_once=3)
    bench.train(whole, 0)
    bench.train(cut, 0)
    assert torch.allclose(whole.flat, cut.flat, atol=1e-5)


class ShortMemory:
    """A device on which one run's step takes 10 bytes of 29 that are free."""

    def count_free(self):
        return 29

    def start_measuring(self):
        self.measured = True

    def read_peak(self):
        assert self.measured
        return 10


def test_groups_are_as_large_as_measured_memory_allows(cache):
    bench = Bench(cache)
    stack = make_batched(bench, memory=ShortMemory())
    bench.train(stack, 0)
    assert stack.batched.at_once == 2
    assert [count_runs_at_once(25, peak=4, free=free) for free in (0, 21, 90, 100, 1000)] == [1, 4, 13, 13, 25]
    other = make_batched(bench)
    bench.train(other, 0)
    assert torch.allclose(stack.flat, other.flat, atol=1e-5)


def test_out_of_memory_halves_the_groups_and_is_remembered(cache):
    bench = Bench(cache)
    form, asked = choose_form("late"), []

    def run_on_a_small_card(models, inputs):
        runs = len(next(iter(models.parameters.values())))
        asked.append(runs)
        if runs > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return form(models, inputs)

    stack, other = make_batched(bench), make_batched(bench)
    stack.batched.form = run_on_a_small_card
    bench.train(stack, 0)
    bench.train(other, 0)
    assert asked[:2] == [4, 2] and set(asked[2:]) == {1} and stack.batched.at_once == 1
    assert torch.allclose(stack.flat, other.flat, atol=1e-5)


def test_a_card_that_holds_no_run_is_one_sentence(cache):
    bench = Bench(cache)
    stack = make_batched(bench)

    def refuse(models, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    stack.batched.form = refuse
    with pytest.raises(DataError, match="does not hold one step of one run: set a smaller batch size"):
        bench.train(stack, 0)


def test_a_state_that_was_stored_goes_on_with_the_same_bits(cache):
    bench = Bench(cache)
    first, second = make_batched(bench), make_batched(bench)
    bench.train(first, 0)
    second.set_state({name: value.clone() for name, value in first.get_state().items()})
    bench.train(first, 1)
    bench.train(second, 1)
    assert torch.equal(first.flat, second.flat) and torch.equal(first.second, second.second)


def test_an_example_that_was_not_packed_is_refused(cache):
    bench = Bench(cache)
    features = PackedFeatures(bench.loader, device="cpu", residence=RESIDENT)
    bench.loader.show(plant_items(cache, seed=1))
    with pytest.raises(ValueError, match="reads T of an entry that was not packed"):
        next(features.read_steps(np.zeros((1, 1, 1), int)))


def test_features_are_kept_where_they_fit(cache):
    assert [choose_residence(23, free=free, budget=budget) for free, budget in ((60, 0), (30, 40), (30, 20))] == [RESIDENT, PINNED, DISK]
    bench = Bench(cache)
    held = [bench.loader.read(i, unit) for unit in bench.experiment.units for i in range(len(bench.items))]
    assert measure_features(bench.loader) == sum(states.nbytes for states in held if states is not None)
    assert word_residence(23_000_000_000, PINNED, ("T", "F")).startswith(
        "The features of T F take 23.0 GB and are kept in pinned host memory"
    )


def test_plans_are_the_steps_and_keys_of_the_trainer():
    rng = np.random.default_rng(0)
    lengths, masks = rng.integers(1, 90, 101), [mark(rng.permutation(101)[: 60 + run], 101) for run in range(3)]
    options = {"seed": 3, "epoch": 2, "size": 8, "chunk": 24}
    steps, plan = list(visit_epoch(masks, lengths, **options)), plan_training(masks, lengths, **options)
    before, seeds = np.array([0, 7, 9]), np.array([11, 12, 13])
    keys, counts = plan_keys(seeds, before, plan.active, 4), before.copy()
    for number, step in enumerate(steps):
        for run, batch in enumerate(step):
            rows = plan.rows[number, run]
            assert rows[rows >= 0].tolist() == ([] if batch is None else batch.tolist())
            counts[run] += batch is not None
            assert (keys[number, run] == scramble_keys(seeds[run : run + 1], counts[run : run + 1], 4)[0]).all()
    assert np.allclose(plan.weigh().sum(2), plan.active)
    wanted = {0: np.array([5, 3, 99]), 2: np.arange(70)}
    found = plan_prediction(wanted, lengths, runs=3, size=32)
    assert found.rows.shape == (3, 3, 32) and (found.rows[:, 1] == -1).all()
    assert sorted(found.rows[:, 2][found.rows[:, 2] >= 0].tolist()) == list(range(70))


def test_an_estimate_for_a_card_times_the_batch():
    """On made-up features of one length, here on a CPU."""
    experiment = Experiment("data", "features", folds=2, repetitions=1, batch_size=4)
    assert 0 < time_batched_step(experiment, {"T": 3, "F": 5, "S": 2}, device="cpu") < 60


@pytest.mark.parametrize(("precision", "products"), [("float32", "highest"), ("tf32", "high"), ("bfloat16", "highest")])
def test_on_a_card_products_are_as_asked_and_sums_repeat_and_all_is_as_before_afterwards(precision, products):
    def read():
        return torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()

    before = read()
    with fix_numerics("cuda:1", precision):
        assert read() == (products, True)
        assert torch.backends.cuda.matmul.allow_tf32 is (precision == "tf32")  # raises where PyTorch's two ways to set it are mixed
    assert read() == before


def test_on_a_cpu_no_global_setting_is_touched():
    before = torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()
    with fix_numerics("cpu", "tf32"):
        assert (torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()) == before
