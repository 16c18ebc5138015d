"""The Train tab over loopback and in a real browser: check, start, watch, stop, resume, compare; and what strangers get."""

import os
import shutil
import signal
import time

import gradio as gr
import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import expect
from train_cases import fill_form, make_service, write_data

from mmer.experiments.folder.run_status import find_birth, read_status
from mmer.experiments.settings import PROTOCOL, SETTINGS
from mmer.experiments.training_service import PUBLIC, load_engine
from mmer.ui import launch_options
from mmer.ui.train import train
from mmer.ui.train.handlers import FIELDS, TrainHandlers, TrainSession

PATIENCE = 90_000  # ms
# titles of axes that reach beyond their figure
CUT_TITLES = """() => [...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => {
  const { left, right } = plot.getBoundingClientRect();
  const titles = [...plot.querySelectorAll(".xtitle, .x2title")].map((title) => [title.textContent, title.getBoundingClientRect()]);
  return titles.filter(([, box]) => box.left < left - 1 || box.right > right + 1).map(([text]) => text);
})"""
LINES = """(blocks) => blocks.map((block) => [
  Math.round(block.getBoundingClientRect().top) * 2 + (block.closest("#protocol") ? 1 : 0),
  block.querySelector("input").getBoundingClientRect().top,
])"""
EVIL = "<img src=x onerror=alert(1)> ${1+1} {{x}}"


def serve(service):
    """The tab in a page of its own, with the neighbours that put it to sleep."""
    with gr.Blocks(analytics_enabled=False, fill_width=True) as app:
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Explore") as explore_tab:
                gr.Markdown("nothing")
            with gr.Tab("Train") as train_tab:
                training = train.build(service)
        train.wake(training, train_tab, [explore_tab])
    _, url, _ = app.queue().launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **launch_options())
    return app, url


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def gate(root):
    """Trainers wait in the middle until this file is there."""
    return root / "gate"


@pytest.fixture(scope="module")
def shop(root, gate):
    service = make_service(root, seconds=0.1, gate=str(gate))
    row = f"clips/0-0.wav,{EVIL.replace(',', ';')},calm,voice0,male"
    write_data(root / "data", extra_rows=[row])
    return service


@pytest.fixture(scope="module")
def address(shop):
    app, url = serve(shop)
    yield url
    app.close()


def wait_until(condition):
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def ask_form(**changes):
    return [fill_form(data="voices", labels="calm=", **changes).get(name) for name in FIELDS]


