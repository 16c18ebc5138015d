"""Everyday speech and anchoring, chosen by leaving corpora out: a linear probe, or the paper's Linear model of frames, on averaged frames.

python benchmarks/anchoring.py --data DATA/speech --features FEATURES --model probe --weights 0 0.1 0.3
python benchmarks/anchoring.py --data DATA/speech --features FEATURES --model branch --weights 0.1 --anchors 1 --epochs 4 --voice-shift 0.5

Each row trains on nEMO and TESS (tested on RAVDESS), on RAVDESS and TESS (tested on nEMO), and on RAVDESS and nEMO (tested on TESS, the
sets of everyday speech that are never trained on, half of LibriSpeech's readers, and the two corpora's own test speakers, whom nothing
moves). LibriSpeech's other readers are the anchor and the everyday speech. The score is the mean UA of the corpora left out plus the mean
recall of neutral.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from strangers import NEUTRAL, choose

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.manifest import read_manifest
from mmer.demo_heads.recipe import TEST_SPEAKERS, VALIDATION_SPEAKERS
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import extract_dataset
from mmer.heads.config import shape_model
from mmer.heads.head import build_model

MOST = {
    "nemo": 720,
    "tess": 320,
    "an4": 84,
    "vctk_sample": 38,
    "cmu_arctic_sample": 50,
    "asterisk_prompts": 80,
    "common_voice": 100,
}  # clips
EVERYDAY = ("an4", "vctk_sample", "cmu_arctic_sample", "asterisk_prompts", "common_voice")
BLOCK = 16  # frames that are averaged, 0.32 s
LONGEST = 13  # blocks of a clip that the Linear model learns from
ROUNDS = (("ravdess", ("nemo", "tess")), ("nemo", ("ravdess", "tess")), ("both", ("ravdess", "nemo")))
ALONE = (("ravdess", ("nemo",)), ("nemo", ("ravdess",)), ("both", ("ravdess", "nemo")))


@dataclass(frozen=True, eq=False)
class Voices:
    """Every clip as a few averaged blocks of frames."""

    blocks: list[np.ndarray]  # a clip's (blocks, layers, dim)
    labels: np.ndarray
    speakers: np.ndarray  # "corpus/speaker"
    corpora: np.ndarray

    @property
    def means(self) -> np.ndarray:
        return np.stack([b.mean(0) for b in self.blocks])  # (clips, layers, dim)

    def is_reader(self, *, training: bool) -> np.ndarray:
        """LibriSpeech's readers: every second one trains."""
        readers = sorted(set(self.speakers[self.corpora == "librispeech"]))
        return np.isin(self.speakers, readers[0::2] if training else readers[1::2])


def read_voices(data: Path, features: Path) -> Voices:
    cache, blocks, labels, speakers, corpora = FeatureCache(features), [], [], [], []
    for name in ("ravdess", "nemo", "tess", "librispeech", *EVERYDAY):
        dataset = read_manifest(data / name / "manifest.csv", classes=EMOTIONS)
        dataset = replace(dataset, utterances=choose(dataset.utterances, MOST.get(name, 0)))
        for item in extract_dataset(dataset, cache, units=("F",), aligner=None).items:
            states = np.asarray(cache.read_states(item.speech, "F"), np.float32)
            edges = range(0, states.shape[1], BLOCK)
            blocks.append(np.stack([states[:, at : at + BLOCK].mean(1) for at in edges]).astype(np.float16).astype(np.float32))
            labels.append(item.label)
            speakers.append(f"{name}/{item.speaker}")
            corpora.append(name)
    return Voices(blocks, np.array(labels), np.array(speakers), np.array(corpora))


