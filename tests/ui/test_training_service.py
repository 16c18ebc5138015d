"""Where the web app trains: what it may read, what it may do, and that a stranger can't do it."""

import json
import os
import shlex
import signal
import time
import zipfile

import pytest
from train_cases import EACH, SPEAKERS, fill_form, make_service, write_data

from mmer.choices.emotions import EMOTIONS
from mmer.cli import build_command_parser
from mmer.commands.train import read_settings
from mmer.errors import DataError
from mmer.experiments.check_data import count_labels, count_part, list_speakers
from mmer.experiments.data_roots import allow_path, find_data, read_pairs
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_status import find_birth, read_status
from mmer.experiments.promote import promote_run
from mmer.experiments.report.run_view import measure_folds
from mmer.experiments.report.tables import find_paper_ua
from mmer.experiments.settings import SETTINGS, build_experiment, default_of, suggest_name, write_command
from mmer.experiments.training_service import PUBLIC, load_engine

PATIENCE = 180  # seconds; a busy machine starts a process slowly


@pytest.fixture
def shop(tmp_path):
    service = make_service(tmp_path)
    write_data(tmp_path / "data")
    return service


def wait_for(shop, key, *states):
    end = time.monotonic() + PATIENCE
    while (status := read_status(shop.find(key))).state not in states:
        assert time.monotonic() < end, status
        time.sleep(0.1)
    return status


def start(shop, name="", **changes):
    form = fill_form(data="voices", **changes)
    return shop.start(form, name, checked=shop.check(form).key)


# data


def test_data_sets_below_a_root_are_found_by_name(tmp_path):
    root = tmp_path / "data"
    write_data(root, "deep/er/voices")
    write_data(root, ".hidden/voices")
    (root / "two").mkdir()
    for name in ("manifest.csv", "manifest.jsonl"):
        (root / "two" / name).write_text("")
    (root / "IEMOCAP" / "Session1" / "dialog").mkdir(parents=True)
    (root / "link").symlink_to(root / "two")
    assert [data.title for data in find_data([root])] == ["IEMOCAP", "deep/er/voices", "two/manifest.csv", "two/manifest.jsonl"]
    assert [data.title for data in find_data([root / "deep" / "er" / "voices"])] == ["voices"]
    assert find_data([root / "two", root / "IEMOCAP"])[0].title == "IEMOCAP"


def test_a_path_is_taken_absolute_or_below_any_root(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "a").mkdir(parents=True)
    (second / "b").mkdir(parents=True)
    assert allow_path("a", [first, second]) == first / "a"
    assert allow_path(second / "b", [first, second]) == second / "b"
    assert allow_path("b/../b/", [first, second]) == second / "b"


@pytest.mark.parametrize("given", ["/etc", "..", "a/../../secret", "../secret", "link", "link/deeper", "a/\0b", "x" * 5000, "~", "circle"])
def test_a_path_elsewhere_is_refused_whether_it_exists_or_not(tmp_path, given):
    root, secret = tmp_path / "root", tmp_path / "secret"
    (root / "a").mkdir(parents=True)
    (secret / "deeper").mkdir(parents=True)
    (root / "link").symlink_to(secret)
    (root / "circle").symlink_to(root / "circle")
    with pytest.raises(DataError, match=r"does not lie below|There is no"):
        allow_path(given, [root])
    for outside in (secret, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="does not lie below a folder that this app may read"):
            allow_path(outside, [root])


def test_a_manifest_that_is_a_link_to_elsewhere_is_refused(tmp_path):
    outside = write_data(tmp_path, "outside")
    (tmp_path / "root" / "voices").mkdir(parents=True)
    (tmp_path / "root" / "voices" / "manifest.csv").symlink_to(outside / "manifest.csv")
    with pytest.raises(DataError, match="leads out of the folders"):
        allow_path("voices", [tmp_path / "root"])


def test_without_a_root_or_a_choice_a_sentence_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"python app\.py --data-root FOLDER"):
        allow_path("voices", [])
    with pytest.raises(DataError, match="Choose a data set first"):
        allow_path("  ", [tmp_path])


