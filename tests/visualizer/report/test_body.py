import numpy as np

from dataset.layouts import layout_names, load_layout
from visualizer.figures.importance import importance
from visualizer.report.body import body_map


def test_values_are_percent_of_the_most_important_joint(make_findings):
    found = make_findings(classes=5, clips=4)  # the fifth class has no clip
    body = body_map(found, importance(found))
    shares = found.importance[:4] / found.importance[:4].max(axis=1, keepdims=True)
    assert np.abs(np.array(body["values"][:4]) - 100 * shares).max() <= 0.5
    assert body["clips"] == [1, 1, 1, 1, 0] and not any(body["values"][4])
    assert body["order"][0][0] == found.importance[0].argmax()


def test_every_layout_fits_into_the_picture(make_findings):
    for name in layout_names():
        layout = load_layout(name)
        found = make_findings(layout=layout, importance=np.ones((5, layout.num_joints)), shown=())
        places = np.array(body_map(found, importance(found))["places"])
        assert places.shape == (layout.num_joints, 2)
        assert np.abs(places).max() <= 50.1
