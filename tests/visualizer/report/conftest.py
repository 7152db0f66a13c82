"""The report, opened in a browser."""

import pytest

from visualizer.report import write


@pytest.fixture
def look(open_page, tmp_path, monkeypatch):
    """Returns `look(findings, charts=False, **context) -> page`: the report, opened; with plotly if charts matter."""

    def open_report(findings, charts=False, **context):
        with monkeypatch.context() as patch:
            if not charts:  # they take a second to open
                patch.setattr("plotly.offline.get_plotlyjs", lambda: "const Plotly = { react() {} };")
            write(findings, tmp_path / "report.html")
        return open_page(tmp_path / "report.html", **context)

    return open_report
