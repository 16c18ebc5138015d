"""HTML fragments of experiments: the list, one experiment, two beside each other. What a visitor or a file can choose is escaped here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from mmer.choices.units import UNITS
from mmer.experiments.experiment import Experiment
from mmer.experiments.report.deviations import list_deviations
from mmer.experiments.report.learning import name_runs
from mmer.experiments.report.overview import FoldProgress, RunSummary, RunView
from mmer.experiments.report.tables import find_paper_ua
from mmer.experiments.settings import write_command
from mmer.phrasing import say_count, say_time
from mmer.scores import comparison
from mmer.ui.texts import experiments as texts
from mmer.ui.texts import shared
from mmer.ui.train.cards import percent, write_code, write_leakage, write_list, write_problem, write_table, write_warnings

CHOOSE_TWO = f'<p class="mm-note">{texts.CHOOSE_TWO}</p>'
NOTHING_CHOSEN = f'<p class="mm-note">{texts.NOTHING_CHOSEN}</p>'


def write_runs(runs: Sequence[tuple[str, RunSummary]], chosen: str | None, *, closed: str = "") -> str:
    """The list: a button per experiment."""
    if not runs:
        return f'<p class="mm-note mm-none">{texts.NONE_RECORDED if closed else texts.NONE_YET}</p>'
    items = "".join(write_run_item(key, summary, chosen == key) for key, summary in runs)
    return f'<ul class="mm-runs" aria-label="{shared.EXPERIMENTS}">{items}</ul>'


def write_run_item(key: str, summary: RunSummary, chosen: bool) -> str:
    state = "broken" if summary.problem else summary.status.state
    ua = texts.say_ua(percent(summary.ua)) if summary.ua is not None else ""
    facts = " · ".join(escape(fact) for fact in (summary.title, summary.data, summary.preset) if fact)
    learning = f'<small class="mm-bad">{escape(summary.learning)}</small>' if summary.learning else ""
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(summary.changed)) if summary.changed and state != "recorded" else ""
    return (
        f'<li><button type="button" data-run="{escape(key)}" aria-current="{"true" if chosen else "false"}">'
        f"<b>{escape(summary.name)}</b>{write_state(state)}<span>{facts}</span>"
        f'<span class="mm-ua">{ua}</span>{learning}<small>{when}</small></button></li>'
    )


def write_state(state: str) -> str:
    return f'<span class="mm-badge mm-is-{escape(state)}">{texts.STATES.get(state, escape(state))}</span>'


def write_run(view: RunView) -> str:
    """The head of one experiment: state, progress, what went wrong."""
    title = f"<h2>{escape(view.name)} {write_state('broken' if view.summary.problem else view.status.state)}</h2>"
    if view.experiment is None:
        return f'<section class="mm-run">{title}{write_problem(view.summary.problem)}</section>'
    facts = f"{escape(view.experiment.title)}, preset {escape(view.experiment.preset)}; {escape(str(view.data.get('name', '')))}"
    return f"""
<section class="mm-run" aria-label="{texts.EXPERIMENT}">
  {title}
  <p class="mm-note">{facts}{write_size(view)}</p>
  {write_end(view)}
  {write_learning(view)}
  {write_progress(view) if view.status.state not in ("finished", "recorded") else ""}
