"""The models against versions written out in float64, position by position, and against torch's own attention."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mmer.building_blocks import attention_maps
from mmer.building_blocks.transformer import Attention, EncoderBlock
from mmer.choices.fusion_models import FUSION_MODELS
from mmer.fusion import LateFusion, LayerMix, combine

DIM, TEXT_LAYERS, SPEECH_LAYERS = 16, 3, 2
LENGTHS = {"T": (5, 3, 4), "F": (11, 7, 1), "P": (6, 6, 2), "S": (3, 2, 2), "W": (2, 1, 1)}
MODELS = {"linear": "F", "transformer": "F", "late": "TFPSW", "coattention": "TFP", "concatenation": "TFP"}


def make_model(name, units=None, seed=0, **options):
    torch.manual_seed(seed)
    options |= {"heads": 4, "feedforward": 24} if name in ("coattention", "transformer") else {}
    model = (
        FUSION_MODELS[name].load()(units or MODELS[name], text_layers=TEXT_LAYERS, speech_layers=SPEECH_LAYERS, dim=DIM, **options).eval()
    )
    with torch.no_grad():
        for parameter in model.parameters():  # so that no bias is 0 and no norm is the identity
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def make_batch(seed=1, lengths=LENGTHS, speech_dim=DIM):
    torch.manual_seed(seed)
    states, masks = {}, {}
    for unit, counts in lengths.items():
        layers = TEXT_LAYERS if unit == "T" else SPEECH_LAYERS
        states[unit] = torch.randn(len(counts), layers, max(counts), DIM if unit == "T" else speech_dim)
        masks[unit] = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    return states, masks


def numbers(module):
    return {name: p.detach().double().numpy() for name, p in module.named_parameters()}


def one(states, masks, unit, row):
    """(layers, real segments, dim) of one utterance, float64."""
    return states[unit][row][:, masks[unit][row]].double().numpy()


# The slow versions. They take plain arrays and loop over positions.


def slow_norm(x, p, name):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def slow_linear(x, p, name):
    return p[f"{name}.weight"] @ x + p[f"{name}.bias"]


def slow_mix(states, p, name):
    w = p[f"{name}.weights"]
    rows = []
    for k in range(states.shape[1]):
        total = np.zeros(states.shape[2])
        for layer in range(len(w)):
            total = total + w[layer] * states[layer, k]
        rows.append(slow_norm(total / w.sum(), p, f"{name}.norm"))
    return [slow_linear(row, p, f"{name}.project") for row in rows] if f"{name}.project.weight" in p else rows


def slow_branch(rows, p, name):
    total = np.zeros(128)
    for u in rows:
        h = np.maximum(slow_linear(u, p, f"{name}.layer1"), 0)
        total = total + np.maximum(slow_linear(h, p, f"{name}.layer2"), 0)
    return slow_linear(total / len(rows), p, f"{name}.output")


def slow_block(rows, keys, p, name, heads=4):
    size = len(rows[0]) // heads
    out = []
    for x in rows:
        heard = []
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            q = slow_linear(x, p, f"{name}.attention.query")[part]
            scores = [q @ slow_linear(y, p, f"{name}.attention.key")[part] / math.sqrt(size) for y in keys]
            weights = np.exp(scores) / np.exp(scores).sum()
            heard.append(sum(w * slow_linear(y, p, f"{name}.attention.value")[part] for w, y in zip(weights, keys)))
        x = slow_norm(x + slow_linear(np.concatenate(heard), p, f"{name}.attention.out"), p, f"{name}.norm1")
        inner = np.maximum(slow_linear(x, p, f"{name}.layer1"), 0)
        out.append(slow_norm(x + slow_linear(inner, p, f"{name}.layer2"), p, f"{name}.norm2"))
    return out


def slow_logits(name, model, states, masks, row):
    p, units = numbers(model), MODELS[name]
    inputs = {u: one(states, masks, u, row) for u in units}
    if name == "linear":
        return slow_branch(slow_mix(inputs["F"], p, "mixes.F"), p, "branch")
    if name == "late":
        return sum(slow_branch(slow_mix(inputs[u], p, f"branches.{u}.mixes.{u}"), p, f"branches.{u}.branch") for u in units)
    rows = {u: slow_mix(inputs[u], p, f"mixes.{u}") for u in units}
    if name == "transformer":
        x = rows["F"]
        for i in range(3):
            x = slow_block(x, x, p, f"blocks.{i}")
        return slow_branch(x, p, "branch")
    if name == "concatenation":
        return slow_branch(rows["T"] + rows["F"] + rows["P"], p, "branch")
    c = []
    for u in "FP":
        speech, text = rows[u], rows["T"]
        for i in range(3):
            speech, text = slow_block(speech, text, p, f"blocks.{u}.{i}.speech"), slow_block(text, speech, p, f"blocks.{u}.{i}.text")
        c.append((np.mean(speech, 0) + np.mean(text, 0)) / 2)
    c = np.concatenate(c)
    g = slow_norm(np.maximum(slow_linear(c, p, "fuse"), 0) + c, p, "norm")
    return slow_linear(g, p, "output")


@pytest.mark.parametrize("name", MODELS)
def test_model_equals_its_written_out_version(name):
    model, (states, masks) = make_model(name), make_batch()
    logits = model(states, masks).logits.detach()
    assert logits.shape == (3, 4)
    for row in range(3):
        assert np.allclose(logits[row], slow_logits(name, model, states, masks, row), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("speech_dim", [8, 24])
def test_speech_of_another_width_is_projected_where_it_meets_the_text(name, speech_dim):
    """Once for each speech unit that meets the text, and nowhere else: late fusion and single units read it as it is."""
    model, (states, masks) = make_model(name, speech_dim=speech_dim), make_batch(speech_dim=speech_dim)
    logits = model(states, masks).logits.detach()
    for row in range(3):
        assert np.allclose(logits[row], slow_logits(name, model, states, masks, row), atol=1e-5)
    shapes = {n: tuple(p.shape) for n, p in model.named_parameters() if n.endswith("project.weight")}
    joined = name in ("coattention", "concatenation")
    assert shapes == ({f"mixes.{u}.project.weight": (DIM, speech_dim) for u in "FP"} if joined else {})


def test_speech_units_alone_meet_at_their_own_width():
    model = make_model("concatenation", units="FP", speech_dim=24)
    assert model.branch.layer1.in_features == 24 and not any("project" in name for name, _ in model.named_parameters())


def test_a_pair_of_one_width_has_no_projection():
    for name in MODELS:
        assert make_model(name, speech_dim=DIM).state_dict().keys() == make_model(name).state_dict().keys()
        assert not any("project" in key for key in make_model(name).state_dict())


def as_torch_attention(attention):
    """nn.MultiheadAttention with the same weights."""
    twin = nn.MultiheadAttention(DIM, attention.heads, batch_first=True).eval()
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([attention.query.weight, attention.key.weight, attention.value.weight]))
        twin.in_proj_bias.copy_(torch.cat([attention.query.bias, attention.key.bias, attention.value.bias]))
    twin.out_proj.load_state_dict(attention.out.state_dict())
    return twin


def test_attention_equals_torch_multihead_attention():
    torch.manual_seed(0)
    attention = Attention(DIM, 4)
    for p in attention.parameters():
        nn.init.normal_(p)
    x, keys = torch.randn(2, 5, DIM), torch.randn(2, 7, DIM)
    mask = torch.arange(7) < torch.tensor([[7], [3]])
    expected, weights = as_torch_attention(attention)(x, keys, keys, key_padding_mask=~mask, average_attn_weights=False)
    assert torch.allclose(attention(x, keys, mask), expected, atol=1e-5)
    collect = attention_maps.MapCollector(torch.ones(2, 5, dtype=torch.bool))
    assert torch.allclose(attention(x, keys, mask, collect=collect), expected, atol=1e-5)
    assert torch.allclose(torch.stack(collect.maps, 1), weights, atol=1e-6)


def test_block_equals_torch_encoder_layer():
    torch.manual_seed(0)
    block = EncoderBlock(dim=DIM, heads=4, feedforward=24, dropout=0.2).eval()
    twin = nn.TransformerEncoderLayer(DIM, 4, 24, 0.2, batch_first=True).eval()
    twin.self_attn = as_torch_attention(block.attention)
    pairs = ((twin.linear1, block.layer1), (twin.linear2, block.layer2), (twin.norm1, block.norm1), (twin.norm2, block.norm2))
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, DIM)
    assert torch.allclose(block(x, x, torch.ones(2, 5, dtype=torch.bool)), twin(x), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_explaining_changes_no_logit(name):
    model, (states, masks) = make_model(name), make_batch()
    assert torch.allclose(model(states, masks).logits, model(states, masks, explain=True).logits, atol=1e-5)


@pytest.mark.parametrize("name", ["linear", "transformer", "late", "concatenation"])
def test_contributions_and_biases_sum_to_logits(name):
    model, (states, masks) = make_model(name), make_batch()
    masks["P"][2] = False
    output = model(states, masks, explain=True)
    for unit, parts in output.contributions.items():
        assert parts.shape == (3, max(LENGTHS[unit]), 4)
        assert torch.allclose(output.bias[unit] + parts.sum(1), output.branch_logits[unit], atol=1e-5)
        assert (parts[~masks[unit]] == 0).all()
    assert torch.allclose(sum(output.branch_logits.values()), output.logits, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_padding_never_changes_a_result(name):
    model, (states, masks) = make_model(name), make_batch()
    masks["P"][1] = False  # an utterance without this unit
    expected = model(states, masks, explain=True)
    garbage = {u: torch.where(masks[u][:, None, :, None], s, 1e3 * torch.randn_like(s)) for u, s in states.items()}
    longer = {u: torch.cat([s, 1e3 * torch.randn(3, s.shape[1], 4, DIM)], 2) for u, s in garbage.items()}
    longer_masks = {u: torch.cat([m, torch.zeros(3, 4, dtype=torch.bool)], 1) for u, m in masks.items()}
    for other_states, other_masks in ((garbage, masks), (longer, longer_masks)):
        for explain in (False, True):
            assert torch.allclose(model(other_states, other_masks, explain=explain).logits, expected.logits, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_batch_order_does_not_matter(name):
    model, (states, masks) = make_model(name), make_batch()
    order = [2, 0, 1]
    turned = model({u: s[order] for u, s in states.items()}, {u: m[order] for u, m in masks.items()}).logits
    assert torch.allclose(turned, model(states, masks).logits[order], atol=1e-5)


def test_late_fusion_leaves_an_absent_unit_out_of_the_sum():
    model, (states, masks) = make_model("late"), make_batch()
    full = model(states, masks)
    masks["S"][1] = False
    output = model(states, masks, explain=True)
    assert (output.branch_logits["S"][1] == 0).all() and (output.bias["S"][1] == 0).all()
    assert torch.allclose(output.logits[1], full.logits[1] - full.branch_logits["S"][1], atol=1e-5)
    assert torch.allclose(output.logits[0], full.logits[0])
    without = model({u: s for u, s in states.items() if u != "S"}, masks)
    assert torch.allclose(without.logits[1], output.logits[1], atol=1e-6)
    assert set(without.branch_logits) == set(without.layer_weights) == set("TFPW")


def test_absent_unit_gets_no_gradient():
    model, (states, masks) = make_model("late"), make_batch()
    masks["S"][:] = False
    model.train()(states, masks).logits.square().sum().backward()
    assert all(p.grad is None or (p.grad == 0).all() for p in model.branches["S"].parameters())
    assert all((p.grad != 0).any() for p in model.branches["F"].parameters())


def test_late_fusion_without_any_unit_is_refused():
    with pytest.raises(ValueError, match="at least one of the units T, F"):
        make_model("late", "TF")({}, {})


@pytest.mark.parametrize("name", ["coattention", "concatenation"])
def test_early_fusion_names_the_missing_unit(name):
    states, masks = make_batch()
    del states["P"]
    with pytest.raises(ValueError, match="missing: P"):
        make_model(name)(states, masks)


@pytest.mark.parametrize("gone", ["T", "P"])
def test_coattention_without_one_modality_is_finite_and_reads_the_other(gone):
    model, (states, masks) = make_model("coattention"), make_batch()
    masks[gone][1] = False
    model.train()
    output = model(states, masks)
    output.logits.sum().backward()
    assert output.logits.isfinite().all() and all(p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    before = model(states, masks, explain=True).logits[1]
    states["F"] = torch.randn_like(states["F"])
    assert before.isfinite().all() and not torch.allclose(model(states, masks).logits[1], before)


def test_layer_weights_are_divided_by_their_sum():
    mix = LayerMix(3, DIM)
    assert torch.equal(mix.weights, torch.ones(3))
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([2.0, -0.5, 0.5]))
    assert torch.allclose(mix.normalise_weights(), torch.tensor([1.0, -0.25, 0.25]))


@pytest.mark.parametrize(("total", "sign"), [(0.0, 1), (1e-6, 1), (-1e-6, -1)])
def test_weight_sum_near_zero_is_guarded_and_keeps_its_sign(total, sign):
    mix = LayerMix(2, DIM).double()
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([1.0 + total, -1.0], dtype=torch.float64))
    normalised = mix.normalise_weights()
    assert torch.allclose(normalised, sign * torch.tensor([1000.0, -1000.0], dtype=torch.float64), rtol=1e-5)
    normalised.square().sum().backward()
    assert mix.weights.grad.isfinite().all() and (mix.weights.grad != 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_gradient_reaches_every_parameter(name):
    model, (states, masks) = make_model(name), make_batch()
    model.train()(states, masks).logits.square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        if not parameter_name.endswith("key.bias"):  # a shift of all scores: softmax ignores it
            assert parameter.grad.abs().sum() > 0, parameter_name


def test_text_layer_weights_are_shared_by_the_granularities():
    assert sorted(n for n, _ in make_model("coattention").named_parameters() if n.endswith(".weights")) == [
        "mixes.F.weights",
        "mixes.P.weights",
        "mixes.T.weights",
    ]


def test_coattention_maps_have_their_axes_and_sum_to_one():
    model, (states, masks) = make_model("coattention"), make_batch()
    output = model(states, masks, explain=True)
    assert output.branch_logits is None and output.bias is None and output.contributions is None
    maps = output.coattention["F"]
    assert maps.text_to_speech.shape == (3, 3, 4, 5, 11) and maps.speech_to_text.shape == (3, 3, 4, 11, 5)
    assert maps.segments_per_cell == 1
    assert torch.allclose(maps.text_to_speech[1, :, :, :3, :7].sum(-1), torch.ones(3, 4, 3), atol=1e-5)
    assert torch.allclose(maps.speech_to_text[1, :, :, :7, :3].sum(-1), torch.ones(3, 4, 7), atol=1e-5)
    assert (maps.text_to_speech[1, :, :, :, 7:] == 0).all() and (maps.text_to_speech[1, :, :, 3:] == 0).all()


def test_maps_are_for_evaluation_only():
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        make_model("coattention").train()(*make_batch(), explain=True)


def test_long_inputs_share_cells_keys_summed_queries_averaged(monkeypatch):
    model, (states, masks) = make_model("coattention"), make_batch(lengths={"T": (5,), "F": (11,), "P": (6,)})
    fine = model(states, masks, explain=True)
    monkeypatch.setattr(attention_maps, "MAX_MAP_VALUES", 2 * 3 * 4 * 5 * 3)  # room for 3 cells
    coarse = model(states, masks, explain=True)
    full, binned = fine.coattention["F"], coarse.coattention["F"]
    assert binned.segments_per_cell == 4 and binned.text_to_speech.shape[-1] == 3
    parts = [slice(0, 4), slice(4, 8), slice(8, 11)]
    assert torch.allclose(binned.text_to_speech, torch.stack([full.text_to_speech[..., p].sum(-1) for p in parts], -1), atol=1e-6)
    assert torch.allclose(binned.speech_to_text, torch.stack([full.speech_to_text[..., p, :].mean(-2) for p in parts], -2), atol=1e-6)
    assert torch.equal(fine.logits, coarse.logits)


@pytest.mark.parametrize("name", MODELS)
def test_half_precision_states_are_taken(name):
    model, (states, masks) = make_model(name), make_batch()
    half = {u: s.half() for u, s in states.items()}
    assert torch.allclose(model(half, masks).logits, model({u: s.float() for u, s in half.items()}, masks).logits, atol=1e-6)


def test_models_can_be_stacked():
    states, masks = make_batch()
    models = [make_model("late", "TFS", seed=seed) for seed in range(2)]
    parameters, buffers = torch.func.stack_module_state(models)

    def call(parameters, buffers):
        return torch.func.functional_call(models[0], (parameters, buffers), (states, masks)).logits

    stacked = torch.vmap(call)(parameters, buffers)
    for model, logits in zip(models, stacked):
        assert torch.allclose(model(states, masks).logits, logits, atol=1e-5)


def test_combination_is_the_mean():
    assert torch.equal(combine(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -2.0])), torch.tensor([2.0, 0.0]))


@pytest.mark.parametrize("units", ["", "FF", "X"])
def test_wrong_units_are_refused(units):
    with pytest.raises(ValueError, match="letters out of"):
        LateFusion(units, text_layers=3, speech_layers=2, dim=DIM)


def test_heads_must_divide_the_dimensions():
    with pytest.raises(ValueError, match="3 heads do not divide 16"):
        Attention(DIM, 3)
