"""The batched forms compute what fusion.py's own models compute, run by run: logits, every gradient, several steps of Adam."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmer.building_blocks.dropout import Dropout
from mmer.choices.fusion_models import FUSION_MODELS
from mmer.experiments.batched.forms import FORMS, RunInputs, RunModels, choose_form, run_stacked
from mmer.experiments.batched.layer_mix import Normals, UnitBatch
from mmer.experiments.trainer.layout import ParameterLayout, key_dropouts, make_model, set_keys
from mmer.heads.config import HeadConfig
from mmer.heads.head import build_model

RUNS, BATCH, DIM, POSITIONS = 3, 5, 16, 50
LAYERS = {"T": 3, "F": 4, "S": 4}
SHAPES = {"hidden": 8, "heads": 2, "feedforward": 12, "blocks": 2, "dropout": 0.3}
MODELS = [("linear", "F"), ("late", "TFS"), ("concatenation", "SFT"), ("transformer", "S"), ("coattention", "TFS")]


def make_head(fusion, units, *, classes=3, speech_dim=None):
    layers = {"text_layers": tuple("123"), "speech_layers": tuple("1234")}
    named = tuple("abcdefg"[:classes])
    return HeadConfig("x", "X", fusion, tuple(units), "compact", dim=DIM, speech_dim=speech_dim, classes=named, **layers, **SHAPES)


class Both:
    """The same weights and inputs for the models of fusion.py, a list, and for the batched form."""

    def __init__(self, head, *, gaps=True, seed=0):
        self.head = head
        self.models = [key_dropouts(make_model(head, 10 + run)) for run in range(RUNS)]
        generator = torch.Generator().manual_seed(seed)
        for model in self.models:  # no weight stands at its even start
            for parameter in model.parameters():
                parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        self.layout = ParameterLayout(self.models[0])
        self.leaves = self.layout.view_rows(torch.stack([self.layout.flatten(model) for model in self.models]))
        rng = np.random.default_rng(seed)
        self.units, self.normals = {}, {}
        for unit in head.units:
            width = head.width(unit)
            counts = rng.integers(1, 8, (RUNS, BATCH)).astype(np.int32)
            if gaps:
                counts[0, 1] = counts[1, 2] = 0  # in every unit, so that these utterances have nothing at all
                counts[2, 3] = 0 if unit != "T" else 4
            starts = torch.from_numpy(rng.integers(0, POSITIONS - 8, (RUNS, BATCH)))
            packed = torch.randn(POSITIONS, LAYERS[unit], width, generator=generator).half()
            self.units[unit] = UnitBatch(packed, starts, torch.from_numpy(counts), 9, 1)
            spread = torch.rand(RUNS, LAYERS[unit], width, generator=generator) + 0.5
            self.normals[unit] = Normals(torch.randn(RUNS, LAYERS[unit], width, generator=generator), spread)
        self.inputs = RunInputs(self.units, self.normals, frozenset(head.units) if gaps else frozenset())
        self.labels = torch.from_numpy(rng.integers(0, len(head.classes), (RUNS, BATCH)))

    def read_run(self, run):
        """The padded, normalised states and masks of one run."""
        states, masks = {}, {}
        for unit, batch in self.units.items():
            padded = torch.full((BATCH, LAYERS[unit], batch.segments, self.head.width(unit)), 7.0)  # any finite value at padding
            for i in range(BATCH):
                start, count = int(batch.starts[run, i]), int(batch.counts[run, i])
                own = (batch.packed[start : start + count].float() - self.normals[unit].mean[run]) * self.normals[unit].inverse[run]
                padded[i, :, :count] = own.transpose(0, 1)
            states[unit], masks[unit] = padded, batch.mask[run]
        return states, masks

    def run_batched(self, form, keys=None):
        named = None if keys is None else {name: torch.from_numpy(keys[:, site].copy()) for site, name in enumerate(self.layout.keys)}
        return form(RunModels(self.head, self.leaves, named, key_dropouts(build_model(self.head))), self.inputs)

    def run_alone(self, run, keys=None):
        model = self.models[run].train(keys is not None)
        if keys is not None:
            set_keys(model, keys[run])
        return model(*self.read_run(run))


def draw_keys(both, step=0):
    keys = np.random.default_rng([5, step]).integers(-(2**31), 2**31, (RUNS, both.layout.sites))
    return keys.astype(np.int32)


def check_step(both, form, keys):
    """Logits, branches and the gradients of every parameter."""
    found = both.run_batched(form, keys)
    gradients = torch.autograd.grad(measure(found.logits, both.labels), list(both.leaves.values()), materialize_grads=True)
    for run in range(RUNS):
        output = both.run_alone(run, keys)
        assert torch.allclose(found.logits[run], output.logits, atol=1e-5)
        assert found.branch_logits.keys() == (output.branch_logits or {}).keys()
        for unit, logits in found.branch_logits.items():
            assert torch.allclose(logits[run], output.branch_logits[unit], atol=1e-5)
        expected = torch.autograd.grad(measure(output.logits[None], both.labels[run : run + 1]), list(both.models[run].parameters()))
        for (name, _), one in zip(both.models[run].named_parameters(), expected):
            own = gradients[list(both.leaves).index(name)][run]
            assert torch.allclose(own, one, atol=2e-5), (name, (own - one).abs().max())


def measure(logits, labels):
    return sum(F.cross_entropy(own, target) for own, target in zip(logits, labels))


@pytest.mark.parametrize(("fusion", "units"), MODELS, ids=[fusion for fusion, _ in MODELS])
@pytest.mark.parametrize("options", [{}, {"classes": 7, "speech_dim": 24}], ids=["alike", "unlike-7"])
@pytest.mark.parametrize("gaps", [True, False], ids=["gaps", "whole"])
def test_a_form_is_its_model_run_by_run(fusion, units, options, gaps):
    both = Both(make_head(fusion, units, **options), gaps=gaps)
    assert choose_form(fusion) is FORMS[fusion]
    check_step(both, FORMS[fusion], draw_keys(both))
    found = both.run_batched(FORMS[fusion])
    assert all(torch.allclose(found.logits[run], both.run_alone(run).logits, atol=1e-5) for run in range(RUNS))


@pytest.mark.parametrize(("fusion", "units"), [MODELS[1], MODELS[4]], ids=["late", "coattention"])
def test_a_model_without_a_form_is_called_under_vmap(fusion, units):
    both = Both(make_head(fusion, units))
    check_step(both, run_stacked, draw_keys(both))
    assert choose_form("a model of somebody's own") is run_stacked


@pytest.mark.parametrize(("fusion", "units"), MODELS, ids=[fusion for fusion, _ in MODELS])
def test_several_steps_end_at_the_same_weights(fusion, units):
    both = Both(make_head(fusion, units))
    alone = [torch.optim.Adam(model.parameters(), lr=3e-3) for model in both.models]
    together = torch.optim.Adam(both.leaves.values(), lr=3e-3)
    for step in range(4):
        keys = draw_keys(both, step)
        together.zero_grad()
        measure(both.run_batched(FORMS[fusion], keys).logits, both.labels).backward()
        together.step()
        for run, optimizer in enumerate(alone):
            optimizer.zero_grad()
            measure(both.run_alone(run, keys).logits[None], both.labels[run : run + 1]).backward()
            optimizer.step()
    for run, model in enumerate(both.models):
        for name, parameter in model.named_parameters():
            if not name.endswith("key.bias"):  # softmax is blind to them: their gradient is rounding
                assert torch.allclose(both.leaves[name][run], parameter, atol=3e-4), name


def test_every_fusion_model_that_ships_has_a_form():
    assert set(FORMS) == set(FUSION_MODELS)


def test_a_dropout_that_a_form_forgot_would_be_seen():
    """The models' own keys change what every form says: no two sites share one, and none is left out."""
    for fusion, units in MODELS:
        both = Both(make_head(fusion, units), gaps=False)
        assert both.layout.sites == len([m for m in both.models[0].modules() if isinstance(m, Dropout)])
        keys = draw_keys(both)
        before = both.run_batched(FORMS[fusion], keys).logits
        for site in range(both.layout.sites):
            changed = keys.copy()
            changed[:, site] += 1
            assert not torch.equal(both.run_batched(FORMS[fusion], changed).logits, before), (fusion, both.layout.keys[site])


def test_bfloat16_products_stay_near(monkeypatch):
    for fusion, units in MODELS:
        both = Both(make_head(fusion, units))
        exact = both.run_batched(FORMS[fusion]).logits
        with torch.autocast("cpu", torch.bfloat16):
            found = both.run_batched(FORMS[fusion]).logits
        assert found.isfinite().all() and (found.float() - exact).abs().max() < 0.2, fusion


def test_a_head_of_another_width_meets_where_its_model_does():
    """Speech alone is never projected; with text it is brought to the text's width."""
    head = make_head("late", "FS", speech_dim=24)
    check_step(Both(head), FORMS["late"], None)
    assert not [n for n in Both(head).leaves if "project" in n]
    joined = Both(replace(make_head("concatenation", "TF", speech_dim=24)))
    assert [n for n in joined.leaves if "project" in n] == ["mixes.F.project.weight", "mixes.F.project.bias"]
    assert isinstance(joined.models[0].mixes["F"].project, nn.Linear)