class Training:
    """The clips of one training, with what anchoring adds to each corpus."""

    def __init__(self, voices: Voices, acted: tuple[str, ...], *, anchor: float):
        held_out = np.isin(voices.speakers, [*TEST_SPEAKERS, *VALIDATION_SPEAKERS])
        self.voices, self.acted, self.share = voices, acted, anchor
        self.own = np.flatnonzero(np.isin(voices.corpora, acted) & ~held_out)
        self.readers = np.flatnonzero(voices.is_reader(training=True))
        means = voices.means
        self.places = {"librispeech": means[self.readers].mean(0)}  # where each corpus's neutral clips lie, (layers, dim)
        for corpus in acted:
            neutral = self.own[(voices.corpora[self.own] == corpus) & (voices.labels[self.own] == NEUTRAL)]
            self.places[corpus] = means[neutral].mean(0)
        self.shifts = {c: (self.places["librispeech"] - self.places[c]).astype(np.float32) for c in acted} if anchor else {}
        speakers = [self.own[voices.speakers[self.own] == name] for name in dict.fromkeys(voices.speakers[self.own])]
        self.speakers = [np.mean([self.move(i).mean(0) for i in own], 0) for own in speakers]

    def shift_corpus(self, clip: int, rng) -> np.ndarray:
        """(blocks, layers, dim) of a clip, moved a random share of the way from its corpus's neutral clips to another corpus's."""
        own = self.voices.corpora[clip]
        others = [name for name in (*self.acted, "librispeech") if name != own]
        share = rng.uniform(0, 1)
        way = self.places[others[rng.integers(len(others))]] - self.places[own]
        return (self.voices.blocks[clip] + share * way).astype(np.float32)

    def move(self, clip: int) -> np.ndarray:
        """(blocks, layers, dim) of a training clip."""
        shift = self.shifts.get(self.voices.corpora[clip])
        return self.voices.blocks[clip] if shift is None else self.voices.blocks[clip] + shift


def train_probe(training: Training, *, weight: float, strength: float, seed: int, **settings):
    """Logistic regression on clip means; `weight` is the everyday clips' share of what the acted ones weigh. Nothing in it is random."""
    voices, own = training.voices, training.own
    clips = np.concatenate([own, training.readers]) if weight else own
    x = np.stack([training.move(i).mean(0).ravel() for i in clips])
    weights = np.ones(len(own))
    for corpus in training.acted:
        mask = voices.corpora[own] == corpus
        weights[mask] = len(own) / len(training.acted) / mask.sum()
    if weight:
        weights = np.concatenate([weights, np.full(len(training.readers), weight * weights.sum() / len(training.readers))])
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(scaler.transform(x), voices.labels[clips], sample_weight=weights)
    means = voices.means
    return lambda asked: model.decision_function(scaler.transform(means[asked].reshape(len(asked), -1)))


def draw_epoch(training: Training, weight: float, rng) -> np.ndarray:
    """Corpora by the roots of their sizes, labels alike, and everyday clips."""
    voices, own = training.voices, training.own
    groups = [
        (np.sqrt(np.sum(voices.corpora[own] == corpus)), corpus, label) for corpus in training.acted for label in range(len(EMOTIONS))
    ]
    total = sum(size for size, _, _ in groups)
    wanted = [(round(len(own) * s / total), own[(voices.corpora[own] == c) & (voices.labels[own] == y)]) for s, c, y in groups]
    drawn: list[int] = []
    for count, group in (*wanted, *([(round(weight * len(own)), training.readers)] if weight else [])):
        while count > 0:
            drawn += list(rng.permutation(group)[:count])
            count -= len(group)
    return np.array(drawn)[rng.permutation(len(drawn))]


def pad(blocks: list[np.ndarray], mean: np.ndarray, deviation: np.ndarray) -> tuple[dict, dict]:
    states = np.zeros((len(blocks), max(map(len, blocks)), *mean.shape), np.float32)
    mask = np.zeros(states.shape[:2], bool)
    for row, own in enumerate(blocks):
        states[row, : len(own)], mask[row, : len(own)] = (own - mean) / deviation, True
    return {"F": torch.from_numpy(states).transpose(1, 2).contiguous()}, {"F": torch.from_numpy(mask)}


def train_branch(
    training: Training, *, weight: float, strength: float, seed: int, epochs: int, voice_shift: float, corpus_shift: bool, dropout: float
):
    """The paper's Linear model with the settings of the heads that ship; deviations of blocks are smaller than frames': times 1.6."""
    voices = training.voices
    clips = np.concatenate([training.own, training.readers]) if weight else training.own
    frames = np.concatenate([training.move(i) for i in clips])
    mean, deviation = frames.mean(0), frames.std(0) * 1.6 + 1e-5
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = build_model(shape_model("linear", ("F",), "compact", {"dropout": dropout}, name="branch", title="branch"))
    layers = [p for name, p in model.named_parameters() if name.endswith("mix.weights") or name.split(".")[-1] == "weights"]
    others = [p for p in model.parameters() if not any(p is q for q in layers)]
    optimiser = torch.optim.AdamW([{"params": others}, {"params": layers, "lr": 0.02}], lr=0.001, weight_decay=0.0)
    for _ in range(epochs):
        model.train()
        drawn = draw_epoch(training, weight, rng)
        for at in range(0, len(drawn), 32):
            batch = drawn[at : at + 32]
            moved = rng.random(len(batch)) < training.share if 0 < training.share < 1 else np.full(len(batch), bool(training.share))
            blocks = [(training.move(i) if move else voices.blocks[i])[:LONGEST] for i, move in zip(batch, moved)]
            if corpus_shift:
                blocks = [training.shift_corpus(i, rng)[:LONGEST] for i in batch]
            if voice_shift:
                blocks = [shift_voice(b, training.speakers, voice_shift, rng) for b in blocks]
            logits = model(*pad(blocks, mean, deviation)).logits
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(voices.labels[batch]), label_smoothing=0.3)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    model.eval()

    @torch.no_grad()
    def ask(asked: np.ndarray) -> np.ndarray:
        parts = [pad([voices.blocks[i] for i in asked[at : at + 64]], mean, deviation) for at in range(0, len(asked), 64)]
        return np.concatenate([model(*part).logits.numpy() for part in parts])

    return ask


