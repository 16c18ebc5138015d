"""What a GPU makes of training: whether it computes what a CPU computes, how fast it is, and where the time goes. One command, no corpus.

    PYTHONPATH=. python benchmarks/gpu.py --csv gpu.csv      # a CUDA device, under 8 minutes
    PYTHONPATH=. python benchmarks/gpu.py --tiny             # any machine, under a minute: that the script itself works

Features are random numbers of the paper's sizes (12 layers, 768 dimensions), utterances as long as IEMOCAP's. "One by one" is a plain loop
over one model with its features resident on the device, PyTorch's dropout and fused Adam, float32 with TF32 off; some runs are measured and
counted for all. Goals are those of an 80 GB card. Floors are the bytes and products of a step over what this very card copies and
multiplies a second, both measured here. Further parts of the product are measured by functions of their own, which PARTS lists.
"""

from __future__ import annotations

import argparse
import csv
import gc
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from mmer.choices.units import UNITS
from mmer.devices.choice import Choice, Device
from mmer.devices.placement import Placement, full_precision
from mmer.encoders.device_pooling import PoolingEncoder, PoolingRequest
from mmer.encoders.encoders import SpeechEncoder
from mmer.encoders.pooling import PooledClip
from mmer.encoders.presets import PRESETS
from mmer.encoders.speech_models import WaveModel
from mmer.experiments.batched.forms import choose_form
from mmer.experiments.batched.kernel_check import explain_no_kernels
from mmer.experiments.batched.numerics import CudaMemory
from mmer.experiments.batched.packed_features import DISK, PINNED, RESIDENT, PackedFeatures
from mmer.experiments.batched.plan import plan_training
from mmer.experiments.batched.steps import ATTENTION_MULTIPLE, BatchedSteps
from mmer.experiments.experiment import Experiment, shape_head
from mmer.experiments.remaining import count_least_epochs, count_steps, guess_epochs
from mmer.experiments.trainer.layout import count_run_bytes, limit_state_bytes, make_model
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.stack import Stack
from mmer.experiments.trainer.visits import mark
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extract import LoadedClip, PreparedEntry, choose_similar, write_pooled
from mmer.feature_store.extraction import AHEAD, BEHIND
from mmer.feature_store.overlap import StageTimes, StageWork, run_stages
from mmer.heads.normalisation import Normalisation
from mmer.results import SAMPLE_RATE, Alignment, Segment

GOALS = {  # fusion and units -> how many times as fast as one by one
    "linear:T": 15.0,
    "linear:F": 12.0,
    "late:TFS": 18.0,
    "concatenation:TFP": 12.0,
    "coattention:TF": 6.0,
    "coattention:TFP": 6.0,
    "coattention:TFPSW": 4.0,
}
FURTHER = [*(f"linear:{unit}" for unit in "PSW"), *(f"transformer:{unit}" for unit in "TFPSW"), *(f"coattention:T{unit}" for unit in "PSW")]
PRECISIONS = ("float32", "tf32", "bfloat16")
IEMOCAP = 5531  # utterances
SPEECH_SETS = ("F", "FP", "FS", "FW", "FPS", "FPW", "FSW", "FPSW")  # the columns of Table 2, each with T


@dataclass(frozen=True)
class Row:
    """One figure."""

    part: str
    name: str
    figure: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    device: str
    preset: str = "paper"
    items: int = 448  # of which a run trains on 322: ten batches sorted by length, as out of each chunk of a larger corpus
    folds: int = 5
    repetitions: int = 5
    batch_size: int = 32
    steps: int = 10  # that are timed: an epoch, since batches of one length alone would be padded as no training pads
    plain_runs: int = 2  # that are timed of the loop
    models: tuple[str, ...] = ()  # that are measured; (): all, and the tables' time
    longest: float = 15.0  # seconds of an utterance; the mean is 0.3 of it
    model: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return self.folds * self.repetitions


TINY = {"preset": "tiny", "items": 30, "folds": 2, "repetitions": 1, "batch_size": 4, "steps": 2, "plain_runs": 1, "longest": 1.0}
TINY_MODEL = {"heads": 2, "feedforward": 8, "blocks": 1}


