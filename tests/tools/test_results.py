"""What stands in a row of results."""

from dataclasses import replace

import config
from config.sections import Published
from tools.results import HEADER, row, without_runs


def cell(result, head):
    return dict(zip(HEADER, row(result), strict=True))[head]


def test_what_a_fusion_got_is_not_published_of_one_stream():
    fused = Published(metric="four_stream", value=92.1, source="A")
    mean = Published(metric="mean_class", value=28.3, source="B")
    experiment = config.load("3001").model_copy(update={"published": (fused, mean)})
    assert without_runs(experiment).published == "- / 28.3 (B)"


def test_the_multiply_adds_of_several_test_clips_say_so():
    one = replace(without_runs(config.load("3001")), multiply_adds=0.6e9, test_clips=1)
    assert cell(one, "multiply-adds") == "0.60 G"
    assert cell(replace(one, test_clips=10), "multiply-adds") == "0.60 G x 10 clips"