</section>"""


def write_learning(view: RunView) -> str:
    """That runs learnt nothing, beside a mean that holds them; "" when all learnt."""
    sentences = [view.learning.sentence] if view.learning.short else []
    if view.learning.diverged:
        many, names = len(view.learning.diverged), name_runs(view.learning.diverged)
        sentences.append(texts.say_diverged(many, view.learning.runs, names))
    return "".join(f'<p class="mm-problem" role="note">{escape(sentence)}</p>' for sentence in sentences)


def write_size(view: RunView) -> str:
    if not view.data:
        return ""
    runs = say_count(view.runs, "run")
    return f", {say_count(view.data['utterances'], 'utterance')} of {say_count(view.data['speakers'], 'speaker')}; {runs}"


def write_end(view: RunView) -> str:
    """Why it ended, with its last words."""
    status = view.status
    if status.state not in ("failed", "lost", "stopped"):
        return ""
    sentence = {
        "failed": texts.say_failed(status.message),
        "lost": texts.say_lost(status.message),
        "stopped": texts.STOPPED,
    }[status.state]
    words = "".join(f"{escape(line)}\n" for line in status.last_words)
    last = f'<p class="mm-note">{texts.LAST_LINES}:</p>{write_lines(words, texts.LAST_LINES)}' if words else ""
    kind = "mm-quiet" if status.state == "stopped" else "mm-problem"
    return f'<p class="{kind}">{escape(sentence)}</p>{last}'


def write_progress(view: RunView) -> str:
    """The whole and each fold as bars, in words beside."""
    status = view.status
    left = texts.say_left(say_time(status.seconds_left)) if status.seconds_left is not None else ""
    so_far = texts.say_ua_so_far(percent(view.ua), len(view.finished), view.runs) if view.ua is not None else ""
    summary = " · ".join(part for part in (texts.say_runs_finished(status.runs_finished, view.runs), left, so_far) if part)
    stage = f'<p class="mm-note" aria-live="polite">{escape(status.stage)}</p>' if status.active and status.stage else ""
    whole = f'<div class="mm-whole">{write_bar(status.done, texts.WHOLE)}<p><b>{percent(status.done, 0)}</b> {escape(summary)}</p></div>'
    return f'{whole}{stage}<div class="mm-folds">{"".join(write_fold(fold) for fold in view.folds)}</div>'


def write_fold(fold: FoldProgress) -> str:
    parts = [texts.say_finished(fold.finished, fold.runs)]
    if fold.ua is not None:
        parts.append(texts.say_test_ua(percent(fold.ua)))
    elif fold.epoch:
        parts.append(texts.say_epoch(fold.epoch))
    if fold.validation_ua is not None and fold.ua is None:
        parts.append(texts.say_validation_ua(percent(fold.validation_ua)))
    return f"<div><b>{escape(fold.name)}</b>{write_bar(fold.share, fold.name)}<span>{' · '.join(parts)}</span></div>"


def write_bar(share: float, name: str) -> str:
    whole = max(0.0, min(100.0, 100 * share))
    return (
        f'<div class="mm-progress" role="progressbar" aria-label="{escape(name)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{whole:.0f}"><i style="width:{whole:.1f}%"></i></div>'
    )


def write_log(view: RunView) -> str:
    lines = "".join(f"{escape(line)}\n" for line in view.log)
    return write_lines(lines, shared.LOG) if lines else f'<p class="mm-note">{texts.NO_LOG}</p>'


def write_lines(lines: str, name: str) -> str:
    return f'<pre class="mm-log" role="group" tabindex="0" aria-label="{name}">{lines}</pre>'


def write_scores(view: RunView) -> str:
    """The scores at the end, or so far; the paper's beside."""
    if view.scores is None:
        so_far = texts.say_ua_so_far(percent(view.ua), len(view.finished), view.runs)
        return f'<p class="mm-note">{so_far}.</p>' if view.finished else ""
    s = view.scores
    spread = [
        texts.say_spread(100 * s[f"ua_over_{what}_sd"], what)
        for what in ("folds", "repetitions")
        if s.get(f"ua_over_{what}_sd") is not None
    ]
    figures = [
        (texts.UA, percent(s["ua"]), texts.say_mean(s["runs"], ", ".join(spread))),
        (texts.WA, percent(s["wa"]), texts.ACCURACY),
        (texts.MACRO_F1, percent(s["macro_f1"]), texts.MEAN),
    ]
    if s.get("interval"):
        i = s["interval"]
        note = texts.say_interval(100 * i["level"], 100 * i["low"], 100 * i["high"], i["of"])
        figures.insert(1, (texts.POOLED_UA, percent(s["pooled_ua"]), note))
    asked = view.experiment
    paper = find_paper_ua(asked.fusion, asked.units) if asked and asked.has_papers_classes else None
    if paper is not None and view.experiment:
        utterances = view.data.get("utterances", 0)
        note = "; ".join(list_deviations(view.experiment, data=str(view.data.get("name", "")), utterances=utterances))
        figures.append((texts.PAPERS_UA, percent(paper / 100), texts.say_deviations(note) if note else texts.SAME_SETTINGS_AS_PAPER))
    items = "".join(f'<div><dt>{name}</dt><dd>{value}</dd><dd class="mm-detail">{escape(note)}</dd></div>' for name, value, note in figures)
    return f'<dl class="mm-scores" aria-label="{texts.SCORES}">{items}</dl>'


