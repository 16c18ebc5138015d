"""`python -m mmer demo-heads`: corpora -> features, run folder, head. See demo.py for the split and the settings of the heads that ship."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmer.choices.units import UNITS
from mmer.demo_heads.corpora import DemoCorpora
from mmer.demo_heads.left_out import (
    STORED,
    WAYS,
    Heard,
    add_offsets,
    calibrate_left_out,
    combine_heard,
    describe_strangers,
    fit_left_out,
    hear_judged,
    hear_left_out,
    read_shifted,
    store_heard,
)
from mmer.demo_heads.recipe import DEMO_EXPERIMENTS, DEMO_TITLES, EVERYDAY
from mmer.errors import DataError
from mmer.experiments.evaluate import calibrate, describe_calibration, fit_familiarity, measure_run, slice_ua
from mmer.experiments.experiment import Experiment, Pairing, shape_head
from mmer.experiments.report.card import CAVEAT, CAVEAT_SPEECH, LICENCE, summarise_strangers, write_card
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import PairedExample, draw_pairs, list_copies, show_alone
from mmer.experiments.trainer.predict import ModelReader, TrainedRun
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.fusion import combine
from mmer.heads.folder import load_head, load_single, save_combination, save_head
from mmer.heads.head import Head
from mmer.phrasing import say_count

OWN_SETTINGS = ("seed", "epochs", "patience", "batch_size", "learning_rate", "voice_shift", "threads")
OWN_PAIRING = ("augmented", "balance_corpora", "text_alone", "everyday", "corpus_shift", "anchor")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `mmer demo-heads`."""
    parser.add_argument("head", choices=[*DEMO_EXPERIMENTS, "combined"], help="which head; combined needs the two others in --out")
    parser.add_argument("--speech", nargs="+", type=Path, required=True, metavar="MANIFEST", help="manifests: path, text, label, speaker")
    parser.add_argument(
        "--judge",
        nargs="+",
        type=Path,
        default=(),
        metavar="MANIFEST",
        help="corpora that nobody learns from: with them every corpus is left out in turn, and how sure the head may be is fitted on that",
    )
    parser.add_argument("--text", type=Path, required=True, metavar="FOLDER", help="meld.csv, emorynlp.csv and goemotions_ekman.csv")
    parser.add_argument("--features", type=Path, required=True, metavar="FOLDER", help="where extracted features are kept")
    parser.add_argument("--run", type=Path, required=True, metavar="FOLDER", help="checkpoints and metrics; an interrupted run goes on")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the head's folder is written, e.g. pretrained")
    parser.add_argument(
        "--refit", action="store_true", help="train nothing: ask the head in --out about the corpora of --judge and fit it on what it says"
    )
    defaults = {f.name: f.default for kind in (Experiment, Pairing) for f in fields(kind)}
    for name in (*OWN_SETTINGS, *OWN_PAIRING):
        flag, kind = f"--{name.replace('_', '-')}", type(defaults[name])
        parser.add_argument(flag, type=kind, default=None, help="default: the head's own setting")


def run_train(args: argparse.Namespace, *, say: Callable[[str], None] = print) -> int:
    """Extracts what is missing, trains or goes on, calibrates, measures and writes the head. Returns the exit code."""
    corpora = DemoCorpora.load(args.speech, args.text, args.features, judged=args.judge)
    if args.refit and not args.judge:
        raise DataError("--refit fits a head on corpora that it never read: name them with --judge.")
    if args.head == "combined":
        head = write_combination(args.out, corpora, runs=args.run if args.judge else None)
    elif args.refit:
        head = refit_head(args.out, args.head, corpora, args.run)
    else:
        experiment = apply_settings(DEMO_EXPERIMENTS[args.head], vars(args))
        trained = train_pairs(experiment, corpora.training, corpora.cache, args.run, report=lambda row: say(_describe_row(row)))
        heard = hear_strangers(trained, corpora, args.run, say) if args.judge else []
        head = write_trained(args.out, args.head, trained, corpora, heard)
    say(f"{args.out / args.head}: {head}")
    return 0


def apply_settings(experiment: Experiment, given: Mapping[str, Any]) -> Experiment:
    """The recipe with what the command line says otherwise. Raises DataError for a number out of its bounds."""
    own, pairing = ({name: given[name] for name in names if given[name] is not None} for names in (OWN_SETTINGS, OWN_PAIRING))
    assert experiment.pairing is not None
    return replace(experiment, pairing=replace(experiment.pairing, **pairing), **own)


