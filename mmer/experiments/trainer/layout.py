"""A model's parameters as one row of a matrix: where each stands, and models that are views of their rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mmer.building_blocks.dropout import Dropout
from mmer.experiments.experiment import Experiment, shape_head
from mmer.fusion import LayerMix
from mmer.heads.config import HeadConfig
from mmer.heads.head import build_model


class ParameterLayout:
    """Where each parameter of a model stands in its run's row: first Equation 1's raw weights, unit by unit, then the rest."""

    def __init__(self, model: nn.Module):
        mixes = {f"{name}.weights" for name, module in model.named_modules() if isinstance(module, LayerMix)}
        names = [name for name, _ in model.named_parameters()]
        parameters = dict(model.named_parameters())
        self.names = sorted(names, key=lambda name: (name not in mixes, names.index(name)))
        self.shapes = {name: tuple(parameters[name].shape) for name in self.names}
        ends = np.cumsum([parameters[name].numel() for name in self.names])
        self.slices = {name: slice(int(end) - parameters[name].numel(), int(end)) for name, end in zip(self.names, ends)}
        self.mixes = sum(parameters[name].numel() for name in mixes)
        self.mix_slices = {name.split(".")[-2]: self.slices[name] for name in mixes}  # unit -> its raw weights
        self.size = int(ends[-1])
        self.keys = [f"{name}.key" for name, module in model.named_modules() if isinstance(module, Dropout)]

    @property
    def sites(self) -> int:
        """How many dropout layers the model has."""
        return len(self.keys)

    def flatten(self, model: nn.Module) -> Tensor:
        parameters = dict(model.named_parameters())
        return torch.cat([parameters[name].detach().flatten() for name in self.names])

    def view_model(self, head: HeadConfig, row: Tensor, grad: Tensor) -> nn.Module:
        """A model whose parameters and gradients are views of one row each."""
        with torch.device(row.device):
            model = key_dropouts(build_model(head))
        for name, parameter in model.named_parameters():
            parameter.data = row[self.slices[name]].view(self.shapes[name])
            parameter.grad = grad[self.slices[name]].view(self.shapes[name])
        return model

    def view_rows(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters by name, (runs, *shape), as leaf tensors that are views of (runs, parameters)."""
        found = {}
        for name in self.names:
            found[name] = torch.unflatten(flat[:, self.slices[name]], 1, self.shapes[name]).detach().requires_grad_()
        return found


def make_model(head: HeadConfig, seed: int) -> nn.Module:
    """A model with the initial weights of one seed, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(head)


def key_dropouts(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, Dropout):
            module.keyed = True
    return model


def set_keys(model: nn.Module, keys: np.ndarray) -> None:
    """Gives each dropout layer its key; `keys` (sites,) int32 are in the order of the model's modules."""
    dropouts = [module for module in model.modules() if isinstance(module, Dropout)]
    for dropout, key in zip(dropouts, keys.tolist()):
        dropout.key.fill_(key)


def count_parameters(experiment: Experiment) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in build_model(shape_head(experiment)).parameters())


def count_run_bytes(experiment: Experiment) -> int:
    """How many bytes one run takes: weights, best weights, gradient, two moments; float32."""
    return 5 * 4 * count_parameters(experiment)


STATE_BYTES = {"cpu": 3 * 2**30 // 2, "mps": 3 * 2**30 // 2}  # what the parameters of the runs trained together may take
STATE_SHARE = 0.3  # of a GPU's memory; of all of it, not of what is free, so that the groups are the same when training goes on


def limit_state_bytes(device: str) -> int:
    """What the parameters of the runs trained together may take, with all that belongs to them."""
    return STATE_BYTES[device] if device in STATE_BYTES else int(STATE_SHARE * torch.cuda.mem_get_info(device)[1])