def write_fold_scores(view: RunView) -> str:
    """The scores of every finished run, fold by fold."""
    names, failed = {fold.fold: fold.name for fold in view.folds}, view.learning.failed
    ends = {(r.get("fold"), r.get("repetition")): r for r in view.results}
    rows = [
        [escape(texts.name_run(names.get(r["fold"], str(r["fold"] + 1)), r["repetition"] + 1)), f"{r['utterances']:,}"]
        + [percent(r[name]) for name in ("ua", "wa", "macro_f1")]
        + [write_epochs(ends.get((r["fold"], r["repetition"]))), texts.NO if (r["fold"], r["repetition"]) in failed else texts.YES]
        for r in sorted(view.finished, key=lambda r: (r["fold"], r["repetition"]))
    ]
    return write_table(["", *texts.RUN_COLUMNS], rows, kind="mm-tall") if rows else ""


def write_epochs(run: Mapping[str, Any] | None) -> str:
    """ "12 of 16"; "–" before the experiment's end."""
    return texts.say_of(run["best_epoch"], run["epochs"]) if run and "best_epoch" in run and "epochs" in run else "–"


def write_facts(view: RunView) -> str:
    """Settings, leakage, what was left out, machine and command: for whoever wants to do it again."""
    if view.experiment is None:
        return ""
    settings = describe_settings(view.experiment)
    shown = ("mmer", "python", "torch", "numpy", "platform", "cpu", "cores", "device", "threads", "precision")
    machine = {k: str(view.environment[k]) for k in shown if view.environment.get(k)}
    place = replace(view.experiment, data="DATA", features="cache") if view.recorded else view.experiment
    return "".join(
        (
            f"<h3>{texts.BOTH_SHARED}</h3>",
            write_leakage(view.leakage, runs=view.runs, unknown=view.unknown, utterances=view.data.get("utterances", 0)),
            write_warnings(view.data.get("warnings", ())),
            write_list(shared.LEFT_OUT, list(view.data.get("excluded", []))),
            write_list(texts.say_partial(", ".join(view.experiment.units)), list_partial(view)),
            write_list(shared.NOTES, list(view.data.get("notes", []))),
            f"<h3>{shared.SETTINGS}</h3>",
            write_table([], [[escape(k), escape(v)] for k, v in settings.items()], kind="mm-facts"),
            f"<h3>{texts.MACHINE}</h3>",
            write_table([], [[escape(k), escape(v)] for k, v in machine.items()], kind="mm-facts"),
            f"<h3>{shared.SHELL}</h3>",
            write_code(write_command(place, name=view.name)),
        )
    )


def list_partial(view: RunView) -> list[str]:
    """Utterances that lack units which the model reads. Older experiments recorded every unit; a model of one unit reads none in part."""
    units = view.experiment.units if view.experiment else ()
    return list(view.data.get("partial", [])) if len(units) > 1 else []


def describe_settings(experiment: Experiment) -> dict[str, str]:
    """Field -> value, without what only this machine knows."""
    stored = experiment.to_json()
    facts = {k: v for k, v in stored.items() if k not in ("data", "features", "model", "device", "threads", "stacked")} | stored["model"]
    facts["learning_rate"] = experiment.rate
    facts["units"] = ", ".join(f"{u} ({UNITS[u].name})" for u in experiment.units)
    facts["labels"] = ", ".join(f"{k}={v}" for k, v in experiment.labels.items()) or texts.AS_THEY_ARE
    facts["classes"] = ", ".join(experiment.class_names)
    return {k.replace("_", " "): f"{v:g}" if isinstance(v, float) else str(v) for k, v in facts.items()}