class SyntheticLoader:
    """Stands in for a FeatureLoader: random states, on the device from the start, of utterances as long as IEMOCAP's."""

    def __init__(self, sizes: Sizes, units: Sequence[str]):
        self.units, self.stride, self.items = tuple(units), 1, range(sizes.items)
        self.firsts, self.preset = np.zeros(sizes.items, int), PRESETS[sizes.preset]
        rng = np.random.default_rng(0)
        seconds = np.clip(rng.lognormal(np.log(3.8), 0.6, sizes.items), 0.6, 15.0) / 15.0 * sizes.longest  # mean 4.5 of 15, as IEMOCAP's
        per_second = {u: 1 / self.preset.step if unit.is_frames else unit.typical / 4.5 for u, unit in UNITS.items()}
        self.counts = {u: np.maximum(1, np.round(seconds * per_second[u])).astype(int) for u in self.units}
        self.lengths = np.max([self.counts[u] for u in self.units], 0)
        self.labels = np.arange(sizes.items) % 4

    def find_key(self, index: int, unit: str) -> str | None:
        return str(index)

    def count_key(self, key: str, unit: str) -> int:
        return int(self.counts[unit][int(key)])

    def measure_states(self, unit: str) -> tuple[int, int]:
        return len(self.preset.name_layers(unit)), self.preset.width(unit)

    @property
    def cache(self) -> SyntheticLoader:
        return self

    def read_states(self, key: str, unit: str) -> np.ndarray:
        layers, dim = self.measure_states(unit)
        return np.random.default_rng([int(key), ord(unit)]).normal(size=(layers, self.count_key(key, unit), dim)).astype(np.float16)

    read_whole = read_states

    def make_resident(self, device: str) -> dict[str, Tensor]:
        """Random numbers made on the device, a part at a time: single precision takes twice the room."""
        found = {}
        for unit in self.units:
            packed = torch.empty(int(self.counts[unit].sum()), *self.measure_states(unit), dtype=torch.float16, device=device)
            for part in packed.split(2**14):
                part.copy_(torch.randn(part.shape, device=device))
            found[unit] = packed
        return found


