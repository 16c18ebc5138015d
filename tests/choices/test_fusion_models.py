"""The rows say of each model what the model itself demands."""

from inspect import Parameter, signature

import pytest

from mmer.choices.fusion_models import FUSION_MODELS, FusionModel
from mmer.choices.units import UNITS, speech_units

INPUTS = {"text_layers": 2, "speech_layers": 3, "dim": 8}
SIZES = {"hidden": 4, "heads": 2, "feedforward": 8, "blocks": 1}
SETS = [(), ("T",), ("F",), ("T", "F"), ("F", "P"), ("T", "F", "S"), ("T", "T"), UNITS]


def build(model, units):
    return model.load()(units, **INPUTS, **{name: SIZES[name] for name in model.sizes})


@pytest.mark.parametrize("key", FUSION_MODELS)
@pytest.mark.parametrize("units", SETS, ids="".join)
def test_a_row_refuses_the_units_that_its_model_refuses(key, units):
    model = FUSION_MODELS[key]
    if units and len(set(units)) == len(units) and not model.refuse_units(units, speech_units()):
        build(model, units)
        return
    with pytest.raises(ValueError):
        build(model, units)


@pytest.mark.parametrize("key", FUSION_MODELS)
def test_a_row_names_the_sizes_that_its_constructor_takes(key):
    model = FUSION_MODELS[key]
    own = {name for name, taken in signature(model.load()).parameters.items() if taken.kind is Parameter.KEYWORD_ONLY}
    assert own - {"classes", "dropout"} == set(model.sizes)


@pytest.mark.parametrize(("units", "said"), [("T", "Two or three reads 2 to 3 units, not T."), ("FP", ""), ("FPSW", "not F P S W")])
def test_units_are_counted(units, said):
    model = FusionModel("two", "two or three", "mmer.fusion:LateFusion", "late", ("hidden",), fewest_units=2, most_units=3)
    refused = model.refuse_units(units, speech_units())
    assert said in refused and bool(said) == bool(refused)


def test_text_is_not_offered_where_it_always_is():
    model = FUSION_MODELS["coattention"]
    assert model.offer_units(UNITS)[:4] == ("F", "P", "S", "W")
    assert model.choose_units(["S", "F"], UNITS) == ("T", "F", "S")
    assert FUSION_MODELS["late"].choose_units(["S", "F"], UNITS) == ("F", "S")