def test_labels_are_pairs_and_never_a_file(tmp_path, monkeypatch):
    same = {emotion: emotion for emotion in EMOTIONS}
    assert read_pairs("angry=anger, calm=,") == same | {"angry": "anger", "calm": ""}
    assert read_pairs("neutral=") == same | {"neutral": ""}
    assert read_pairs(" ") == {}
    for name in ("a=b", "a=b,"):
        (tmp_path / name).write_text('{"a": "anger"}')
    with pytest.raises(DataError, match="does not have the form label=emotion"):
        read_pairs(str(tmp_path / "labels.json"))
    monkeypatch.chdir(tmp_path)
    assert read_pairs("a=b") == read_pairs("a=b,") == same | {"a": "b"}  # the pair, not the file of that name
    many = ",".join(f"label{i}=anger" for i in range(60))  # longer than a file's name may be
    assert read_pairs(many) == same | {f"label{i}": "anger" for i in range(60)}


def test_a_check_counts_what_the_manifest_says(shop):
    report = shop.check(fill_form(data="voices"))
    assert count_labels(report.dataset, "session") == []
    assert count_labels(report.dataset, "speaker")[0] == ("voice0", (2, 2, 2, 2))
    assert len(report.folds) == 3 and len(report.splits) == 6
    assert [sum(count_part(report.dataset, fold, "test")) for fold in report.folds] == [2 * EACH] * 3
    assert sorted(s for fold in report.folds for s in list_speakers(report.dataset, fold)) == [f"voice{s}" for s in range(SPEAKERS)]
    rows = {(r["kind"], r["first"], r["second"]): r["shared_most"] for r in report.summary}
    assert rows["speakers", "train", "test"] == 0 and rows["sentences", "train", "test"] == 2 and rows["audio", "train", "test"] == 0
    assert not shop.runs.exists()


def test_a_bad_manifest_is_refused_with_file_row_and_column(shop, tmp_path):
    write_data(tmp_path / "data", "broken", extra_rows=["clips/0-0.wav,Again.,joy,voice0,male"])
    with pytest.raises(DataError, match=r"manifest.csv.*row"):
        shop.check(fill_form(data="broken"))


# the form


@pytest.mark.parametrize(
    ("fusion", "unit", "units", "wanted"),
    [
        ("linear", "P", ["T", "F"], ("P",)),
        ("late", "P", ["S", "T", "F"], ("T", "F", "S")),
        ("coattention", None, ["W", "F"], ("T", "F", "W")),
        ("concatenation", None, ["F", "P", "T"], ("T", "F", "P")),
    ],
)
def test_a_form_gives_only_units_that_the_model_takes(fusion, unit, units, wanted):
    form = fill_form(fusion=fusion, unit=unit, units=units)
    assert build_experiment(form, data="d", features="c", labels={}).units == wanted


def test_an_empty_form_is_the_paper_s_settings():
    assert build_experiment({"units": ["T", "F", "S"]}, data="d", features="c", labels={}) == Experiment("d", "c")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, "Epochs at most is 0: it must be a whole number from 1 to 10000"),
        ({"repetitions": 1e9}, "Repetitions is 1e[+]09"),
        ({"folds": 2.5}, "Folds is 2.5: it must be a whole number"),
        ({"seed": float("nan")}, "Seed is nan"),
        ({"learning_rate": "fast"}, "'fast' is no number"),
        ({"fusion": "transformer", "heads": 7}, "Attention heads is 7: it must divide 384"),
        ({"fusion": "late", "units": []}, "name different ones"),
        ({"fusion": "coattention", "units": []}, "Coattention needs T"),
        ({"fusion": "magic"}, "Model 'magic'|magic"),
        ({"preset": "huge"}, "Preset 'huge'"),
    ],
)
def test_what_a_form_can_t_say_gives_a_sentence(changes, sentence):
    with pytest.raises(DataError, match=sentence):
        build_experiment(fill_form(**changes), data="d", features="c", labels={})


def test_settings_of_the_model_are_told_only_where_they_differ():
    given = build_experiment(fill_form(hidden=64, dropout=0.2), data="d", features="c", labels={})
    assert given.model == {"hidden": 64}
    assert {s.name: default_of(s) for s in SETTINGS}["dropout"] == 0.2


def test_names_are_suggested_that_are_free_and_can_be_names(shop):
    form = fill_form(data="voices")
    assert shop.suggest(form) == "voices-linear-f"
    (shop.runs / "voices-linear-f").mkdir(parents=True)
    assert shop.suggest(form) == "voices-linear-f-2"
    assert suggest_name(Experiment("d", "c"), data="Ünïcode & <b>") == "n-code-b-late-tfs"


def test_the_shell_s_command_says_what_differs_from_the_defaults():
    text = write_command(Experiment("my data", "cache", fusion="coattention", units=("T", "F"), batch_size=16), name="x")
    assert text.startswith("python -m mmer train --data 'my data' --features cache --model coattention --units T F --batch-size 16")
    assert text.endswith("--runs runs --name x") and "--folds" not in text