class Bench:
    """One model at one size: its runs, features and steps."""

    def __init__(self, sizes: Sizes, model: str, precision: str, resident: dict[str, Tensor]):
        fusion, _, units = model.partition(":")
        shapes = sizes.model if fusion in ("transformer", "coattention") else {}
        self.experiment = Experiment(
            "", "", fusion=fusion, units=tuple(units), preset=sizes.preset, precision=precision, batch_size=sizes.batch_size, model=shapes
        )
        self.sizes, self.model, self.loader = sizes, model, SyntheticLoader(sizes, units)
        self.resident = {unit: resident[unit] for unit in units}
        self.runs = make_runs(sizes)
        dims = {unit: self.loader.measure_states(unit) for unit in units}
        speech = next((dims[u] for u in units if u != "T"), (1, 1))
        self.normalisations = [Normalisation(np.zeros(speech, np.float32), np.ones(speech, np.float32)) for _ in range(sizes.folds)]

    @property
    def default(self) -> str:
        """The precision in which it is trained on a card unless another one is asked for."""
        return replace(self.experiment, precision="auto").choose_precision("cuda")

    @property
    def rows(self) -> list[np.ndarray]:
        """As many steps as are timed."""
        return [run.train[: self.sizes.steps * self.sizes.batch_size] for run in self.runs]

    def make_steps(self, residence: str = RESIDENT) -> BatchedSteps:
        device, cuda = self.sizes.device, self.sizes.device != "cpu"
        features = PackedFeatures(
            self.loader, device=device, residence=residence, resident=self.resident if residence == RESIDENT else None
        )
        multiple = ATTENTION_MULTIPLE if self.experiment.kind.has_attention else 1
        options = {"kernels": not explain_no_kernels(0), "memory": CudaMemory(device), "multiple": multiple} if cuda else {}
        return BatchedSteps(features, choose_form(self.experiment.fusion), device, **options)

    def make_stack(self, residence: str = RESIDENT, *, runs: int | None = None) -> Stack:
        return Stack(self.experiment, self.runs[:runs], device=self.sizes.device, stacked=True, batched=self.make_steps(residence))

    def count_fitting(self) -> int:
        """Runs that the trainer would take together, by the memory of their parameters."""
        return max(1, min(self.sizes.runs, limit_state_bytes(self.sizes.device) // count_run_bytes(self.experiment)))

    @property
    def longest(self) -> list[np.ndarray]:
        """Two steps of each run's longest utterances: whoever holds these in memory holds all."""
        return [run.train[np.argsort(self.loader.lengths[run.train])[-2 * self.sizes.batch_size :]] for run in self.runs]

    def train(self, stack: Stack, epoch: int, rows: Sequence[np.ndarray] | None = None) -> None:
        options = {"epoch": epoch, "rows": (rows or self.rows)[: len(stack.runs)]}
        stack.train_epoch(None, self.normalisations, self.loader.lengths, self.loader.labels, **options)

    def validate(self, stack: Stack) -> None:
        wanted = {i: run.validation for i, run in enumerate(stack.runs)}
        stack.predict(None, self.normalisations, wanted, self.loader.lengths, self.loader.labels)


def make_runs(sizes: Sizes) -> list[Run]:
    found = []
    for fold in range(sizes.folds):
        for repetition in range(sizes.repetitions):
            order = np.random.default_rng([fold, repetition]).permutation(sizes.items)
            rest = order[order % sizes.folds != fold]
            cut = len(rest) // 10
            found.append(Run(fold, repetition, 10 * fold + repetition, rest[cut:], rest[:cut], order[order % sizes.folds == fold]))
    return found


class PlainLoop:
    """One run by itself, as somebody would write it for a GPU: everything resident, nothing read back."""

    def __init__(self, bench: Bench, run: int):
        self.bench, self.run, self.device = bench, run, bench.sizes.device
        self.model = make_model(shape_head(bench.experiment), bench.runs[run].seed).to(self.device).train()
        self.adam = torch.optim.Adam(self.model.parameters(), lr=bench.experiment.rate, fused=True)
        self.features = PackedFeatures(bench.loader, device=self.device, residence=RESIDENT, resident=bench.resident)
        self.normals = {}
        for unit, listed in self.features.entries.items():
            self.normals[unit] = [torch.full((listed.layers, listed.dim), value, device=self.device) for value in (0.0, 1.0)]

    def train(self, epoch: int) -> None:
        bench, experiment = self.bench, self.bench.experiment
        masks = [mark(bench.rows[self.run], len(bench.loader.labels))]
        sizes = {"size": experiment.batch_size, "chunk": experiment.chunk}
        plan = plan_training(masks, bench.loader.lengths, seed=experiment.seed, epoch=epoch, **sizes)
        labels = torch.from_numpy(bench.loader.labels[plan.rows]).to(self.device)
        for step, features in enumerate(self.features.read_steps(plan.rows)):
            states, marks = {}, {}
            for unit, batch in features.units.items():
                marks[unit] = batch.mask[0]
                index = torch.where(marks[unit], batch.starts[0][:, None] + torch.arange(batch.segments, device=self.device), 0)
                mean, inverse = self.normals[unit]
                states[unit] = batch.packed[index].float().sub_(mean).mul_(inverse).transpose(1, 2)
            loss = F.cross_entropy(self.model(states, marks).logits, labels[step, 0])
            self.adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), experiment.clip_norm)
            self.adam.step()


def measure(work: Callable[[], object], device: str) -> float:
    """Seconds, the device's work included."""
    synchronise(device)
    begun = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - begun


