"""What names state."""

import pytest

from reader.names import list_and_subset, list_and_subset_of_file, ntu_columns


def test_an_ntu_name_states_who_and_where():
    assert ntu_columns("S018C002P103R001A061") == {"setup": 18, "camera": 2, "subject": 103, "replication": 1}
    assert set(ntu_columns("v_Archery_g01_c01").values()) == {-1}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xsub_train", ("xsub", "train")),
        ("xview_val", ("xview", "val")),
        ("train", ("split", "train")),
        ("test", ("split", "test")),
        ("train1", ("split1", "train")),
        ("test3", ("split3", "test")),
        ("everything", ("everything", "everything")),
    ],
)
def test_splits_are_called_after_list_and_subset(name, expected):
    assert list_and_subset(name) == expected


@pytest.mark.parametrize(
    ("stem", "folder", "expected"),
    [
        ("ntu60_xsub_train", "any", ("xsub", "train")),
        ("val", "xview", ("xview", "val")),
        ("val", "any", ("split", "val")),
        ("babel60_val", "any", ("babel60", "val")),
        ("ntu60_hrnet", "any", None),
    ],
)
def test_a_file_of_one_split_states_it_by_its_name(stem, folder, expected):
    assert list_and_subset_of_file(stem, folder) == expected