@pytest.fixture
def open_page(browser):
    pages = []

    def open_one(address, width=1280, height=900, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.on("dialog", lambda dialog: pytest.fail("a word of the data was run as a script"))
        page.goto(address)
        page.get_by_role("tab", name="Train").click()
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()


def fill_fresh(page, field, text):
    """Fills a field of a panel that was just unfolded. Gradio builds such fields late and writes their first values a moment after they
    appear, over what a script has typed by then; a person is never as fast."""
    for _ in range(20):
        field.fill(text)
        field.press("Tab")
        page.wait_for_timeout(250)
        if field.input_value() == text:
            return
    pytest.fail(f"the field does not keep {text}")


def fill_protocol(page, folds, repetitions):
    page.click("#protocol button")
    fill_fresh(page, page.locator("#set-folds input"), str(folds))
    fill_fresh(page, page.locator("#set-repetitions input"), str(repetitions))


def leave_calm_out(page):
    page.click("#train-tabs >> text=Labels and classes")
    fill_fresh(page, page.get_by_placeholder("angry=anger, calm="), "calm=")


def check_and_start(page, model, name):
    page.click("#data-set input")
    page.get_by_role("option", name="voices").click()
    page.get_by_role("radio", name=model, exact=True).check()
    page.click("#check-data")
    expect(page.locator(".mm-report")).to_contain_text("48 utterances of 6 speakers", timeout=PATIENCE)
    expect(page.locator("#estimate")).to_contain_text("about 1 min 15 s")
    page.locator("#run-name").locator("input, textarea").fill(name)
    page.click("#start-run")
    expect(page.locator("#run-head h2")).to_contain_text(name, timeout=PATIENCE)


@pytest.mark.browser
def test_from_the_check_to_the_comparison(open_page, address, shop, gate):
    page = open_page(address)
    leave_calm_out(page)
    fill_protocol(page, 3, 2)
    expect(page.locator("#start-run")).to_be_disabled()
    check_and_start(page, "Linear", "first")
    first = page.locator("#data-report .mm-leakage tbody tr").first.locator("th, td").all_text_contents()
    assert first == ["Speakers", "train and test", "✓ none", "0", "0.0", "0.0 %"]

    expect(page.locator("#run-head .mm-folds > div")).to_have_count(3)
    expect(page.locator("#run-head .mm-folds > div").first).to_contain_text("epoch 3", timeout=PATIENCE)
    page.wait_for_selector("#curves .main-svg")
    page.click("#run-stop")
    expect(page.locator("#run-head .mm-badge")).to_have_text("stopped", timeout=PATIENCE)
    wait_until(lambda: not find_birth(read_status(shop.find("run/first")).pid))  # the process says so, then it ends

    page.reload()
    page.get_by_role("tab", name="Train").click()
    page.get_by_role("tab", name="Experiments").click()
    gate.touch()
    page.click("#run-resume")
    other = open_page(address)
    other.get_by_role("tab", name="Experiments").click()
    expect(other.locator("#run-head h2")).to_contain_text("first")
    for visitor in (page, other):
        expect(visitor.locator("#run-head .mm-badge")).to_have_text("finished", timeout=PATIENCE)
        expect(visitor.locator("#scores")).to_contain_text("pooled UA")
    expect(page.locator("#confusion .main-svg").first).to_be_visible()

    other.get_by_role("tab", name="New").click()
    leave_calm_out(other)
    fill_protocol(other, 3, 2)
    check_and_start(other, "Late fusion", "second")
    expect(other.locator("#run-head .mm-badge")).to_have_text("finished", timeout=PATIENCE)
    other.get_by_role("tab", name="Compare").click()
    expect(other.locator("#comparison")).to_contain_text("points of pooled UA in favour of second", timeout=PATIENCE)
    expect(other.locator("#comparison")).to_contain_text(
        "p = 0.0312 (all 64 ways to swap whole speakers; 6 speakers can give no smaller p than 2/2^6 = 0.03125)"
    )
    expect(other.locator("#compare-confusion-difference .main-svg").first).to_be_visible()
    with page.expect_download() as download:
        page.click("#run-export")
    assert download.value.suggested_filename == "first.zip"
    page.click("#run-delete")
    expect(page.locator("#delete-question")).to_contain_text("Delete first with its heads")
    page.click("#delete-no")
    expect(page.locator("#delete-question")).to_be_hidden()
    assert shop.find("run/first").path.exists()


@pytest.mark.browser
def test_words_of_the_data_are_text(open_page, address):
    page = open_page(address)
    leave_calm_out(page)
    page.click("#data-set input")
    page.get_by_role("option", name="voices").click()
    page.click("#check-data")
    expect(page.locator(".mm-report")).to_contain_text("Left out: 1", timeout=PATIENCE)
    assert page.locator(".mm-report img").count() == 0


@pytest.mark.browser
def test_fields_of_a_row_and_panels_stand_on_one_line(open_page, address, shop):
    finish_one(shop)
    page = open_page(address)
    for name in ("protocol", "train-settings"):
        page.click(f"#{name} button")
        page.locator(f"#{name} .mm-numbers input").first.wait_for()
    fields = page.locator(".mm-numbers .form > .block").evaluate_all(LINES)
    assert len(fields) == len((*PROTOCOL, *SETTINGS)) and len({row for row, _ in fields}) < len(fields) / 2
    assert all(abs(one - other) < 1 for row, one in fields for again, other in fields if row == again)

    def find_left(selector):
        seen = "(all) => all.find((one) => one.checkVisibility()).getBoundingClientRect().left"
        return page.locator(selector).evaluate_all(seen)

    assert find_left("#estimate p") == pytest.approx(find_left("#data-set"), abs=1)
    page.get_by_role("tab", name="Experiments").click()
    page.locator(".mm-runs button").first.wait_for()
    assert find_left(".mm-runs button") == pytest.approx(find_left("#train-tabs"), abs=3)
    page.get_by_role("tab", name="Compare").click()
    assert find_left("#comparison .prose") == pytest.approx(find_left("#train-tabs"), abs=1)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction(open_page, address, shop, scheme):
    finish_one(shop)
    page = open_page(address, 390, 844, scheme)
    page.wait_for_selector("#data-set")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("tab", name="Experiments").click()
    page.wait_for_selector("#groups .main-svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#run-head").bounding_box()["width"] > 280  # below the list, not beside it
    assert page.evaluate(CUT_TITLES) == []
    turned = page.locator("#confusion .js-plotly-plot").evaluate("plot => getComputedStyle(plot).filter")
    assert (turned == "none") == (scheme == "light")


def finish_one(shop):
    """An experiment that is over, whatever ran before."""
    (shop.runs.parent / "gate").touch()
    form = fill_form(data="voices", labels="calm=", folds=2, repetitions=1)
    if not any(summary.status.state == "finished" for _, summary in shop.list()):
        key = shop.start(form, "", checked=shop.check(form).key)
        wait_until(lambda: read_status(shop.find(key)).state in ("finished", "failed"))
        assert read_status(shop.find(key)).state == "finished"


def test_answers_that_overtake_each_other_leave_no_old_picture(tmp_path):
    """A page that is left with the older of two answers gets the newer one at its next look; one that lacks nothing is left alone."""
    shop = make_service(tmp_path)
    write_data(tmp_path / "data", extra_rows=["clips/0-0.wav,Calm.,calm,voice0,male"])
    finish_one(shop)
    handlers, session = TrainHandlers(shop), TrainSession()
    folder = shop.find(shop.list()[0][0])
    finished = folder.read("status")
    folder.write("status", finished | {"state": "stopped"})
    older = handlers.open(session)
    folder.write("status", finished)
    newer = handlers.refresh(session, older["drawn"])
    assert "stopped" in older["head"] and "finished" in newer["head"]
    assert "finished" in handlers.refresh(session, older["drawn"])["head"]  # the older answer came last
    assert list(handlers.refresh(session, newer["drawn"])) == ["drawn"]
    for nonsense in ("", "a b", "x" * 1000, None, 5, "a b c d"):  # what a browser may send
        assert "finished" in handlers.refresh(session, nonsense)["head"]


def test_every_handler_answers_twice(tmp_path):
    shop = make_service(tmp_path)  # of its own: an opened page shows the newest experiment
    write_data(tmp_path / "data", extra_rows=["clips/0-0.wav,Calm.,calm,voice0,male"])
    finish_one(shop)
    app, url = serve(shop)
    visitor = Client(url, verbose=False)
    for _ in range(2):
        assert "48 utterances" in str(visitor.predict(*ask_form(), api_name="/check_data"))
        assert "about 1 min 15 s" in str(visitor.predict(*ask_form(), api_name="/expect_fusion"))
        visitor.predict("coattention", ["F"], api_name="/change_model")
        assert "mm-runs" in str(visitor.predict(api_name="/open_experiments"))
        visitor.predict("", api_name="/refresh_experiments")
        assert "plotly" in str(visitor.predict("gender", api_name="/regroup"))
        assert "Delete " in str(visitor.predict(api_name="/ask_delete"))
        assert visitor.predict(api_name="/export_experiment")
        visitor.predict(None, None, api_name="/list_compared")
        assert "Choose two" in str(visitor.predict(None, None, api_name="/compare_experiments"))
        with pytest.raises(AppError, match="is not being trained: it is finished"):
            visitor.predict(api_name="/stop_experiment")
    app.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU where there is none")
def test_a_gpu_that_is_not_here_is_told_in_the_estimate_s_place(tmp_path):
    shop = make_service(tmp_path, load=load_engine)
    write_data(tmp_path / "data")
    app, url = serve(shop)
    visitor = Client(url, verbose=False)
    asked = ask_form(unit="T", device="cuda")
    for answer in (visitor.predict(*asked, api_name="/check_data")[1], visitor.predict(*asked, api_name="/expect_device")[0]):
        assert "mm-problem" in answer and "Device cuda: PyTorch finds no GPU here; use cpu, or auto" in answer
    with pytest.raises(AppError, match="PyTorch finds no GPU here"):
        visitor.predict("x", *asked, api_name="/start_experiment")
    assert shop.list() == []
    app.close()


@pytest.mark.browser
def test_the_package_s_own_engine_from_the_check_to_the_scores(open_page, tmp_path):
    """Text alone: its encoder is quick, and no sound has to lie beside the manifest."""
    shop = make_service(tmp_path, load=load_engine)
    shutil.rmtree(write_data(tmp_path / "data") / "clips")
    app, url = serve(shop)
    page = open_page(url)
    page.click("#data-set input")
    page.get_by_role("option", name="voices").click()
    page.get_by_role("radio", name="Linear", exact=True).check()
    page.locator("#unit-choice").get_by_role("radio", name="T text").check()
    fill_protocol(page, 2, 1)
    page.click("#train-settings button")
    fill_fresh(page, page.locator("#set-epochs input"), "2")
    fill_fresh(page, page.locator("#set-hidden input"), "8")
    page.click("#check-data")
    expect(page.locator(".mm-report")).to_contain_text("48 utterances of 6 speakers", timeout=PATIENCE)
    expect(page.locator("#estimate")).to_contain_text("still to extract", timeout=PATIENCE)
    page.click("#start-run")
    expect(page.locator("#run-head h2")).to_contain_text("voices-linear-t", timeout=PATIENCE)
    expect(page.locator("#run-head .mm-badge")).to_have_text("finished", timeout=PATIENCE)
    expect(page.locator("#scores")).to_contain_text("mean over 2 runs")
    page.wait_for_selector("#run-layers .main-svg")
    view = shop.view("run/voices-linear-t")
    assert (view.experiment.units, view.experiment.model, view.experiment.epochs) == (("T",), {"hidden": 8}, 2) and view.has_heads
    assert page.locator("#scores dd").first.inner_text() == f"{100 * view.scores['ua']:.1f} %"
    app.close()


@pytest.mark.parametrize("path", ["/etc", "../../..", "voices/../../secret"])
def test_paths_elsewhere_are_refused_over_the_wire(address, path):
    form = dict(zip(FIELDS, ask_form())) | {"data": path}
    with pytest.raises(AppError, match="does not lie below a folder that this app may read"):
        Client(address, verbose=False).predict(*form.values(), api_name="/check_data")
    with pytest.raises(AppError, match="does not lie below"):
        Client(address, verbose=False).predict("x", *form.values(), api_name="/start_experiment")


def test_a_start_without_a_check_is_refused_over_the_wire(address, shop):
    with pytest.raises(AppError, match="Check the data set first"):
        Client(address, verbose=False).predict("unseen", *ask_form(), api_name="/start_experiment")
    assert not (shop.runs / "unseen").exists()


@pytest.mark.browser
def test_a_crash_shows_last_words_as_text_and_resume(open_page, tmp_path):
    shop = make_service(tmp_path, crash=2)
    write_data(tmp_path / "data")
    form = fill_form(data="voices", folds=2, repetitions=1)
    key = shop.start(form, "crashed", checked=shop.check(form).key)
    wait_until(lambda: read_status(shop.find(key)).state == "lost")
    app, url = serve(shop)
    page = open_page(url)
    page.get_by_role("tab", name="Experiments").click()
    expect(page.locator("#run-head .mm-badge")).to_have_text("lost")
    expect(page.locator("#run-head .mm-log")).to_contain_text("<b>the disk is on fire</b>")
    expect(page.locator("#run-resume")).to_be_visible()
    app.close()


@pytest.fixture(scope="module")
def public_address(shop, tmp_path_factory):
    """A page for strangers that ships what `shop` has trained."""
    finish_one(shop)
    service = make_service(tmp_path_factory.mktemp("public"), closed=PUBLIC, runs=None, recorded=shop.runs)
    app, url = serve(service)
    yield url
    app.close()


def test_strangers_can_start_stop_and_delete_nothing_over_the_wire(public_address, shop):
    visitor = Client(public_address, verbose=False)
    assert "recorded, read only" in str(visitor.predict(api_name="/open_experiments"))
    before = sorted(str(path) for path in shop.runs.rglob("*"))
    for name, arguments in (
        ("check_data", ask_form()),
        ("start_experiment", ["x", *ask_form()]),
        ("stop_experiment", []),
        ("resume_experiment", []),
        ("delete_experiment", []),
        ("promote_experiment", ["x", "", "median"]),
    ):
        with pytest.raises(AppError, match="Training is off on this page because strangers visit it"):
            visitor.predict(*arguments, api_name=f"/{name}")
    assert sorted(str(path) for path in shop.runs.rglob("*")) == before
    assert visitor.predict(api_name="/export_experiment")


@pytest.mark.browser
def test_strangers_see_recorded_runs_the_reason_and_the_command(open_page, public_address):
    page = open_page(public_address)
    expect(page.locator("#run-head .mm-badge")).to_have_text("recorded, read only", timeout=PATIENCE)
    page.wait_for_selector("#curves .main-svg")
    for name in ("stop", "resume", "delete"):
        expect(page.locator(f"#run-{name}")).to_be_hidden()
    page.get_by_role("tab", name="New").click()
    expect(page.locator(".mm-closed code")).to_have_text("python app.py --data-root FOLDER")
    expect(page.locator("#check-data")).to_be_disabled()
    expect(page.locator("#shell-command code")).to_contain_text("--model late --units T F S")
    page.get_by_role("radio", name="Coattention").check()
    expect(page.locator("#shell-command code")).to_contain_text("--model coattention --units T F S")


def test_a_page_without_runs_or_roots_says_so(tmp_path):
    app, url = serve(make_service(tmp_path, roots=()))
    (field,) = [block.info for block in app.blocks.values() if block.elem_id == "data-set"]
    assert field == "No folder of data sets was named when this app was started. Start it with: python app.py --data-root FOLDER"
    visitor = Client(url, verbose=False)
    assert "There are no experiments yet" in str(visitor.predict(api_name="/open_experiments"))
    with pytest.raises(AppError, match=r"python app\.py --data-root FOLDER"):
        visitor.predict(*ask_form(), api_name="/check_data")
    app.close()


def test_a_killed_trainer_is_lost_for_every_visitor(address, shop, gate):
    gate.unlink(missing_ok=True)
    form = fill_form(data="voices", labels="calm=", folds=2, repetitions=1)
    key = shop.start(form, "killed", checked=shop.check(form).key)
    wait_until(lambda: shop.view(key).rows)
    os.kill(read_status(shop.find(key)).pid, signal.SIGKILL)
    wait_until(lambda: read_status(shop.find(key)).state == "lost")
    for _ in range(2):
        assert "mm-is-lost" in str(Client(address, verbose=False).predict(api_name="/open_experiments"))