def synchronise(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def clean(device: str) -> None:
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


# whether the card computes what a CPU computes


def measure_agreement(sizes: Sizes, resident: dict[str, Tensor]) -> Iterator[Row]:
    """A small problem on the CPU and on the device; twice on the device; with features that are copied ahead."""
    device, here = sizes.device, "CPU" if sizes.device == "cpu" else "GPU"
    reason = "a CPU takes the plain path" if device == "cpu" else explain_no_kernels(0)
    yield Row("agreement", "Triton kernels", "used", float(not reason), "1 = yes", reason)
    for model in ("late:TFS", "coattention:TS"):
        shapes = TINY_MODEL if model.startswith("coattention") else {}
        tiny = replace(sizes, **(TINY | {"device": "cpu", "model": shapes}))
        ours = replace(tiny, device=device)
        loader = SyntheticLoader(tiny, model.partition(":")[2])
        features = PackedFeatures(loader, device="cpu", residence=RESIDENT).resident
        alone = Bench(tiny, model, "float32", features)
        one = alone.make_stack()
        alone.train(one, 0)
        there = Bench(ours, model, "float32", {unit: packed.to(device) for unit, packed in features.items()})
        found = {}
        for name, residence in (("first", RESIDENT), ("again", RESIDENT), ("pinned", PINNED), ("disk", DISK)):
            stack = there.make_stack(residence)
            there.train(stack, 0)
            found[name] = stack.flat.cpu()
        far = float(((found["first"] - one.flat).abs() > 1e-3).float().mean())
        yield Row("agreement", model, f"share of weights that differ by 1e-3 from a CPU's ({here})", far, "", "wanted: < 0.01")
        for name in ("again", "pinned", "disk"):
            same = float(torch.equal(found["first"], found[name]))
            yield Row("agreement", model, f"same bits {name}", same, "1 = yes", "wanted: 1")


# how fast it is


def measure_training(sizes: Sizes, resident: dict[str, Tensor]) -> Iterator[Row]:
    """Every model of GOALS, one by one and as one batch in each precision, then the other cells of the tables as one batch."""
    rates = measure_rates(sizes.device, tiny=sizes.preset != "paper")
    yield from (Row("card", name, "", value, unit) for name, (value, unit) in rates.items())
    seconds: dict[str, float] = {}
    for model, goal in {**dict.fromkeys(FURTHER), **GOALS}.items():
        if sizes.models and model not in sizes.models:
            continue
        clean(sizes.device)
        plain = None if goal is None else time_plain(sizes, model, resident) * sizes.runs
        if plain is not None:
            yield Row("training", model, "one by one x runs", plain, "s a step")
        bench = Bench(sizes, model, "auto", resident)
        fitting = bench.count_fitting()
        stack = bench.make_stack(runs=fitting)
        if fitting < sizes.runs:
            yield Row("training", model, "runs in a group", float(fitting), f"of {sizes.runs}", "seconds below are those of all groups")
        for precision in PRECISIONS if goal is not None else (bench.default,):
            clean(sizes.device)
            stack.experiment = replace(bench.experiment, precision=precision)
            yield from time_batched(bench, stack, rates, plain=plain, goal=goal, seconds=seconds)
        del stack
    if not sizes.models:
        yield from extrapolate(seconds)


def measure_rates(device: str, *, tiny: bool) -> dict[str, tuple[float, str]]:
    """What the device copies and multiplies a second, the best of three."""
    count, size = (2**20, 256) if tiny else (2**29, 8192)
    source = torch.zeros(count, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    best = min(measure(lambda: target.copy_(source), device) for _ in range(3))
    rates = {"bandwidth": (2 * 4 * count / best, "B/s")}
    for precision in PRECISIONS:
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a = torch.zeros(size, size, device=device, dtype=kind)
        with allow_tf32(device, precision == "tf32"):
            torch.mm(a, a)
            rates[f"products in {precision}"] = 2 * size**3 / min(measure(lambda a=a: torch.mm(a, a), device) for _ in range(3)), "op/s"
    return rates


def allow_tf32(device: str, wanted: bool):
    from mmer.experiments.batched.numerics import fix_numerics

    return fix_numerics(device, "tf32" if wanted else "float32")


def time_plain(sizes: Sizes, model: str, resident: dict[str, Tensor]) -> float:
    """Seconds a step of one run takes by itself."""
    bench = Bench(sizes, model, "float32", resident)
    found = []
    for run in range(sizes.plain_runs):
        loop = PlainLoop(bench, run)
        loop.train(0)
        found.append(measure(lambda loop=loop: loop.train(1), sizes.device) / sizes.steps)
    return float(np.median(found))


def time_batched(
    bench: Bench, stack: Stack, rates: dict[str, tuple[float, str]], *, plain: float | None, goal: float | None, seconds: dict[str, float]
) -> Iterator[Row]:
    sizes, precision = bench.sizes, stack.experiment.precision
    stack.batched.at_once = None
    bench.train(stack, 0, bench.longest)
    bench.train(stack, 0)
    own = measure(lambda: bench.train(stack, 1), sizes.device) / sizes.steps
    second, name = own * sizes.runs / len(stack.runs), f"{bench.model} {precision}"
    yield Row("training", name, "all runs as one batch", second, "s a step")
    yield Row("training", name, "runs at once", float(stack.batched.at_once or len(stack.runs)), f"of {len(stack.runs)}")
    if sizes.device != "cpu":
        yield Row("training", name, "peak memory", torch.cuda.max_memory_allocated() / 1e9, "GB", "features of the benchmark among it")
    if plain is not None:
        wanted = goal if precision == bench.default else None
        yield Row("training", name, "times as fast as one by one", plain / second, "x", f"goal: {wanted:g}" if wanted else "no goal")
    if precision == bench.default:
        validation = measure(lambda: bench.validate(stack), sizes.device) / len(bench.runs[0].validation) * sizes.runs / len(stack.runs)
        seconds[bench.model] = second * count_steps(round(IEMOCAP * 0.72), sizes.batch_size) + validation * IEMOCAP * 0.08
        yield Row("training", name, "an epoch of IEMOCAP's size with validation", seconds[bench.model], "s", "by its measured steps")
    if goal is not None and (precision == bench.default or sizes.device == "cpu"):
        yield from profile(bench, stack, own, precision, rates)


def profile(bench: Bench, stack: Stack, second: float, precision: str, rates: dict[str, tuple[float, str]]) -> Iterator[Row]:
    """Where a step goes: kinds of kernels, the time in which none ran, and the floor."""
    device, steps = bench.sizes.device, bench.sizes.steps
    with FlopCounterMode(display=False) as counter:
        bench.train(stack, 2)
    products = counter.get_total_flops() / steps / rates[f"products in {precision}"][0]
    positions = {u: sum(int(bench.loader.counts[u][rows].sum()) for rows in bench.rows) / steps for u in bench.loader.units}
    positions = {u: n * len(stack.runs) / bench.sizes.runs for u, n in positions.items()}
    states = sum(2 * 2 * n * np.prod(bench.loader.measure_states(u)) for u, n in positions.items())  # float16, read forward and backward
    moved = (states + 7 * 4 * stack.flat.numel()) / rates["bandwidth"][0]  # Adam reads four numbers a parameter and writes three
    name = f"{bench.model} {precision}"
    yield Row("profile", name, "floor: products", products / second, "of a step")
    yield Row("profile", name, "floor: features read twice, parameters stepped", moved / second, "of a step")
    activity = torch.profiler.ProfilerActivity.CPU if device == "cpu" else torch.profiler.ProfilerActivity.CUDA
    with torch.profiler.profile(activities=[activity]) as found:
        synchronise(device)
        bench.train(stack, 3)
        synchronise(device)
    spent: dict[str, float] = {}
    for event in found.key_averages():
        own = event.self_cpu_time_total if device == "cpu" else event.self_device_time_total
        kind = name_kind(event.key)
        spent[kind] = spent.get(kind, 0.0) + own / 1e6 / steps
    for kind, own in sorted(spent.items(), key=lambda pair: -pair[1]):
        yield Row("profile", name, kind, own / second, "of a step")
    yield Row("profile", name, "no kernel runs", max(0.0, 1 - sum(spent.values()) / second), "of a step")


KINDS = {  # what stands in a kernel's name, the first that fits
    "Equation 1": ("mix_forward", "mix_backward", "MixLayers"),
    "dropout": ("drop_values", "KeyedDrop"),
    "Adam": ("step_adam",),
    "attention": ("fmha", "flash", "attention", "attn"),
    "products": ("gemm", "cutlass", "bmm", "mm", "sm80_", "sm90_", "nvjet", "cublas"),
    "LayerNorm": ("layer_norm", "LayerNorm"),
    "sums": ("reduce", "sum", "norm"),
    "copies": ("copy", "memcpy", "Memcpy", "memset", "Memset", "cat"),
}


def name_kind(kernel: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in kernel for part in parts)), "elementwise and the rest")