# comparison


def write_comparison(a: RunView, b: RunView, found: Mapping[str, Any] | None, problem: str) -> str:
    """Scores of two experiments side by side, the difference with its interval and test, and in which settings they differ."""
    names = [escape(a.name), escape(b.name)]
    return f"""
<section class="mm-run" aria-label="{texts.COMPARISON}">
  <h2>{names[0]} <span class="mm-thin">{texts.AND}</span> {names[1]}</h2>
  {write_difference(found) if found else write_unpaired(problem)}
  {write_idle(a, b)}
  {write_table(["", *names], list_score_rows(a, b))}
  {write_setting_differences(a, b)}
</section>"""


def write_idle(*views: RunView) -> str:
    """That means hold runs which never learnt: then it is luck of the start that is compared."""
    sentences = [f"{view.name}: {view.learning.short}" for view in views if view.learning.short]
    said = texts.say_includes_unlearnt("; ".join(sentences))
    return f'<p class="mm-problem" role="note">{escape(said)}</p>' if sentences else ""


def list_score_rows(a: RunView, b: RunView) -> list[list[str]]:
    rows = [[title, *(percent((v.scores or {}).get(name)) for v in (a, b))] for name, title in texts.SCORE_ROWS.items()]
    rows.append([texts.INTERVAL, *(write_interval((v.scores or {}).get("interval")) for v in (a, b))])
    rows.append([texts.TESTED, *(f"{(v.scores or {}).get('utterances', 0):,}" for v in (a, b))])
    rows.append([texts.RUNS, *(texts.say_of(len(v.finished), v.runs) for v in (a, b))])
    for name, title in texts.UNLEARNT.items():
        counts = [len(getattr(view.learning, name)) for view in (a, b)]
        if any(counts):
            rows.append([title, *(texts.say_of(count, view.learning.runs) for count, view in zip(counts, (a, b)))])
    return rows


def write_interval(interval: Mapping[str, Any] | None) -> str:
    return texts.say_range(100 * interval["low"], 100 * interval["high"]) if interval else "–"


def write_difference(found: Mapping[str, Any]) -> str:
    first, second = (escape(name) for name in found["names"])
    difference = 100 * found["difference"]
    more = first if difference > 0 else second
    sentence = texts.say_difference(f"{abs(difference):.1f}", more) if difference else texts.SAME_UA
    interval = found["interval"]
    if interval:
        low, high = 100 * interval["low"], 100 * interval["high"]
        sentence += texts.say_difference_interval(first, second, difference, 100 * interval["level"], low, high)
    folds = [[escape(f["value"]), *(percent(ua) for ua in f["ua"]), f"{100 * f['difference']:+.1f}"] for f in found["per_fold"]]
    table = write_table([texts.UA, first, second, texts.DIFFERENCE], folds)
    sentences = [comparison.word_test(found), comparison.word_cover(found)]
    if not found["same_validation"]:
        sentences.append(comparison.OTHER_VALIDATION)
    notes = "".join(f'<p class="mm-note">{escape(sentence)}</p>' for sentence in sentences if sentence)
    return (
        f'<p class="mm-difference">{sentence}.</p><p class="mm-note">{escape(comparison.word_pairing(found))} '
        f"{escape(comparison.word_folds(found))}</p>{table}{notes}"
    )


def write_unpaired(problem: str) -> str:
    return f'<p class="mm-quiet">{escape(texts.say_unpaired(problem))}</p>'


def write_setting_differences(a: RunView, b: RunView) -> str:
    if a.experiment is None or b.experiment is None:
        return ""
    first, second = describe_settings(a.experiment), describe_settings(b.experiment)
    names = [k for k in {**first, **second} if first.get(k) != second.get(k)]
    if not names:
        return f'<p class="mm-note">{texts.SAME_SETTINGS}</p>'
    rows = [[escape(k), escape(first.get(k, texts.DEFAULT)), escape(second.get(k, texts.DEFAULT))] for k in names]
    return write_table([texts.SETTINGS_THAT_DIFFER, escape(a.name), escape(b.name)], rows, kind="mm-facts")