def hear_strangers(trained: TrainedRun, corpora: DemoCorpora, run: Path, say: Callable[[str], None]) -> list[Heard]:
    """What the head, and runs without each acted corpus, say of corpora that they never read; kept in the run's folder."""
    acted = {s.corpus for s in corpora.training.speech} - set(EVERYDAY)
    whole = {corpus: corpora.list_corpus(corpus) for corpus in acted}

    def report(row: dict[str, Any]) -> None:
        say(_describe_row(row))

    heard = hear_left_out(trained, trained.experiment, corpora.training, corpora.judged, run, whole=whole, report=report)
    store_heard(run / STORED, heard)
    return heard


def write_trained(out: Path, name: str, trained: TrainedRun, corpora: DemoCorpora, heard: Sequence[Heard] = ()) -> str:
    """Calibrates, measures and saves a head with its card; returns its sha256.

    With what was `heard` of corpora left out, temperature, offsets and margin are fitted on that; the offsets go into the model's bias.
    """
    training, clips = corpora.training, corpora.list_clips()
    calibration = calibrate(trained.predict(trained.validation), clips=len(training.validation_speech))
    strangers: dict[str, Any] = {}
    if heard:
        fit = fit_left_out(heard)
        add_offsets(trained.model, fit.offsets)
        calibration, strangers = calibrate_left_out(fit, heard), describe_strangers(fit, heard)
    if trained.normalisation is None:
        raise ValueError("a head without speech has no normalisation and nothing to be familiar with")
    novelty, threshold = fit_familiarity(corpora.cache, training.speech, training.validation_speech, trained.normalisation)
    config = shape_head(
        trained.experiment,
        name=name,
        title=DEMO_TITLES[name],
        temperature=calibration.temperature,
        margin=calibration.margin,
        measured_clips=calibration.clips,
        novelty_threshold=threshold,
        trained_on=describe_training(corpora, trained.experiment.pairing.anchor if trained.experiment.pairing else ""),
        licence=LICENCE,
        caveat=f"{CAVEAT} {summarise_strangers(strangers) or CAVEAT_SPEECH}",
        training=corpora.describe(trained.experiment)
        | {"epochs": list(trained.history), "listed clips": [len(clips.training), len(clips.validation)]},
        metrics=strangers | measure_run(trained, corpora.test, calibration),
    )
    sha256 = save_head(out / name, config, trained.model, normalisation=trained.normalisation, novelty=novelty, clips=clips)
    write_card(out / name, load_head(out / name).config)
    return sha256


def refit_head(out: Path, name: str, corpora: DemoCorpora, run: Path) -> str:
    """Fits temperature, offsets and margin of a head in `out` anew, on what it says of corpora that it never read; returns its sha256.

    An early head needs words, so it is asked only about clips that have them. What it was fitted on before leaves its bias first.
    """
    head = load_single(out / name)
    early = head.role == "early"
    judged = [item for item in corpora.judged if item.text or not early]
    trained = TrainedRun(DEMO_EXPERIMENTS[name], head.config, head.model, head.normalisation, corpora.cache, (), ())
    heard = hear_judged(trained, judged, ways=WAYS[1:] if early else WAYS)
    before = np.array(head.config.metrics.get("offsets", ()) or [0.0] * len(head.config.classes), np.float32)
    heard = [replace(h, outputs=replace(h.outputs, logits=h.outputs.logits - before)) for h in heard]
    run.mkdir(parents=True, exist_ok=True)
    store_heard(run / STORED, heard)
    fit = fit_left_out(heard)
    add_offsets(head.model, fit.offsets - before)
    calibration, strangers = calibrate_left_out(fit, heard), describe_strangers(fit, heard)
    config = replace(
        head.config,
        temperature=calibration.temperature,
        margin=calibration.margin,
        measured_clips=calibration.clips,
        caveat=f"{CAVEAT} {summarise_strangers(strangers) or CAVEAT_SPEECH}",
        metrics=strangers | measure_run(trained, corpora.test, calibration),
    )
    sha256 = save_head(out / name, config, head.model, normalisation=head.normalisation, novelty=head.novelty, clips=head.clips)
    write_card(out / name, load_head(out / name).config)
    return sha256