def extrapolate(seconds: dict[str, float]) -> Iterator[Row]:
    """Tables 1 to 3: cells that were measured by their epochs, others as the sum of the parts that they are made of."""
    epochs = guess_epochs([], least=count_least_epochs(200, count_steps(round(IEMOCAP * 0.72), 32)), most=100)
    note = f"{epochs:g} epochs a run, as the trainer guesses; extraction not counted"

    def add(fusion: str, units: str) -> float:
        if f"{fusion}:T{units}" in seconds:
            return seconds[f"{fusion}:T{units}"]
        if fusion == "late":
            return sum(seconds[f"linear:{unit}"] for unit in f"T{units}")
        return sum(seconds[f"coattention:T{unit}"] for unit in units)

    tables = {
        "Table 1": sum(seconds[f"{fusion}:{unit}"] for fusion in ("linear", "transformer") for unit in "TFPSW"),
        "Table 2": sum(add("coattention", s) + add("late", s) for s in SPEECH_SETS),
        "Table 3": seconds["concatenation:TFP"],
    }
    for name, epoch in tables.items():
        yield Row("tables", name, "IEMOCAP, 25 runs a cell", epoch * epochs / 60, "min", note)
    yield Row("tables", "Tables 1 to 3", "IEMOCAP, 25 runs a cell", sum(tables.values()) * epochs / 60, "min", "goal: 120, stretch 60")


