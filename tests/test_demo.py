"""The demo's claim: from raw files to at least 95 % on subjects that were not trained on."""

import pytest

from config import load
from utils.run_folder import eval_figures, runs


@pytest.mark.slow
def test_the_demo_learns_actions_of_people_it_has_never_seen(command, run_tool, tmp_path):
    place = ["--store", tmp_path / "store"]
    made = run_tool("tools.make_skeletons", tmp_path / "raw")
    assert made.returncode == 0, made.stderr
    for words in (["-gd", "--raw", tmp_path / "raw"], ["-w", tmp_path / "work", "-g", "cpu"]):
        done = command("-c", "0001", *words, *place, timeout=900)
        assert done.returncode == 0, done.stderr
    (run,) = runs(tmp_path / "work" / load("0001").title)
    best, last = eval_figures(run)
    assert run.metrics()[-1]["eval"]["clips"] == 144
    assert min(best, last) >= 0.95

    table = run_tool("tools.summarize", "0001", "-w", tmp_path / "work")
    assert f"0001    {best:.2%}" in table.stdout
    assert "python main.py -c 0001 -e" in table.stdout
