import pytest
import torch

from utils import checkpoint
from utils.checkpoint_import import read_own
from utils.errors import UserError

ABOUT = {
    "progress": {"epoch": 1, "best": None},
    "config": {"data": {"layout": "ntu"}, "input": {}, "model": {}},
    "classes": ["sit"],
}


def test_round_trip(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"model": {"w": torch.arange(3.0)}, **ABOUT})
    content = read_own(path)
    assert torch.equal(content["model"]["w"], torch.arange(3.0))
    assert content["progress"] == {"epoch": 1, "best": None}


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"model": {}, **ABOUT})
    with pytest.raises(AttributeError, match="lambda|pickle"):
        checkpoint.save(path, {"model": {}, "progress": lambda: None})
    assert read_own(path)["progress"] == {"epoch": 1, "best": None}
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


def test_a_truncated_checkpoint_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"model": {"w": torch.zeros(1000)}, **ABOUT})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match="truncated, damaged or not written by torch"):
        read_own(path)


def test_another_version_is_refused(tmp_path):
    torch.save({"format": checkpoint.FORMAT, "version": 99, "model": {}}, tmp_path / "last.pt")
    with pytest.raises(UserError, match="version 99, but this Gesta reads version 1"):
        read_own(tmp_path / "last.pt")


def test_somebody_elses_checkpoint_holds_no_run_to_resume(tmp_path):
    torch.save({"w": torch.zeros(1)}, tmp_path / "last.pt")
    with pytest.raises(UserError, match="form state-dict, which holds no run to resume; use it with -pp"):
        read_own(tmp_path / "last.pt")


def test_random_state_brings_dropout_back():
    cpu = torch.device("cpu")
    state = checkpoint.random_state(cpu)
    first = torch.rand(4)
    assert checkpoint.restore_random_state(state, cpu)
    assert torch.equal(torch.rand(4), first)
