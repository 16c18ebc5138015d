"""Heads: what is saved comes back, what was altered is refused, and the numbers behind "sure" are checked another way."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
import torch

from mmer.errors import HeadError
from mmer.heads import folder as head_folder
from mmer.heads.calibration import softmax
from mmer.heads.config import HeadConfig, read_layer_rate
from mmer.heads.config_file import list_heads, read_config
from mmer.heads.folder import load_combination, load_head, load_heads, load_single, save_combination, save_head
from mmer.heads.head import CombinedHead, Head, build_model
from mmer.heads.normalisation import Normalisation
from mmer.heads.novelty import fit_novelty
from mmer.results import Features, UnitStates

DIM = 16
SIZES = {"T": (3, 5), "F": (2, 11), "P": (2, 6), "S": (2, 3)}  # layers, segments


def make_features(units="TFPS", *, preset="compact", absent=None, seed=0, dim=DIM):
    random = np.random.default_rng(seed)
    found = {}
    for unit in units:
        layers, segments = SIZES[unit]
        states = random.normal(size=(layers, segments, dim)).astype(np.float32)
        times = None if unit == "T" else np.arange(segments, dtype=float)
        ends = None if times is None else times + 1
        found[unit] = UnitStates(unit, states, tuple(f"{unit}{k}" for k in range(segments)), times, ends, np.zeros(segments, int))
    return Features(preset, found, absent or {})


def make_config(name="late-fs", fusion="late", units=("T", "F", "S"), **changes):
    config = HeadConfig(name, f"Title of {name}", fusion, units, "compact", ("1", "2", "3"), ("1", "2"), DIM, heads=4, feedforward=24)
    return replace(config, **{"trained_on": "made-up numbers", **changes})


def make_normalisation(seed=5):
    random = np.random.default_rng(seed)
    frames = random.normal(2, 3, size=(2, 80, DIM)).astype(np.float32)
    return Normalisation(frames.mean(1), frames.std(1))


def save_small(root, name="late-fs", fusion="late", units=("T", "F", "S"), *, half=True, seed=0, **changes):
    torch.manual_seed(seed)
    config = make_config(name, fusion, units, **changes)
    model = build_model(config).eval()
    random = np.random.default_rng(seed)
    novelty = fit_novelty(random.normal(size=(30, 2 * DIM)).astype(np.float32), components=4)
    save_head(root / name, config, model, normalisation=make_normalisation(), novelty=novelty, half=half)
    return model


def save_pair(root):
    save_small(root, seed=1, temperature=2.0)
    save_small(root, "coattention-fp", "coattention", ("T", "F", "P"), seed=2)
    early, late = load_single(root / "coattention-fp"), load_single(root / "late-fs")
    config = make_config("combined", "combination", ("T", "F", "P", "S"), temperature=1.5, margin=0.1)
    save_combination(root / "combined", config, early=early, late=late)
    return early, late


@pytest.mark.parametrize(
    ("training", "rate"),
    [
        ({"config": {"layer_rate": 20.0}}, 20.0),
        ({"experiments": {"one": {"layer_rate": 1.0}, "two": {"layer_rate": 5.0}}}, 5.0),
        ({}, None),
        ({"config": {"layer_rate": "fast"}, "experiments": 3}, None),
    ],
)
def test_how_fast_layer_weights_learned_is_read_from_the_head_s_training(tmp_path, training, rate):
    save_small(tmp_path, training=training)
    assert read_layer_rate(read_config(tmp_path / "late-fs")) == rate


def test_head_survives_saving_and_loading(tmp_path):
    model = save_small(tmp_path, half=False, temperature=1.7, margin=0.2, novelty_threshold=1.5, training={"seed": 3, "clips": {"a": 5}})
    head = load_head(tmp_path / "late-fs")
    assert head.config.temperature == 1.7 and head.config.training == {"seed": 3, "clips": {"a": 5}} and head.config.normalised
    features = make_features()
    prediction = head.predict(features)
    norm = make_normalisation()
    states = {u: torch.from_numpy(features.units[u].states if u == "T" else norm.apply(features.units[u].states))[None] for u in "TFS"}
    expected = model(states, {u: torch.ones(1, s.shape[2], dtype=torch.bool) for u, s in states.items()}).logits[0].detach().numpy()
    assert np.allclose(prediction.logits, expected, atol=1e-6)
    assert np.allclose(prediction.probabilities, np.exp(expected / 1.7) / np.exp(expected / 1.7).sum(), atol=1e-6)
    assert prediction.head_sha256 == head.sha256 == load_head(tmp_path / "late-fs").sha256
    assert (prediction.role, prediction.units, prediction.margin, prediction.novelty_threshold) == ("late", ("T", "F", "S"), 0.2, 1.5)


def test_half_precision_on_disk_changes_little_and_is_read_as_float32(tmp_path):
    model = save_small(tmp_path)
    head = load_head(tmp_path / "late-fs")
    assert all(p.dtype == torch.float32 for p in head.model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(head.model.state_dict()[name], value.half().float())
    full = Head(head.config, model, normalisation=head.normalisation).predict(make_features())
    assert np.allclose(head.predict(make_features()).logits, full.logits, atol=2e-3)


def test_branches_add_up_to_the_logits(tmp_path):
    save_small(tmp_path)
    prediction = load_head(tmp_path / "late-fs").predict(make_features())
    assert [b.unit for b in prediction.branches] == ["T", "F", "S"]
    for branch in prediction.branches:
        assert np.allclose(branch.bias + branch.contributions.sum(0), branch.logits, atol=1e-5)
    assert np.allclose(sum(b.logits for b in prediction.branches), prediction.logits, atol=1e-5)
    weights = prediction.layer_weights["F"]
    assert weights.layer_names == ("1", "2") and np.allclose(weights.normalised, 0.5) and np.allclose(weights.raw, 1)


def test_large_heads_are_sharded_below_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(head_folder, "MAX_SHARD_BYTES", 4000)
    save_small(tmp_path, half=False)
    files = sorted(p.name for p in (tmp_path / "late-fs").glob("*.safetensors"))
    assert len(files) > 1 and files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    sharded = load_head(tmp_path / "late-fs").predict(make_features()).logits
    monkeypatch.undo()
    save_small(tmp_path, half=False)
    assert [p.name for p in (tmp_path / "late-fs").glob("*.safetensors")] == ["model.safetensors"]
    assert np.array_equal(load_head(tmp_path / "late-fs").predict(make_features()).logits, sharded)


def test_late_head_leaves_out_what_is_absent(tmp_path):
    save_small(tmp_path)
    head = load_head(tmp_path / "late-fs")
    full, less = head.predict(make_features()), head.predict(make_features("TF"))
    assert less.units == ("T", "F") and set(less.layer_weights) == {"T", "F"}
    alone = {b.unit: b.logits for b in full.branches}
    assert np.allclose(less.logits, alone["T"] + head.predict(make_features("TF")).branches[1].logits, atol=1e-5)
    empty = make_features("TF")
    nothing = UnitStates("S", np.zeros((2, 0, DIM), np.float32), (), np.zeros(0), np.zeros(0), np.zeros(0, int))
    assert np.array_equal(head.predict(replace(empty, units={**empty.units, "S": nothing})).logits, less.logits)


def test_how_sure_a_sum_without_one_of_its_branches_is_was_never_measured(tmp_path):
    save_small(tmp_path, measured_clips=200, margin=0.001)
    save_small(tmp_path, "coattention-f", "coattention", ("T", "F"), measured_clips=200, margin=0.001)
    late, early = (load_head(tmp_path / name) for name in ("late-fs", "coattention-f"))
    both = CombinedHead(make_config("combined", "combination", measured_clips=200), early=early, late=late)
    whole, less = both.predict_all(make_features()), both.predict_all(make_features("TF"))
    assert {role: p.measured_clips for role, p in whole.items()} == {"late": 200, "early": 200, "combined": 200}
    assert {role: p.measured_clips for role, p in less.items()} == {"late": None, "early": 200, "combined": None}
    assert late.predict(make_features("F")).verdict in ("never measured", "unfamiliar")


def test_head_without_any_of_its_units_says_why(tmp_path):
    save_small(tmp_path)
    with pytest.raises(HeadError, match=r"Title of late-fs needs text and frames and syllables. No words."):
        load_head(tmp_path / "late-fs").predict(make_features("P", absent=dict.fromkeys("TFS", "No words.")))


def test_early_head_names_the_missing_unit_and_the_reason(tmp_path):
    save_small(tmp_path, "coattention-fp", "coattention", ("T", "F", "P"))
    head = load_head(tmp_path / "coattention-fp")
    features = make_features("TF", absent={"P": "The words don't match the sound."})
    assert head.unavailable(features) == {"early": "Title of coattention-fp needs phones. The words don't match the sound."}
    assert head.predict_all(features) == {}
    with pytest.raises(HeadError, match="needs phones"):
        head.predict(features)


def test_early_head_returns_maps_and_no_branches(tmp_path):
    save_small(tmp_path, "coattention-fp", "coattention", ("T", "F", "P"))
    prediction = load_head(tmp_path / "coattention-fp").predict(make_features())
    assert prediction.role == "early" and prediction.branches is None
    maps = prediction.coattention["P"]
    assert maps.text_to_speech.shape == (3, 4, 5, 6) and maps.speech_to_text.shape == (3, 4, 6, 5)
    assert np.allclose(maps.text_to_speech.sum(-1), 1, atol=1e-5) and np.allclose(maps.speech_to_text.sum(-1), 1, atol=1e-5)


def test_combination_is_the_mean_of_its_members_before_their_temperature(tmp_path):
    save_pair(tmp_path)
    head = load_head(tmp_path / "combined")
    predictions = head.predict_all(make_features())
    assert list(predictions) == ["late", "early", "combined"]
    combined, early, late = predictions["combined"], predictions["early"], predictions["late"]
    assert np.allclose(combined.logits, (early.logits + late.logits) / 2, atol=1e-6)
    assert np.allclose(combined.probabilities, softmax(combined.logits / 1.5))
    assert combined.members == ("early", "late") and combined.units == ("T", "F", "P", "S") and combined.margin == 0.1
    assert combined.novelty == late.novelty is not None
    assert [i.name for i in head.infos] == ["late-fs", "coattention-fp", "combined"]
    assert np.array_equal(head.predict(make_features()).logits, combined.logits)


def test_combination_without_phones_keeps_the_late_model(tmp_path):
    save_pair(tmp_path)
    head = load_combination(tmp_path / "combined")
    features = make_features("TF", absent={"P": "No alignment.", "S": "No alignment."})
    assert list(head.predict_all(features)) == ["late"]
    assert set(head.unavailable(features)) == {"early", "combined"}
    with pytest.raises(HeadError, match="needs both its models"):
        head.predict(features)


def test_heads_are_listed_with_their_configs(tmp_path):
    save_pair(tmp_path)
    (tmp_path / "notes").mkdir()
    found = list_heads(tmp_path)
    assert list(found) == ["coattention-fp", "combined", "late-fs"]
    assert found["combined"].members["late"]["sha256"] == load_head(tmp_path / "late-fs").sha256


def test_hash_changes_with_the_weights_and_with_the_config(tmp_path):
    save_small(tmp_path / "a", seed=1)
    save_small(tmp_path / "b", seed=2)
    save_small(tmp_path / "c", seed=1, temperature=1.1)
    assert len({load_head(tmp_path / x / "late-fs").sha256 for x in "abc"}) == 3


def test_altered_weights_are_refused(tmp_path):
    save_small(tmp_path)
    path = tmp_path / "late-fs" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(HeadError, match=r"model.safetensors was altered: its sha256 is"):
        load_head(tmp_path / "late-fs")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(HeadError, match=r"There is no head in .*: config.json is missing"):
        load_head(tmp_path / "nothing")
    save_small(tmp_path)
    (tmp_path / "late-fs" / "model.safetensors").unlink()
    with pytest.raises(HeadError, match=r"Head late-fs is incomplete: .*model.safetensors is missing"):
        load_head(tmp_path / "late-fs")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "has format 2; this version of mmer reads format 1"),
        ({"extra": 1}, "missing or unknown fields: extra"),
        ({"fusion": "magic"}, "unknown fusion 'magic'"),
        ({"temperature": 0}, "temperature 0.0; it must be above 0 and at most 1000"),
        ({"hidden": 64}, "do not fit its config.json"),
        ({"temperature": "hot"}, r"config.json: temperature: expected a number, found .hot.. Install the head again"),
        ({"margin": None}, "has the margin nan; it must be a number"),
        ({"units": ["T", "X"]}, "has the units T, X; they must be different letters of T, F, P, S, W"),
        ({"units": "TFS"}, "units: expected a list"),
        ({"hidden": 2.5}, "hidden: expected int"),
        ({"hidden": -3}, "has the hidden -3; it must be from 1 to 8,192"),
        ({"weights": [1]}, "weights: expected an object"),
        ({"dim": 10**9}, "has the dim 1000000000; it must be from 1 to 8,192"),
        ({"blocks": 10**9}, "has the blocks 1000000000"),
        ({"dim": 8192, "hidden": 8192}, "do not fit its config.json"),
        ({"temperature": float("inf")}, "has the temperature inf; it must be above 0 and at most 1000"),
        ({"temperature": float("nan")}, "has the temperature nan"),
        ({"margin": -1}, "has the margin -1.0"),
        ({"novelty_threshold": float("inf")}, "has the novelty threshold inf"),
        ({"classes": ["anger"] * 4}, "has the classes anger, anger, anger, anger; they must be 2 to 12 different names"),
        ({"classes": ["anger"]}, "has the classes anger;"),
        ({"classes": ["anger", "x" * 5000]}, "has the classes anger, xxx"),
        ({"units": []}, "has the units ; they must be different"),
        ({"dropout": 5}, "has the dropout 5"),
        ({"speech_layers": ["1", "1"]}, "has the speech layers 1, 1"),
        ({"normalised": False}, "has too much: normalisation"),
        ({"training": {"layer weights": 5}}, "stores its runs' layer weights as 5"),
        ({"weights": {}}, "names no weight file"),
        ({"weights": {"../model.safetensors": "0"}}, "is incomplete"),
        ({"weights": {"x" * 5000: "0"}}, "is incomplete"),
    ],
)
def test_broken_config_is_refused(tmp_path, changes, message):
    save_small(tmp_path)
    edit_config(tmp_path / "late-fs", **changes)
    with pytest.raises(HeadError, match=message):
        load_head(tmp_path / "late-fs")


def test_unreadable_config_is_refused(tmp_path):
    save_small(tmp_path)
    (tmp_path / "late-fs" / "config.json").write_text("{")
    with pytest.raises(HeadError, match="not JSON"):
        load_head(tmp_path / "late-fs")


def test_other_preset_is_refused(tmp_path):
    save_small(tmp_path)
    with pytest.raises(HeadError, match="Head late-fs was made for the preset compact, not paper"):
        load_head(tmp_path / "late-fs").predict(make_features(preset="paper"))


def test_other_sizes_are_refused(tmp_path):
    save_small(tmp_path)
    with pytest.raises(HeadError, match="reads 3 layers of 16 dimensions for text, not 3 of 8"):
        load_head(tmp_path / "late-fs").predict(make_features(dim=8))


def test_a_head_of_encoders_of_unlike_width_survives_saving_and_reads_each_at_its_own(tmp_path):
    config = make_config("unlike", "coattention", ("T", "F"), speech_dim=24)
    torch.manual_seed(3)
    save_head(tmp_path / "unlike", config, build_model(config).eval(), half=False)
    head = load_head(tmp_path / "unlike")
    assert head.config.speech_dim == 24 and (head.config.width("T"), head.config.width("F")) == (DIM, 24)
    features = make_features("T")
    wide = make_features("F", dim=24)
    both = Features("compact", {**features.units, **wide.units})
    assert np.isfinite(head.predict(both).logits).all()
    with pytest.raises(HeadError, match=rf"reads 2 layers of 24 dimensions for frames, not 2 of {DIM}"):
        head.predict(make_features("TF"))


def test_a_head_that_has_not_the_sizes_of_its_preset_is_refused_when_heads_are_loaded(tmp_path):
    save_small(tmp_path)
    with pytest.raises(HeadError, match=rf"Head late-fs reads 3 layers of {DIM} numbers for T, but the preset compact gives 6 of 384"):
        load_heads(tmp_path, preset="compact")
    save_small(tmp_path / "others", preset="own-encoders")
    assert list(load_heads(tmp_path / "others", preset="own-encoders")) == ["late-fs"]


@pytest.mark.parametrize("wrong", [0, 9000])
def test_a_speech_width_that_cannot_be_is_refused(wrong):
    with pytest.raises(HeadError, match=f"has the speech dim {wrong}; it must be from 1 to 8,192, or null"):
        make_config(speech_dim=wrong)


def test_replaced_member_is_refused(tmp_path):
    save_pair(tmp_path)
    save_small(tmp_path, seed=9)
    with pytest.raises(HeadError, match="Head combined was made of another version of late-fs"):
        load_head(tmp_path / "combined")


def test_a_member_without_a_hash_is_refused(tmp_path):
    save_pair(tmp_path)
    edit_config(tmp_path / "combined", members={"late": {"name": "late-fs"}, "early": {"name": "coattention-fp", "sha256": ""}})
    with pytest.raises(HeadError, match="names its late member without sha256"):
        load_head(tmp_path / "combined")


def test_a_renamed_folder_is_the_same_head_under_its_new_name(tmp_path):
    save_pair(tmp_path)
    before = load_head(tmp_path / "combined")
    (tmp_path / "combined").rename(tmp_path / "0f3a")
    after = load_head(tmp_path / "0f3a")
    assert (after.config.name, after.sha256) == ("0f3a", before.sha256)
    assert [info.name for info in after.infos] == ["late-fs", "coattention-fp", "0f3a"]


def test_member_outside_the_folder_is_refused(tmp_path):
    save_pair(tmp_path)
    members = json.loads((tmp_path / "combined" / "config.json").read_text())["members"]
    edit_config(tmp_path / "combined", members=members | {"late": {"name": "../late-fs", "sha256": ""}})
    with pytest.raises(HeadError, match="must be a folder beside its own"):
        load_head(tmp_path / "combined")


def alter_arrays(folder, change):
    """Changes the arrays of a saved head, and the hash that its config holds of them, as whoever made it could."""
    path = folder / "model.safetensors"
    arrays = safetensors.numpy.load(path.read_bytes())
    change(arrays)
    data = safetensors.numpy.save(arrays)
    path.write_bytes(data)
    edit_config(folder, weights={"model.safetensors": hashlib.sha256(data).hexdigest()})


def put(name, value):
    def change(arrays):
        arrays[name] = value(arrays.get(name))

    return change


def spoil(number):
    def value(array):
        array = array.copy()
        array.flat[1] = number
        return array

    return value


ARRAYS = {  # what is changed -> what the sentence must say
    "NaN": (put("normalisation.mean", spoil(np.nan)), "holds values that are not numbers .* in normalisation.mean"),
    "infinite": (put("novelty.basis", spoil(np.inf)), "holds values that are not numbers .* in novelty.basis"),
    "one row of mean": (put("normalisation.mean", lambda a: a[:1].copy()), r"normalisation.mean has the shape \[1, 16\], not \[2, 16\]"),
    "a scalar": (put("normalisation.deviation", lambda a: a[:, :1].copy()), r"normalisation.deviation has the shape \[2, 1\]"),
    "no deviation": (lambda arrays: arrays.pop("normalisation.deviation"), "lacks normalisation.deviation"),
    "zero": (put("normalisation.deviation", spoil(0)), "divides by normalisation.deviation"),
    "negative": (put("novelty.scale", spoil(-1)), "divides by novelty.scale"),
    "other values": (put("novelty.mean", lambda a: a[:5].copy()), "novelty.mean has the shape"),
    "stranger": (put("other.thing", lambda a: np.zeros(3, np.float32)), "weights that no part of the model uses: other"),
    "more": (put("model.thing", lambda a: np.zeros(3, np.float32)), "has too much: model.thing"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_would_change_what_it_says_are_refused(tmp_path, kind):
    change, message = ARRAYS[kind]
    save_small(tmp_path)
    alter_arrays(tmp_path / "late-fs", change)
    with pytest.raises(HeadError, match=message):
        load_head(tmp_path / "late-fs")


def test_any_weight_that_is_no_number_is_found(tmp_path):
    save_small(tmp_path)
    names = list(safetensors.numpy.load((tmp_path / "late-fs" / "model.safetensors").read_bytes()))
    for name in [n for n in names if n.startswith("model.")][:4]:
        save_small(tmp_path)
        alter_arrays(tmp_path / "late-fs", put(name, lambda a: np.full_like(a, np.nan)))
        with pytest.raises(HeadError, match=f"in {name}"):
            load_head(tmp_path / "late-fs")


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    config, saved = make_config(), tmp_path / "late-fs"
    for value, half in ((float("nan"), False), (1e6, True)):
        model = build_model(config)
        with torch.no_grad():
            next(model.parameters()).fill_(value)
        with pytest.raises(HeadError, match="can't be saved"):
            save_head(saved, config, model, half=half)
        assert not (saved / "config.json").exists()
