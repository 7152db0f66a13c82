"""A layout on paper."""

import pytest
from matplotlib.text import Text

from dataset.layouts import layout_names, load_layout
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
