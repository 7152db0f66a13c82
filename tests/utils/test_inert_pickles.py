"""Files that torch saved, read without running anything of them."""

import os
import pickle

import pytest
import torch

from utils.inert_pickles import Stub, load_inert


class Malicious:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [False, True])
def test_weights_are_read_and_all_else_is_a_stub(tmp_path, zipped):
    content = {"state_dict": {"w": torch.arange(3.0)}, "meta": Malicious(tmp_path / "made")}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = load_inert(tmp_path / "a.pth")
    assert torch.equal(found["state_dict"]["w"], torch.arange(3.0))
    assert isinstance(found["meta"], Stub)
    assert not (tmp_path / "made").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_code_that_torch_would_run_is_refused(tmp_path):
    torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1)).save(tmp_path / "a.pth")
    with pytest.raises(pickle.UnpicklingError, match="TorchScript"):
        load_inert(tmp_path / "a.pth")