# extraction

CLIP_SECONDS = 4.0
SHARE_GOAL = 0.8  # of the bare forward pass


def measure_extraction(sizes: Sizes, resident: dict[str, Tensor]) -> Iterator[Row]:
    """The way that `extract` takes on a card, with clips that are in memory already, against the encoder's bare forward pass: an encoder
    of wav2vec2-base's size with random weights, each clip with 12 words, 16 syllables and 40 phones."""
    tiny, name = sizes.preset != "paper", "wav2vec2-base, clips of 4 s"
    device = Device("cpu:0" if tiny else "cuda:0")  # to PyTorch a CPU, to extraction a card
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "conv_dim": (8,) * 7}
    module = Wav2Vec2Model(Wav2Vec2Config(**small if tiny else {})).eval().requires_grad_(False)
    encoder = SpeechEncoder(
        WaveModel(module, Wav2Vec2FeatureExtractor()),
        identity="random",
        placement=Placement(Choice(device)),
    )
    encoder.placement.place(module)
    count, pooling, rng = 6 if tiny else 480, PoolingEncoder(encoder), np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, round(CLIP_SECONDS * SAMPLE_RATE)).astype(np.float32) for _ in range(count)]
    clips = [LoadedClip(None, str(k), (), (make_entry(str(k), sound),), CLIP_SECONDS, "") for k, sound in enumerate(sounds)]
    at_once = pooling.most_frames // encoder.model.count_frames(len(sounds[0]))
    batches = [clips[k : k + at_once] for k in range(0, count, at_once)]
    values = [torch.from_numpy(np.stack(sounds[: len(batch)])).to(sizes.device) for batch in batches]

    def encode(batch: Sequence[LoadedClip]) -> list[PooledClip]:
        return pooling.encode([PoolingRequest(clip.entries[0].samples, clip.entries[0].segments) for clip in batch])

    def go_bare() -> None:
        with torch.no_grad(), full_precision():
            for each in values:
                module(each)

    def go_whole(folder: str, times: StageTimes) -> None:
        def write(clip: LoadedClip, made: PooledClip) -> None:
            write_pooled(cache, clip.entries[0], made, preset="paper", encoder="random", step=encoder.model.step)

        cache, batch = FeatureCache(folder), at_once * CLIP_SECONDS
        choose = partial(choose_similar, most=batch)
        work = StageWork(encode, write, choose, lambda clip: clip.length, batch=batch, ahead=AHEAD, behind=BEHIND)
        for _ in run_stages(((clip, True) for clip in clips), work, times):
            pass

    real, bare = count * CLIP_SECONDS, 0.0
    for _ in range(2):  # the first time warms up
        bare = measure(go_bare, sizes.device)
        pooled = measure(lambda: [encode(batch) for batch in batches], sizes.device)
        times = StageTimes()
        with tempfile.TemporaryDirectory() as folder:
            whole = measure(lambda folder=folder, times=times: go_whole(folder, times), sizes.device)
    yield Row("extraction", name, "bare forward pass", real / bare, "x real time", "float32, TF32 off")
    for figure, seconds in (("encoded and pooled, in the CPU's memory", pooled), ("encoded, pooled and written", whole)):
        yield Row("extraction", name, figure, real / seconds, "x real time")
        yield Row("extraction", name, f"{figure}: share", bare / seconds, "of bare", f"goal: {SHARE_GOAL:g}")
    yield Row("extraction", name, "the device waited for the disk", times.for_disk / whole, "of the time", times.describe())