def shift_voice(blocks: np.ndarray, speakers: list[np.ndarray], most: float, rng) -> np.ndarray:
    """A random share of the difference between two training speakers is added."""
    first, second = rng.integers(len(speakers), size=2)
    return (blocks + rng.uniform(0, most) * (speakers[first] - speakers[second])).astype(np.float32)


MODELS = {"probe": train_probe, "branch": train_branch}


def recall(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """UA over the classes there are, and the recall of neutral."""
    right = logits.argmax(1) == labels
    return float(np.mean([right[labels == y].mean() for y in sorted(set(labels))])), float(right[labels == NEUTRAL].mean())


def measure(voices: Voices, train, *, anchor: float, alone: bool = False, **settings) -> dict[str, tuple[float, float]]:
    found = {}
    for left_out, acted in ALONE if alone else ROUNDS:
        ask = train(Training(voices, acted, anchor=anchor), **settings)
        tests = {left_out: voices.corpora == left_out}
        if left_out == "both":
            tests = {name: voices.corpora == name for name in ("tess", *EVERYDAY)} | {"librispeech": voices.is_reader(training=False)}
            tests |= {f"own {n}": (voices.corpora == n) & np.isin(voices.speakers, list(TEST_SPEAKERS)) for n in ("ravdess", "nemo")}
        for name, mask in tests.items():
            asked = np.flatnonzero(mask)
            found[name] = recall(voices.labels[asked], ask(asked))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with a folder per corpus, each with manifest.csv")
    parser.add_argument("--features", type=Path, required=True, help="the feature cache; what is missing is extracted")
    parser.add_argument("--model", choices=MODELS, default="probe")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.1, 0.3], help="everyday clips per acted clip")
    parser.add_argument("--anchors", type=float, nargs="+", default=[0, 1], help="share of the acted clips that are moved (probe: 0 or 1)")
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.003], help="C of the probe; smaller regularises more")
    parser.add_argument("--alone", action="store_true", help="no TESS in the place of the corpus that is left out")
    parser.add_argument("--epochs", type=int, default=14, help="of the branch")
    parser.add_argument("--voice-shift", type=float, default=0.0, help="of the branch: share of the difference between two speakers")
    parser.add_argument("--corpus-shift", action="store_true", help="of the branch: clips are moved between corpora, in place of anchoring")
    parser.add_argument("--dropout", type=float, default=0.2, help="of the branch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the branch")
    args = parser.parse_args()
    torch.set_num_threads(1)
    voices = read_voices(args.data, args.features)
    settings = {name: getattr(args, name) for name in ("alone", "epochs", "voice_shift", "corpus_shift", "dropout")}
    everyday = ("librispeech", *EVERYDAY)
    names = ("C", "anchored", "everyday", "seed", "RAVDESS", "nEMO", "TESS", *everyday, "own RAVDESS", "own nEMO", "score")
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    for strength in args.strengths:
        for anchor in args.anchors:
            for weight in args.weights:
                for seed in args.seeds:
                    found = measure(voices, MODELS[args.model], anchor=anchor, weight=weight, strength=strength, seed=seed, **settings)
                    left_out = [found[n] for n in ("ravdess", "nemo", "tess")]
                    neutral = [found[n][1] for n in everyday]
                    score = np.mean([ua for ua, _ in left_out]) + np.mean([n for _, n in left_out] + neutral)
                    cells = [f"{ua:.2f} ({n:.2f})" for ua, n in left_out] + [f"{n:.2f}" for n in neutral]
                    cells += [f"{found[f'own {n}'][0]:.2f}" for n in ("ravdess", "nemo")] + [f"{score:.2f}"]
                    print(f"| {strength:g} | {anchor:g} | {weight:g} | {seed} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