def test_the_paper_s_figure_is_found_for_its_cells():
    assert find_paper_ua("linear", ("F",)) == 65.44
    assert find_paper_ua("late", ("T", "F", "S")) == 75.80
    assert find_paper_ua("coattention", ("T", "F", "P")) == 74.57
    assert find_paper_ua("concatenation", ("T", "F", "P")) == 71.29
    assert find_paper_ua("late", ("F", "S")) is None


def test_progress_of_folds_counts_runs_and_epochs():
    splits = [{"fold": f, "repetition": r, "name": f"fold {f + 1}", "train": ["u"] * 64} for f in range(2) for r in range(2)]
    rows = [{"fold": 0, "repetition": r, "epoch": e, "validation_ua": 0.1 * e} for r in range(2) for e in (1, 2)]
    experiment = Experiment("d", "c", epochs=10, min_steps=0)
    first, second = measure_folds(splits, rows, [{"fold": 0, "repetition": 1, "ua": 0.7}], experiment)
    assert (first.finished, first.runs, first.epoch, first.ua, first.validation_ua) == (1, 2, 2, 0.7, 0.2)
    assert first.share == pytest.approx((1 + 2 / (2 + 1.75 * 2)) / 2)  # patience leaves two epochs at least
    assert (second.finished, second.share, second.ua, second.validation_ua) == (0, 0.0, None, None)


# experiments


def test_nothing_starts_before_the_very_data_was_checked(shop):
    form = fill_form(data="voices")
    key = shop.check(form).key
    for changed in (form | {"folds": 2}, form | {"seed": 1}, form | {"validation": "speaker"}):
        with pytest.raises(DataError, match="Check the data set first"):
            shop.start(changed, "x", checked=key)
    with pytest.raises(DataError, match="Check the data set first"):
        shop.start(form, "x", checked=None)
    assert not shop.runs.exists() or list(shop.runs.iterdir()) == []


def test_an_experiment_is_started_and_ends_with_its_scores(shop, tmp_path):
    key = start(shop)
    wait_for(shop, key, "finished")
    ((found, summary),) = shop.list()
    assert found == key == "run/voices-linear-f" and 0.3 < summary.ua <= 1
    view = shop.view(key)
    assert view.runs == 6 and len(view.finished) == 6 and view.ua == pytest.approx(view.scores["ua"])
    assert all(fold.finished == 2 and fold.share == 1 for fold in view.folds)
    assert zipfile.ZipFile(shop.export(key, tmp_path / "x.zip")).testzip() is None
    shop.delete(key)
    assert shop.list() == []
    with pytest.raises(DataError, match="no longer exists"):
        shop.view(key)


def wait_for_rows(shop, key):
    end = time.monotonic() + PATIENCE
    while not shop.view(key).rows:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_stop_ends_the_process_and_resume_goes_on(tmp_path):
    shop = make_service(tmp_path, gate=str(tmp_path / "gate"))
    write_data(tmp_path / "data")
    key = start(shop)
    wait_for_rows(shop, key)
    pid = read_status(shop.find(key)).pid
    with pytest.raises(DataError, match="is being trained by process"):
        shop.delete(key)
    assert shop.stop(key).state == "stopped"
    assert not find_birth(pid)
    epochs = max(row["epoch"] for row in shop.view(key).rows)
    (tmp_path / "gate").touch()
    shop.resume(key)
    wait_for(shop, key, "finished")
    rows = shop.view(key).rows
    assert max(row["epoch"] for row in rows) == 6 > epochs
    assert len(rows) == len({(r["fold"], r["repetition"], r["epoch"]) for r in rows})


def test_a_killed_trainer_is_shown_as_lost_with_its_last_words(tmp_path):
    shop = make_service(tmp_path, gate=str(tmp_path / "gate"))
    write_data(tmp_path / "data")
    key = start(shop)
    wait_for_rows(shop, key)
    before = shop.sign(key)
    os.kill(read_status(shop.find(key)).pid, signal.SIGKILL)
    status = wait_for(shop, key, "lost")
    assert any("epoch 1" in line for line in status.last_words)
    assert shop.sign(key) != before
    (tmp_path / "gate").touch()
    shop.resume(key)
    wait_for(shop, key, "finished")


