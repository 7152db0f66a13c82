"""A layout on paper."""

import numpy as np
import pytest
from matplotlib.text import Text

from dataset.layouts import layout_names, load_layout
from visualizer.figures.pose import pose
from visualizer.paper.canvas import style
from visualizer.paper.layout import draw


@pytest.mark.parametrize("name", layout_names())
def test_every_joint_has_its_number_and_name_once(name):
    layout = load_layout(name)
    with style():
        figure = draw(layout)
    found = [" ".join(text.get_text().split()) for text in figure.findobj(Text)]
    for number, joint in enumerate(layout.joints):
        assert found.count(f"{number} {joint}") + found.count(f"{joint} {number}") == 1
    for part in layout.parts or ():
        assert part.replace("_", " ") in found
    assert ("extra edge" in found) == (len(layout.edges) > len(layout.inward))


@pytest.mark.parametrize("name", ["ntu", "rat-12"])
def test_edges_parts_and_centre_stand_where_they_are(name):
    layout = load_layout(name)
    with style():
        lines = draw(layout).axes[0].lines
    places = pose(layout)
    drawn = {frozenset(map(tuple, np.round(line.get_xydata(), 6).tolist())) for line in lines}
    for edge in layout.edges:
        assert frozenset(map(tuple, np.round(places[list(edge)], 6).tolist())) in drawn
    dots = {tuple(line.get_xydata()[0].round(6)): line for line in lines if line.get_marker() == "o"}
    colours = [
        dots[tuple(place)].get_color()
        for place in places.round(6)
        if tuple(place) != tuple(places[layout.centre].round(6))
    ]
    assert len(set(colours)) >= min(4, len(layout.parts or ()))
    ring = next(line for line in lines if line.get_markerfacecolor() == "none")
    assert ring.get_xydata()[0] == pytest.approx(places[layout.centre])