def describe_training(corpora: DemoCorpora, anchor: str = "") -> str:
    everyday = [s for s in corpora.training.speech if s.corpus in EVERYDAY]
    acted = [s for s in corpora.training.speech if s.corpus not in EVERYDAY]
    parts = [describe_clips(acted, "acted"), *([describe_clips(everyday, "everyday")] if everyday else [])]
    moved = f" The acted corpora were moved to where the neutral clips of {anchor} lie, while it learned." if anchor else ""
    return f"{', '.join(parts)} and {len(corpora.training.texts)} texts, paired artificially.{moved}"


def describe_clips(items: Sequence[FeatureItem], kind: str) -> str:
    names = ", ".join(sorted({s.corpus for s in items}))
    return f"{say_count(len(items), f'{kind} clip')} of {say_count(len({s.speaker for s in items}), 'speaker')} ({names})"


def write_combination(out: Path, corpora: DemoCorpora, *, runs: Path | None = None) -> str:
    """The combination of late-fs and coattention-fp in `out`, with a temperature and a margin of its own.

    `runs` holds the run folders of both, by the heads' names: what these said of corpora left out is then what both are fitted on.
    """
    late, early = load_single(out / "late-fs"), load_single(out / "coattention-fp")
    strangers: dict[str, Any] = {}
    if runs is None:
        mix = pair_validation(corpora)
        calibration = calibrate(combine_outputs(late, early, mix, corpora.cache), clips=len(corpora.training.validation_speech))
    else:
        heard = combine_heard(read_shifted(runs / "late-fs"), read_shifted(runs / "coattention-fp"))
        fit = fit_left_out(heard, with_offsets=False)
        calibration, strangers = calibrate_left_out(fit, heard), describe_strangers(fit, heard, with_offsets=False)
    own = [s for s in corpora.test.speech if s.text]
    tests = [t for items in corpora.test.texts.values() for t in items]
    pairs = draw_pairs(corpora.test.speech, tests, tuple(UNITS), seed=0)
    metrics: dict[str, Any] = {}
    for name, examples, items in (
        ("speech with its own words", show_alone(own, tuple(UNITS), with_own_text=True), own),
        ("speech with a text of the same label", pairs, corpora.test.speech),
    ):
        outputs = combine_outputs(late, early, examples, corpora.cache)
        metrics[name] = slice_ua(outputs.labels, outputs.logits.argmax(1), items, classes=outputs.logits.shape[1])
    metrics["calibration"] = describe_calibration(calibration, combine_outputs(late, early, pairs, corpora.cache))
    config = shape_head(
        Experiment(data="", features="", units=("T", "F", "P", "S")),
        name="combined",
        title=DEMO_TITLES["combined"],
        temperature=calibration.temperature,
        margin=calibration.margin,
        measured_clips=calibration.clips,
        trained_on=late.config.trained_on,
        licence=LICENCE,
        caveat=f"{CAVEAT} {summarise_strangers(strangers) or CAVEAT_SPEECH}",
        metrics=strangers | metrics,
    )
    sha256 = save_combination(out / "combined", config, early=early, late=late)
    write_card(out / "combined", load_head(out / "combined").config)
    return sha256


def pair_validation(corpora: DemoCorpora) -> list[PairedExample]:
    """What the combination is fitted on: validation clips with a text of their label, clean and augmented, and with their own words."""
    speech, texts = corpora.training.validation_speech, corpora.training.validation_texts
    turned = [replace(s, speech=list_copies(s)[i % (len(s.copies) + 1)], copies=()) for i, s in enumerate(speech)]
    own = [s for s in speech if s.text]
    return [
        *draw_pairs(speech, texts, tuple(UNITS), seed=1),
        *draw_pairs(turned, texts, tuple(UNITS), seed=2),
        *show_alone(own, tuple(UNITS), with_own_text=True),
    ]


def combine_outputs(late: Head, early: Head, examples: Sequence[PairedExample], cache: FeatureCache) -> Outputs:
    """The mean of both heads' logits (section 2.4)."""
    found = [ModelReader.of(head, cache).predict(examples) for head in (late, early)]
    return Outputs(found[0].labels, combine(found[1].logits, found[0].logits))


def _describe_row(row: dict[str, Any]) -> str:
    return f"epoch {row['epoch']}: loss {row['loss']:.3f}, validation loss {row['validation_loss']:.3f}, UA {row['validation_ua']:.3f}"
