"""Runs trained together are the runs trained alone; and both are what PyTorch's own modules and Adam make of the same batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_items import Bench, plant_items
from torch.nn import functional as F

from mmer.building_blocks.dropout import Dropout, draw_mask
from mmer.encoders.presets import PRESETS
from mmer.experiments.batched.start import make_steps
from mmer.experiments.experiment import Experiment, shape_head
from mmer.experiments.trainer.blocks import FeatureLoader, fit_fold_normalisations
from mmer.experiments.trainer.device import choose_batched, choose_stacked
from mmer.experiments.trainer.layout import set_keys
from mmer.experiments.trainer.stack import Stack
from mmer.experiments.trainer.visits import scramble_keys, visit_epoch
from mmer.feature_store.cache import FeatureCache
from mmer.heads.head import build_model
from mmer.heads.normalisation import MIN_DEVIATION

MODELS = [
    {"fusion": "linear", "units": ("T",)},
    {"fusion": "linear", "units": ("F",)},
    {"fusion": "late", "units": ("T", "F", "S")},
    {"fusion": "concatenation", "units": ("T", "F")},
    {"fusion": "coattention", "units": ("T", "S"), "model": {"heads": 4, "feedforward": 32, "blocks": 2}, "learning_rate": 1e-3},
    {"fusion": "transformer", "units": ("S",), "model": {"heads": 4, "feedforward": 32, "blocks": 2}, "learning_rate": 1e-3},
]
UNLIKE = [  # text narrower than speech, which is projected where they meet
    {"fusion": "late", "units": ("T", "F", "S"), "preset": "unlike"},
    {"fusion": "concatenation", "units": ("T", "F"), "preset": "unlike"},
    {"fusion": "coattention", "units": ("T", "S"), "preset": "unlike", "model": {"heads": 4, "feedforward": 32, "blocks": 2}},
]
names = ["-".join([m["fusion"], *m["units"]]) for m in MODELS]


@pytest.fixture(scope="module", autouse=True)
def unlike():
    compact = PRESETS["compact"]
    with PRESETS.adding(replace(compact, name="unlike", text=replace(compact.text, dim=24))) as row:
        yield row


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path)


@pytest.mark.parametrize("model", [*MODELS, *UNLIKE], ids=[*names, *(f"unlike-{m['fusion']}" for m in UNLIKE)])
def test_batched_is_alone(cache, model):
    """With dropout on, over several steps, in three groupings: one by one, together, together as one stack."""
    bench = Bench(cache, **model)
    together, stacked = bench.stack(bench.runs), bench.stack(bench.runs, stacked=True)
    alone = [bench.stack([run]) for run in bench.runs]
    for epoch in range(2):
        losses = bench.train(together, epoch)
        assert np.allclose(bench.train(stacked, epoch), losses, atol=1e-5)
        assert np.allclose([bench.train(one, epoch)[0] for one in alone], losses, atol=1e-5)
    assert torch.allclose(choose_felt(together, torch.cat([one.flat for one in alone])), choose_felt(together, together.flat), atol=1e-4)
    assert torch.allclose(choose_felt(together, stacked.flat), choose_felt(together, together.flat), atol=1e-4)
    assert (together.steps == [one.steps[0] for one in alone]).all()


def choose_felt(stack, flat):
    """Without the biases of attention keys: softmax is blind to them, their gradient is rounding, and Adam makes whole steps of that."""
    felt = [flat[:, place] for name, place in stack.layout.slices.items() if not name.endswith("key.bias")]
    return torch.cat(felt, 1)


def test_every_dropout_has_a_key_of_its_own(cache):
    for model in MODELS:
        bench = Bench(cache, **model)
        stack = bench.stack(bench.runs[:1])
        called = []
        for module in stack.models[0].modules():
            if isinstance(module, Dropout):
                module.register_forward_hook(lambda module, *_, called=called: called.append(id(module)))
        bench.predict(stack, {0: bench.runs[0].validation[:3]})
        assert len(set(called)) == len(called) == stack.layout.sites * (len(called) // stack.layout.sites)


def test_a_run_that_leaves_does_not_disturb_the_others(cache):
    """One run ends after the first epoch; the rest goes on as if it had been by itself from the start."""
    bench = Bench(cache)
    for stacked in (False, True):
        group = bench.stack(bench.runs, stacked=stacked)
        bench.train(group, 0)
        group.keep([0, 2, 3])
        bench.train(group, 1)
        alone = bench.stack([bench.runs[2]])
        for epoch in range(2):
            bench.train(alone, epoch)
        assert torch.allclose(group.flat[1], alone.flat[0], atol=2e-5)
        wanted = bench.runs[2].test
        assert (bench.predict(group, {1: wanted})[1].logits.argmax(1) == bench.predict(alone, {0: wanted})[0].logits.argmax(1)).all()


@pytest.mark.parametrize("model", [*MODELS[:3], UNLIKE[1]], ids=[*names[:3], "unlike"])
def test_a_step_is_what_pytorch_makes_of_it(cache, model):
    """The same batches through a plain padded model, autograd through Equation 1, clip_grad_norm_ and torch.optim.Adam."""
    bench = Bench(cache, clip_norm=0.5, **model)
    run = bench.runs[1]
    ours = bench.stack([run])
    plain = build_model(shape_head(bench.experiment))
    plain.load_state_dict(ours.models[0].state_dict())
    for module in plain.modules():
        if isinstance(module, Dropout):
            module.keyed = True
    adam = torch.optim.Adam(plain.parameters(), lr=bench.experiment.rate)
    marked = np.isin(np.arange(len(bench.items)), run.train)
    plain.train()
    for step, (rows,) in enumerate(visit_epoch([marked], bench.lengths, seed=0, epoch=0, size=8, chunk=24), 1):
        states, masks = pad(bench, rows, bench.normalisations[run.fold])
        set_keys(plain, scramble_keys(np.array([run.seed]), np.array([step]), ours.layout.sites)[0])
        loss = F.cross_entropy(plain(states, masks).logits, torch.from_numpy(bench.labels[rows]))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
        adam.step()
    bench.train(ours, 0)
    for (name, expected), (_, found) in zip(plain.named_parameters(), ours.models[0].named_parameters()):
        assert torch.allclose(expected, found, atol=3e-5), name


def pad(bench, rows, normalisation):
    """Batches the plain way: (batch, layers, segments, dim) per unit."""
    states, masks = {}, {}
    for unit in bench.experiment.units:
        arrays = [bench.loader.read(int(row), unit) for row in rows]
        layers, dim = next((a.shape[0], a.shape[2]) for a in arrays if a is not None)
        longest = max([1, *(a.shape[1] for a in arrays if a is not None)])
        states[unit] = torch.zeros(len(rows), layers, longest, dim)
        masks[unit] = torch.zeros(len(rows), longest, dtype=torch.bool)
        for i, array in enumerate(arrays):
            if array is not None:
                values = array.astype(np.float32) if unit == "T" else normalisation.apply(array)
                states[unit][i, :, : array.shape[1]] = torch.from_numpy(values)
                masks[unit][i, : array.shape[1]] = True
    return states, masks


def test_the_planted_answer_is_learned(cache):
    bench = Bench(cache)
    stack = bench.stack(bench.runs)
    for epoch in range(4):
        bench.train(stack, epoch)
    for run, found in bench.predict(stack, {i: m.test for i, m in enumerate(bench.runs)}).items():
        assert found.ua() > 0.9, run
        assert np.allclose(sum(found.branches.values()), found.logits, atol=1e-5)
        assert (found.labels == bench.labels[bench.runs[run].test]).all()


def test_state_goes_to_disk_and_back(cache):
    bench = Bench(cache)
    first = bench.stack(bench.runs)
    bench.train(first, 0)
    state = {name: value.clone() for name, value in first.get_state().items()}
    second = bench.stack(bench.runs)
    second.set_state(state)
    bench.train(first, 1)
    bench.train(second, 1)
    assert torch.equal(first.flat, second.flat) and torch.equal(first.second, second.second)


def test_an_epoch_reads_every_utterance_once_however_many_runs(cache):
    items = plant_items(cache)
    read = {}
    for count in (1, 4):
        bench = Bench(cache, items=items)
        stack = bench.stack(bench.runs[-count:])
        bench.loader.bytes_read = 0
        bench.train(stack, 0)
        trained = np.unique(np.concatenate([m.train for m in stack.runs]))
        whole = sum(bench.loader.read(int(i), u).nbytes for i in trained for u in items[i].units)
        read[count] = bench.loader.bytes_read
        assert read[count] <= whole + 2 * 2**20  # and the first item of each unit, which tells the sizes
    assert read[4] < 2.5 * read[1]  # two folds: twice the utterances, not four times


def test_a_small_budget_changes_what_is_read_and_nothing_else(cache):
    bench = Bench(cache)
    rich, poor = bench.stack(bench.runs), bench.stack(bench.runs)
    bench.train(rich, 0)
    rich_bytes = bench.loader.bytes_read
    bench.loader = FeatureLoader(cache, bench.items, bench.experiment.units, max_seconds=15, budget=200_000)
    bench.train(poor, 0)
    assert torch.equal(rich.flat, poor.flat)
    assert bench.loader.bytes_read > rich_bytes and bench.loader._bytes_held <= 200_000


def test_large_blocks_are_taken_in_pieces(cache, monkeypatch):
    """The same sums and gradients as of the whole block, and as of an einsum over normalised states."""
    bench = Bench(cache)
    rows, normalisation = np.arange(20), bench.normalisations[0]
    whole = bench.loader.build_block(rows, "F", normalisation)
    monkeypatch.setattr("mmer.experiments.trainer.blocks.PIECE_BYTES", 4 * whole.half[:, :3].numel())
    pieces = bench.loader.build_block(rows, "F", normalisation)
    assert [states.shape[1] for _, states in pieces.cut_pieces()] == [3] * 6 + [2]
    weights, gradients = torch.randn(5, 4), torch.randn(5, *whole.half.shape[1:])
    states = torch.from_numpy(np.stack([normalisation.apply(whole.half[:, i].numpy()) for i in range(20)], 1))
    for block in (whole, pieces):
        assert torch.allclose(block.weigh(weights), torch.einsum("rl,lukd->rukd", weights, states), atol=1e-4)
        assert torch.allclose(block.weigh_gradients(gradients), torch.einsum("rukd,lukd->rl", gradients, states), rtol=1e-3, atol=1e-2)


def test_fold_normalisation_is_that_of_the_other_folds(cache):
    items = plant_items(cache)
    runs = Bench(cache, items=items).runs
    found = fit_fold_normalisations(cache, items, [runs[0].test, runs[1].test], max_seconds=15)
    for fold in range(2):
        rest = [item for i, item in enumerate(items) if i not in runs[fold].test and item.speech]
        frames = np.concatenate([cache.read_states(item.speech, "F") for item in rest], 1).astype(float)
        assert np.allclose(found[fold].mean, frames.mean(1), atol=1e-4)
        assert np.allclose(found[fold].deviation, np.maximum(frames.std(1), MIN_DEVIATION), atol=1e-3)


def test_dropout_masks_are_even_and_independent_of_padding():
    key = torch.tensor(12345, dtype=torch.int32)
    mask = draw_mask(key, (16, 100, 64), 0.2, torch.device("cpu"))
    assert abs(mask.float().mean() - 0.8) < 0.005
    assert mask.float().mean((0, 1)).std() < 0.02 and mask.float().mean((0, 2)).std() < 0.02
    other = draw_mask(key + 1, (16, 100, 64), 0.2, torch.device("cpu"))
    assert abs((mask == other).float().mean() - (0.8**2 + 0.2**2)) < 0.01
    shorter = draw_mask(key, (16, 70, 64), 0.2, torch.device("cpu"))
    assert torch.equal(mask[:, :70], shorter)


def test_keyed_dropout_keeps_the_mean():
    dropout = Dropout(0.2).train()
    dropout.keyed = True
    values = dropout(torch.ones(32, 50, 40))
    assert set(values.unique().tolist()) == {0.0, 1.25} and abs(values.mean() - 1) < 0.01


def test_frames_are_not_stacked_on_a_cpu(cache):
    assert not choose_stacked(Bench(cache, fusion="linear", units=("F",), stacked="auto").experiment, "cpu")
    assert choose_stacked(Bench(cache, fusion="linear", units=("F",), stacked="auto").experiment, "cuda")


def test_all_runs_are_one_batch_on_a_gpu_unless_another_way_is_named():
    plain = Experiment("data", "features")
    assert choose_batched(plain, "cuda") and choose_batched(plain, "cuda:1") and not choose_batched(plain, "cpu")
    assert not choose_batched(replace(plain, stacked="yes"), "cuda") and choose_batched(plain, "cpu", True)
    assert not choose_batched(replace(plain, voice_shift=0.5), "cuda") and not choose_batched(replace(plain, voice_shift=0.5), "cpu", True)


@pytest.mark.gpu
def test_a_gpu_gives_the_same(cache):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    bench = Bench(cache)
    here = bench.stack(bench.runs)
    bench.train(here, 0)
    bench.loader = FeatureLoader(cache, bench.items, bench.experiment.units, max_seconds=15, device="cuda")
    there = Stack(bench.experiment, bench.runs, device="cuda", stacked=True)
    bench.train(there, 0)
    assert torch.allclose(here.flat, there.flat.cpu(), atol=1e-3)
    again = []
    for _ in range(2):
        steps = make_steps(bench.experiment, bench.loader, device="cuda")
        batched = Stack(bench.experiment, bench.runs, device="cuda", stacked=True, batched=steps)
        bench.train(batched, 0)
        again.append(batched.flat.cpu())
    assert torch.allclose(here.flat, again[0], atol=1e-3) and torch.equal(*again)