def make_entry(key: str, sound: np.ndarray) -> PreparedEntry:
    def divide(parts: int) -> tuple[Segment, ...]:
        edges = np.linspace(0, CLIP_SECONDS, parts + 1)
        return tuple(Segment("x", float(a), float(b), word=0) for a, b in itertools.pairwise(edges))

    return PreparedEntry(key.zfill(4), sound, Alignment(divide(12), divide(16), divide(40), "synthetic"), {}, frozenset("FPSW"))


Part = Callable[[Sizes, dict[str, Tensor]], Iterator[Row]]
PARTS: dict[str, Part] = {"agreement": measure_agreement, "training": measure_training, "extraction": measure_extraction}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="small sizes on a CPU: that the script works")
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--models", nargs="+", choices=(*GOALS, *FURTHER), default=(), help="only these, without the tables' time")
    parser.add_argument("--csv", help="write the table here too")
    args = parser.parse_args()
    if not args.tiny and not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no CUDA device here; --tiny tries the script on a CPU.")
    sizes = replace(Sizes("cpu", model=TINY_MODEL, **TINY) if args.tiny else Sizes("cuda"), models=tuple(args.models))
    compact = PRESETS["compact"]
    small = replace(compact, name="tiny", speech=replace(compact.speech, dim=16), text=replace(compact.text, dim=16))
    with PRESETS.adding(small):
        measure_parts(sizes, args.parts, args.csv)


def measure_parts(sizes: Sizes, parts: Sequence[str], path: str | None) -> None:
    """Prints every figure as it comes, and writes all of them as CSV where there is a path."""
    begun, rows = time.perf_counter(), []
    resident = SyntheticLoader(sizes, tuple(UNITS)).make_resident(sizes.device)
    for part in parts:
        for row in PARTS[part](sizes, resident):
            rows.append(row)
            print(f"{row.part:10} {row.name:28} {row.figure:50} {row.value:12.5g} {row.unit:10} {row.note}", flush=True)
    card = "CPU, tiny sizes, which say nothing of training" if sizes.device == "cpu" else torch.cuda.get_device_name()
    print(f"{card}, PyTorch {torch.__version__}: {len(rows)} figures in {time.perf_counter() - begun:.0f} s")
    if path:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*asdict(rows[0]), "card"])
            writer.writeheader()
            writer.writerows(asdict(row) | {"card": card} for row in rows)


if __name__ == "__main__":
    main()