def test_the_package_s_own_engine_trains_what_the_form_says(tmp_path):
    shop = make_service(tmp_path, load=load_engine)
    write_data(tmp_path / "data")
    options = {"folds": 2, "repetitions": 1, "epochs": 2, "min_steps": 0, "hidden": 8, "threads": 1, "device": "cpu"}
    estimate = shop.estimate(fill_form(data="voices", **options))
    assert 0 < estimate.seconds_likely <= estimate.seconds_most and estimate.extraction_seconds > 0
    key = start(shop, **options)
    assert wait_for(shop, key, "finished", "failed", "lost").state == "finished", shop.view(key).log
    view = shop.view(key)
    assert len(view.finished) == 2 and view.has_heads and len(view.results[0]["layer_weights"]["F"]["normalised"]) == 4
    assert shop.estimate(fill_form(data="voices", **options)).extraction_seconds == 0
    with pytest.raises(DataError, match="so none of them should become a head"):  # noise teaches nothing
        shop.promote(key, name="noise", licence="CC0 1.0")
    place = promote_run(shop.find(key), name="mine", fold=0, repetition=0, out=shop.heads, licence="CC0 1.0")
    assert (place / "README.md").is_file() and place.parent == shop.heads


def test_a_broken_folder_is_shown_with_its_reason(shop):
    key = start(shop)
    wait_for(shop, key, "finished")
    folder = shop.find(key).path
    (folder / "data.json").write_text("[]")
    assert "damaged" in shop.view(key).summary.problem
    (folder / "config.json").write_text("{")
    assert "damaged" in shop.view(key).summary.problem
    assert shop.list()[0][1].problem


# strangers


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """A service for strangers, with one recorded experiment; and what its owner could do with it."""
    tmp_path = tmp_path_factory.mktemp("public")
    owner = make_service(tmp_path)
    write_data(tmp_path / "data")
    key = start(owner, "shipped")
    wait_for(owner, key, "finished")
    recorded = tmp_path / "assets"
    os.rename(owner.runs, recorded)
    (recorded / "shipped" / "lock").unlink(missing_ok=True)
    return make_service(tmp_path, closed=PUBLIC, runs=None, recorded=recorded)


def test_strangers_see_what_was_recorded_and_can_change_nothing(public, tmp_path):
    ((key, summary),) = public.list()
    assert key == "recorded/shipped" and summary.status.state == "recorded" and public.view(key).scores
    assert public.list_data() == ()
    before = sorted(path for path in public.recorded.rglob("*"))
    form = fill_form(data="voices")
    attempts = [
        lambda: public.check(form),
        lambda: public.start(form, "x", checked=None),
        lambda: public.stop(key),
        lambda: public.resume(key),
        lambda: public.delete(key),
        lambda: public.promote(key, name="x", licence=""),
        lambda: public.estimate(form),
    ]
    for attempt in attempts:
        with pytest.raises(DataError, match="Training is off on this page because strangers visit it"):
            attempt()
    assert sorted(path for path in public.recorded.rglob("*")) == before
    assert public.export(key, tmp_path / "x.zip").stat().st_size > 1000


def test_recorded_experiments_are_read_only_for_the_owner_too(public):
    own = make_service(public.recorded.parent, recorded=public.recorded)
    for attempt in (own.stop, own.resume, own.delete):
        with pytest.raises(DataError, match="can only be looked at"):
            attempt("recorded/shipped")


@pytest.mark.parametrize("key", ["run/../secret", "recorded/../..", "run/", "elsewhere/x", "", None, "run/.hidden", "recorded/a/b"])
def test_a_key_never_leads_out_of_the_folders(public, key):
    with pytest.raises(DataError):
        public.find(key)


def test_a_run_that_is_a_link_is_not_followed(shop, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "config.json").write_text(json.dumps({}))
    shop.runs.mkdir()
    (shop.runs / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="is a link"):
        shop.view("run/link")


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment("my data", "cache"),
        Experiment("d", "c", fusion="linear", units=("F",), folds=3, seed=4, share=0.2, labels={"angry": "anger", "x y": ""}),
        Experiment("d", "c", fusion="coattention", units=("T", "F", "P"), validation="speaker", model={"dropout": 0.1, "blocks": 2}),
    ],
)
def test_the_written_command_trains_the_same_experiment(experiment):
    words = shlex.split(write_command(experiment, name="x"))
    parsed = build_command_parser("train").parse_args(words[4:])
    assert parsed.name == "x"
    assert read_settings(parsed, fusion=parsed.model, units=tuple(parsed.units)) == experiment
