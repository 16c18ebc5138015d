"""How often a head says "unlike anything it was trained on": no speech, synthetic speech, an unseen corpus, its own test part.

python benchmarks/novelty.py --data DATA --features FEATURES   (espeak-ng must be installed)
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from corpora import load_corpora, parse_arguments

from mmer.audio.load import load_audio
from mmer.demo_heads.recipe import split_speech
from mmer.encoders.encoders import SpeechEncoder
from mmer.encoders.presets import PRESETS
from mmer.heads.folder import load_single
from mmer.heads.novelty import novelty_distance, novelty_vector
from mmer.results import SAMPLE_RATE

HEADS = ("late-fs", "coattention-fp", "coattention-f")
SENTENCES = (
    "The train leaves at nine.",
    "I never want to see you again!",
    "What a lovely surprise this is.",
    "She closed the door and went home.",
)
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3", "en-us+croak")


def make_sounds(rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """Four seconds each: what a microphone may hear that is nobody speaking."""
    t = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE

    def tone(hertz, level=0.2):
        return level * np.sin(2 * np.pi * hertz * t + rng.uniform(0, 6))

    def chord(root):
        notes = [root * 2 ** (k / 12) for k in (0, 4, 7, 12)]
        beat = 0.5 * (1 + np.sign(np.sin(2 * np.pi * 2 * t)))
        return sum(tone(n * h, 0.05 / h) for n in notes for h in (1, 2, 3)) * (0.3 + 0.7 * beat)

    return {
        "white noise": [rng.normal(0, level, len(t)) for level in (0.003, 0.01, 0.03, 0.1)],
        "tones": [tone(f) for f in (110, 220, 440, 1000, 3000)],
        "chords with a beat": [chord(f) for f in (110, 147, 196, 262)],
        "hum of a room": [0.01 * tone(50, 1) + 0.005 * tone(100, 1) + rng.normal(0, level, len(t)) for level in (0.0003, 0.001)],
        "clicks": [(rng.random(len(t)) < rate).astype(float) * 0.5 for rate in (1e-4, 1e-3)],
    }


def speak(folder: Path) -> list[np.ndarray]:
    clips = []
    for voice in VOICES:
        for k, sentence in enumerate(SENTENCES):
            path = folder / f"{voice}{k}.wav"
            subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), sentence], check=True)
            clips.append(load_audio(path).samples)
    return clips


def main() -> None:
    args = parse_arguments(__doc__)
    corpora, cache = load_corpora(args)
    encoder = SpeechEncoder.load(PRESETS["compact"])
    sounds = make_sounds(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        sounds["espeak-ng"] = speak(Path(folder))
    states = {name: [encoder.encode(c.astype(np.float32)).hidden for c in clips] for name, clips in sounds.items()}
    test = split_speech([*corpora["ravdess"], *corpora["nemo"]])["test"]
    states["test clips"] = [cache.read_states(s.keys[0], "F") for s in test]
    states["test clips, augmented"] = [cache.read_states(k, "F") for s in test for k in s.keys[1:]]
    states["TESS"] = [cache.read_states(s.keys[0], "F") for s in corpora["tess"]]
    print("| | clips | " + " | ".join(HEADS) + " |\n|---|---|" + "---|" * len(HEADS))
    heads = [load_single(Path("pretrained") / name) for name in HEADS]
    for name, clips in states.items():
        cells = []
        for head in heads:
            vectors = [novelty_vector(head.normalisation.apply(np.asarray(c, np.float32))) for c in clips]
            distances = np.array([novelty_distance(head.novelty, v) for v in vectors])
            cells.append(f"{np.mean(distances > head.config.novelty_threshold):.1%} (median {np.median(distances):.2f})")
        print(f"| {name} | {len(clips)} | {' | '.join(cells)} |", flush=True)
    print("thresholds:", ", ".join(f"{h.config.name} {h.config.novelty_threshold:.2f}" for h in heads))


if __name__ == "__main__":
    main()
