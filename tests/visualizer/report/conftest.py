"""A browser for the report: Debian's chromium, which is told that there is no network."""

import os
import shutil

import pytest

from visualizer.report import write


@pytest.fixture(scope="session")
def browser():
    """Chromium; skips, in words, where it or playwright is absent. With CI=true it has to start if it is there."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is absent: requirements-dev.txt has it")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is absent: nobody looks at the report (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"chromium does not start here: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def look(browser, tmp_path, monkeypatch):
    """Returns `look(findings, charts=False, **context) -> page`: the report, opened; with plotly if charts matter.

    Fails at the end if the page asked for anything, or if the browser had something to say: an error, a warning, a
    violation of the page's own policy.
    """
    said, asked, contexts = [], [], []

    def watch(route):
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    def open_report(findings, charts=False, **context):
        with monkeypatch.context() as patch:
            if not charts:  # they take a second to open
                patch.setattr("plotly.offline.get_plotlyjs", lambda: "const Plotly = { react() {} };")
            write(findings, tmp_path / "report.html")
        contexts.append(browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}} | context))
        contexts[-1].route("**/*", watch)
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message) or dialog.dismiss())
        page.goto((tmp_path / "report.html").as_uri())
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert (said, asked) == ([], [])
