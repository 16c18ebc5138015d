"""Reports opened from disk in a browser that is offline."""

import pytest
from planted_analysis import plant_analysis

from mmer.exports.report import report_html


@pytest.fixture(scope="module")
def analysis():
    return plant_analysis()


@pytest.fixture
def open_report(browser, tmp_path, spy):
    """Opens the report of an analysis from disk in a browser that is offline; fails on any script error or request."""
    contexts, troubles = [], []

    def open_one(analysis, *, width=1280, height=900, scheme="light"):
        path = tmp_path / "report.html"
        path.write_text(report_html(analysis), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        contexts.append(context)
        context.add_init_script(spy)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
        page.on(
            "request", lambda request: troubles.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None
        )
        page.goto(path.as_uri())
        page.wait_for_selector(".mv-canvas")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert troubles == []
