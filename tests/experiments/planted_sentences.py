"""A manifest of sentences whose words name their emotion; there is no sound, as for models of words alone."""

import csv

from mmer.choices.emotions import EMOTIONS

WORDS = {
    "anger": ("furious", "outrageous", "hate", "damn", "rage"),
    "happiness": ("wonderful", "delighted", "joy", "lovely", "laughing"),
    "sadness": ("crying", "lonely", "grief", "mourning", "hopeless"),
    "neutral": ("table", "Tuesday", "report", "window", "number"),
}
FRAMES = ("It is all about {} today.", "I say {}.", "There was {} in the house and nobody asked.", "{}, they said.")


def write_sentences(folder, *, speakers=6, each=8, sessions=False):
    """speakers * each * 2 rows; returns the manifest's path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for speaker in range(speakers):
        for i in range(each * 2):
            label = EMOTIONS[i % len(EMOTIONS)]
            text = FRAMES[(i + speaker) % len(FRAMES)].format(WORDS[label][(i * 3 + speaker) % 5])
            session = str(speaker // 2 + 1) if sessions else ""
            rows.append([f"s{speaker}/{i}.wav", text, label, f"s{speaker}", session, "script" if i % 2 else "improvised"])
    path = folder / "manifest.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "text", "label", "speaker", "session", "kind"], *rows])
    return path
