"""The frame branch on a corpus it has never met: trained on each choice of the others, with and without augmentation.

python benchmarks/leave_one_corpus_out.py --data DATA --features FEATURES
"""

from dataclasses import replace
from itertools import combinations

from corpora import CORPORA, SETTINGS, describe, load_corpora, parse_arguments, run_frames, take_speakers


def hold_out_speakers(items) -> set[str]:
    """About a sixth of the speakers; one of TESS's two."""
    speakers = sorted({s.speaker for s in items})
    return set(speakers[-max(1, len(speakers) // 6) :])


def main() -> None:
    args = parse_arguments(__doc__)
    corpora, cache = load_corpora(args)
    print(f"| tested on | trained on | {' | '.join(SETTINGS)} |\n|---|---|---|---|---|")
    for test in CORPORA:
        others = [c for c in CORPORA if c != test]
        for chosen in [c for n in (1, 2) for c in combinations(others, n)]:
            items = [s for c in chosen for s in corpora[c]]
            held_out = {s for c in chosen for s in hold_out_speakers(corpora[c])}
            training = take_speakers(items, {s.speaker for s in items} - held_out)
            cells = []
            for config in SETTINGS.values():
                runs = [
                    run_frames(replace(config, seed=seed), training, take_speakers(items, held_out), [corpora[test]], cache)[0]
                    for seed in range(args.seeds)
                ]
                cells.append(describe(runs))
            print(f"| {test} | {', '.join(chosen)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
