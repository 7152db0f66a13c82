import copy
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from utils.checkpoint_import import describe_mismatch, read_checkpoint, temporal_layer_of
from utils.errors import UserError

PORTS = {"seed_xsub_2001": "seed_xsub_2001.pdparams", "official_2013": "official_2013.pdparams.tar"}
WEIGHTS = {"fc.weight": torch.tensor([[1.0, 2.0]]), "bn.num_batches_tracked": torch.tensor(3)}


def original(**changes):
    """A checkpoint as the original writes it, with its numpy confusion matrix."""
    best = {"acc_top1": np.float64(0.75), "acc_top5": 1.0, "cm": np.array([[2.0, 1.0], [0.0, 1.0]])}
    content = {
        "model": WEIGHTS,
        "optimizer": {},
        "scheduler": {"last_epoch": 12},
        "best_state": best,
        "epoch": 4,
    }
    return content | changes


@pytest.fixture
def save(tmp_path):
    """Saves with torch under a misleading name and returns the path."""

    def save(content, **options):
        path = tmp_path / "weights.pdparams"
        torch.save(content, path, **options)
        return path

    return save


def with_numpy_1_names(path):
    """Rewrite the pickle in a torch archive as numpy 1 would have named its parts."""
    with zipfile.ZipFile(path) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content.replace(b"numpy._core.", b"numpy.core."))


# --- the published files


@pytest.mark.parametrize("name", PORTS)
def test_paddle_weights_become_the_originals(goldens, name):
    checkpoint = read_checkpoint(goldens / "pdparams" / PORTS[name])
    expected = torch.load(goldens / f"weights/{name}.pt", weights_only=True)
    assert checkpoint.form == "paddle"
    assert describe_mismatch(expected, checkpoint.state) is None
    for key, tensor in expected.items():
        assert checkpoint.state[key].dtype == tensor.dtype
        assert torch.equal(checkpoint.state[key], tensor), key


def test_the_recorded_accuracy_and_epoch_are_read(goldens):
    seed = read_checkpoint(goldens / "pdparams" / PORTS["seed_xsub_2001"])
    official = read_checkpoint(goldens / "pdparams" / PORTS["official_2013"])
    assert (seed.recorded, seed.epoch) == ("14868/16480 (90.22%) top-1", 69)  # the file says index 68
    assert (official.recorded, official.epoch) == ("14816/16487 (89.86%) top-1", None)


@pytest.mark.parametrize(("name", "layer"), [("seed_xsub_2001", "SG"), ("official_2013", "Sep")])
def test_plain_state_dicts_are_read_and_their_layers_told_apart(goldens, name, layer):
    checkpoint = read_checkpoint(goldens / f"weights/{name}.pt")
    assert (checkpoint.form, checkpoint.recorded, checkpoint.epoch) == ("state-dict", None, None)
    assert temporal_layer_of(checkpoint.state) == layer


@pytest.mark.parametrize("layer", ["Basic", "Bottleneck", "Sep", "SG"])
def test_every_layer_type_is_told_by_its_keys(goldens, layer):
    state = read_checkpoint(goldens / f"models/random/layer_{layer}_b2depth.pt").state
    assert temporal_layer_of(state) == layer


def test_without_temporal_layers_no_type_is_told():
    assert temporal_layer_of(["input_branches.0.stem_tcn.conv.weight", "main_stream.block-0_scn.conv.A"]) is None


# --- forms


@pytest.mark.parametrize("zipped", [True, False])
def test_the_originals_file_loads_with_its_numpy_matrix(save, zipped):
    checkpoint = read_checkpoint(save(original(), _use_new_zipfile_serialization=zipped))
    assert checkpoint.form == "efficientgcn-torch"
    assert (checkpoint.recorded, checkpoint.epoch) == ("3/4 (75.00%) top-1", 4)
    assert torch.equal(checkpoint.state["fc.weight"], WEIGHTS["fc.weight"])
    assert checkpoint.state["bn.num_batches_tracked"].dtype == torch.int64


def test_the_originals_file_loads_with_the_names_of_numpy_1(save):
    path = save(original())
    with_numpy_1_names(path)
    assert read_checkpoint(path).recorded == "3/4 (75.00%) top-1"


@pytest.mark.parametrize(
    ("best", "recorded"),
    [
        ({"acc_top1": 0.78328155}, "78.33% top-1"),
        ({"acc_top1": 0.0, "cm": 0}, "0.00% top-1"),
        ({"acc_top1": 0.5, "cm": torch.eye(4)}, "4/4 (100.00%) top-1"),
        ({}, None),
        (None, None),
    ],
)
def test_the_accuracy_comes_from_the_counts_where_there_are_some(save, best, recorded):
    assert read_checkpoint(save(original(best_state=best))).recorded == recorded


BEST = {"top1_clips": 9, "clips": 12, "top1": 0.75, "epoch": 2, "top5": 1.0}


def ours(**changes):
    """A checkpoint of our own form, as small as one can be."""
    sections = {"data": {"layout": "ntu"}, "input": {}, "model": {}, "train": {"epochs": 3}}
    about = {"config": sections, "classes": ["sit", "run"], "layout": {"centre": 1}}
    content = {"format": "gesta-checkpoint", "version": 1, "model": WEIGHTS, "progress": {"epoch": 3, "best": BEST}}
    return content | about | changes


def test_our_own_form_keeps_the_whole_file(save):
    checkpoint = read_checkpoint(save(ours()))
    assert checkpoint.form == "gesta"
    assert checkpoint.epoch == 3
    assert checkpoint.recorded == "9/12 (75.00%) top-1 after epoch 2"
    assert {**checkpoint.raw, "model": WEIGHTS} == ours()
    assert torch.equal(checkpoint.state["fc.weight"], WEIGHTS["fc.weight"])


def test_what_the_first_checkpoints_of_our_form_lack_may_be_absent(save):
    content = ours(progress={"epoch": 1})
    del content["layout"]
    checkpoint = read_checkpoint(save(content))
    assert (checkpoint.epoch, checkpoint.recorded) == (1, None)


def test_the_prefix_of_data_parallel_is_dropped(save):
    checkpoint = read_checkpoint(save({f"module.{key}": tensor for key, tensor in WEIGHTS.items()}))
    assert list(checkpoint.state) == list(WEIGHTS)


def test_weights_become_float32(save):
    state = read_checkpoint(save({"a": torch.ones(2, dtype=torch.float16), "b": torch.ones(2).double()})).state
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}


def test_a_flat_paddle_dict_with_both_spellings_loads(tmp_path):
    path = tmp_path / "half.pt"
    content = {
        "a.weight": ("conv_0.w_0", np.ones(2, dtype=np.float32)),
        "a._mean": np.zeros(2, dtype=np.float64),
        "a._variance": np.ones(2, dtype=">f4"),
        "b.running_var": np.ones(3, dtype=np.float32),
        "StructuredToParameterName@@": {"a": "b"},
    }
    path.write_bytes(pickle.dumps(content, protocol=4))
    checkpoint = read_checkpoint(path)
    assert checkpoint.form == "paddle"
    assert {key: tuple(tensor.shape) for key, tensor in checkpoint.state.items()} == {
        "a.weight": (2,),
        "a.running_mean": (2,),
        "a.running_var": (2,),
        "b.running_var": (3,),
        "a.num_batches_tracked": (),
        "b.num_batches_tracked": (),
    }


# --- PYSKL and mmaction2: weights beside metadata that may hold anything


class Logger:
    """A class of another project, which does not exist where the file is read."""

    def __init__(self):
        self.lines = ["loss"]


class Register(dict):
    """A mapping of another project."""


def mmcv(**meta):
    weights = {"backbone.data_bn.weight": torch.ones(3), "cls_head.fc_cls.weight": torch.ones(2, 4)}
    return {"meta": {"epoch": 16, "iter": 100} | meta, "state_dict": OrderedDict(weights), "optimizer": {"lr": 0.1}}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("foreign", [Logger(), Logger, Register(a=1), {np.float64}, np.array([{}], dtype=object)])
def test_foreign_metadata_become_stubs(save, monkeypatch, zipped, foreign):
    path = save(mmcv(hooks=[foreign], config=foreign), _use_new_zipfile_serialization=zipped)
    monkeypatch.delattr(f"{__name__}.Logger")
    monkeypatch.delattr(f"{__name__}.Register")
    checkpoint = read_checkpoint(path)
    assert (checkpoint.form, checkpoint.epoch, checkpoint.recorded) == ("pyskl", 16, None)
    assert checkpoint.ignored == ("meta", "optimizer")
    assert {key: tuple(value.shape) for key, value in checkpoint.state.items()} == {
        "backbone.data_bn.weight": (3,),
        "cls_head.fc_cls.weight": (2, 4),
    }
    assert all((tensor == 1).all() for tensor in checkpoint.state.values())


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_the_metadata_is_not_run(save, tmp_path, zipped):
    trap = tmp_path / "trap"
    path = save(mmcv(hook=Malicious(trap)), _use_new_zipfile_serialization=zipped)
    assert len(read_checkpoint(path).state) == 2
    assert not trap.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_the_place_of_a_weight_is_refused(save, tmp_path, zipped):
    trap = tmp_path / "trap"
    content = mmcv()
    content["state_dict"]["backbone.data_bn.bias"] = Malicious(trap)
    assert "no form known here" in refused(save(content, _use_new_zipfile_serialization=zipped))
    assert not trap.exists()


# --- key names of other projects (the networks' own tests load the goldens)


def original_st_gcn(**changes):
    """Weights of an original ST-GCN of two blocks, in small."""
    state = {"A": torch.eye(3).repeat(3, 1, 1), "data_bn.weight": torch.ones(9), "fcn.weight": torch.ones(5, 4, 1, 1)}
    for i in range(2):
        state |= {
            f"st_gcn_networks.{i}.gcn.conv.weight": torch.ones(12, 4, 1, 1),
            f"st_gcn_networks.{i}.tcn.0.weight": torch.full((4,), 0.0),
            f"st_gcn_networks.{i}.tcn.2.weight": torch.ones(4, 4, 9, 1),
            f"st_gcn_networks.{i}.tcn.3.weight": torch.full((4,), 3.0),
            f"edge_importance.{i}": torch.full((3, 3, 3), float(i)),
        }
    return state | {"st_gcn_networks.1.residual.1.bias": torch.ones(4)} | changes


@pytest.mark.parametrize("form", ["st-gcn", "mmaction2-0.x"])
def test_the_original_st_gcn_gets_pyskls_names(save, form):
    state = original_st_gcn()
    if form == "mmaction2-0.x":
        state["cls_head.fc.weight"] = state.pop("fcn.weight")
        state = {key if key.startswith("cls") else f"backbone.{key}": value for key, value in state.items()}
    checkpoint = read_checkpoint(save(state))
    assert checkpoint.form == form
    found = checkpoint.state
    blocks = [f"backbone.gcn.{i}.{name}" for i in range(2) for name in
              ("gcn.A", "gcn.PA", "gcn.conv.weight", "gcn.bn.weight", "tcn.conv.weight", "tcn.bn.weight")]  # fmt: skip
    others = ["backbone.data_bn.weight", "backbone.gcn.1.residual.bn.bias", "cls_head.fc_cls.weight"]
    assert set(found) == {*blocks, *others}
    assert found["cls_head.fc_cls.weight"].shape == (5, 4)
    assert torch.equal(found["backbone.gcn.1.gcn.A"], torch.eye(3).repeat(3, 1, 1))
    assert found["backbone.gcn.1.gcn.PA"].unique().tolist() == [1]
    assert [found[f"backbone.gcn.0.{name}.bn.weight"][0].item() for name in ("gcn", "tcn")] == [0, 3]


@pytest.mark.parametrize("wrap", ["", "module."])
def test_both_networks_of_an_original_two_stream_st_gcn_get_our_names(save, wrap):
    prefixes = ("origin_stream.", "motion_stream.")
    one = read_checkpoint(save(original_st_gcn())).state
    two = {f"{wrap}{prefix}{key}": value for prefix in prefixes for key, value in original_st_gcn().items()}
    checkpoint = read_checkpoint(save(two))
    assert (checkpoint.form, set(checkpoint.state)) == ("st-gcn", {prefix + key for prefix in prefixes for key in one})
    again = read_checkpoint(save(checkpoint.state))  # ours, saved as a plain state dict
    assert (again.form, set(again.state)) == ("pyskl", set(checkpoint.state))


def test_half_a_two_stream_network_and_strays_keep_their_names(save):
    half = {f"motion_stream.{key}": value for key, value in original_st_gcn().items()}
    assert all(key.startswith("motion_stream.") for key in read_checkpoint(save(half)).state)
    stray = half | {"fc.weight": torch.ones(2)}
    assert "without its adjacency A" in refused(save(stray))


def test_an_original_st_gcn_without_its_adjacency_is_refused(save):
    state = original_st_gcn()
    del state["A"]
    assert "without its adjacency A" in refused(save(state))
    assert "without its adjacency A" in refused(save({f"origin_stream.{key}": state[key] for key in state}))


def test_a_weight_under_two_names_is_refused(save):
    state = {"cls_head.fc.weight": torch.ones(1), "cls_head.fc_cls.weight": torch.ones(1), "backbone.A": torch.ones(1)}
    assert "holds 'cls_head.fc_cls.weight' twice, under two names" in refused(save(state))


@pytest.mark.parametrize("key", ["head.fc_cls", "cls_head.fc_cls"])
@pytest.mark.parametrize("turned", [True, False])
def test_paddles_classifier_is_turned_where_its_bias_says_so(tmp_path, key, turned):
    weight = np.arange(6, dtype="f4").reshape(2, 3)  # (K, C)
    path = tmp_path / "best.pdparams"
    path.write_bytes(pickle.dumps({f"{key}.weight": weight.T if turned else weight, f"{key}.bias": np.zeros(2, "f4")}))
    checkpoint = read_checkpoint(path)
    np.testing.assert_array_equal(checkpoint.state["cls_head.fc_cls.weight"], weight)


def test_a_square_classifier_is_turned_under_paddles_name_only(tmp_path):
    weight, path = np.arange(4, dtype="f4").reshape(2, 2), tmp_path / "best.pdparams"
    for key, expected in (("head.fc_cls", weight.T), ("cls_head.fc_cls", weight)):
        path.write_bytes(pickle.dumps({f"{key}.weight": weight, f"{key}.bias": np.zeros(2, "f4")}))
        np.testing.assert_array_equal(read_checkpoint(path).state["cls_head.fc_cls.weight"], expected)


def test_only_paddles_st_gcn_pp_lacks_an_adjacency(goldens):
    assert read_checkpoint(goldens / "pdparams" / PORTS["seed_xsub_2001"]).absent == ()


# --- refusals


class Malicious:
    """Creates a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False, None])
def test_a_malicious_file_runs_nothing(save, tmp_path, zipped):
    trap = tmp_path / "trap"
    path = tmp_path / "weights.pdparams"
    if zipped is None:
        path.write_bytes(pickle.dumps({"model": Malicious(trap)}))
    else:
        save({"model": Malicious(trap)}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=rf"asks for '{os.name}\.mkdir', which is not allowed .*; accepted are check"):
        read_checkpoint(path)
    assert not trap.exists()


def test_arrays_of_objects_are_refused(save):
    with pytest.raises(UserError, match="not allowed in a checkpoint"):
        read_checkpoint(save({"model": {"a": np.array([{}], dtype=object)}}))


def refused(path):
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith(
        "accepted are checkpoints of Gesta, the original's .pth.tar, PYSKL's and mmaction2's .pth, Paddle's .pdparams "
        "and plain state dicts, and with -i the .onnx and .pt2 that -ex writes"
    )
    assert "\n" not in message
    return message


def test_missing_and_empty_files_are_refused(tmp_path):
    empty = tmp_path / "empty.pt"
    empty.touch()
    assert "the file is empty" in refused(empty)
    assert "No such file" in refused(tmp_path / "none.pt")
    assert "directory" in refused(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(save, zipped, part):
    path = save(original(), _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert "truncated, damaged or not written by torch" in refused(path)


def test_a_truncated_pickle_a_text_and_an_archive_are_refused(tmp_path, goldens):
    path = tmp_path / "weights.pt"
    path.write_bytes((goldens / "pdparams" / PORTS["official_2013"]).read_bytes()[:5000])
    assert "not a pickle, or a damaged one" in refused(path)
    path.write_text("https://example.org/weights.pt was not found\n")
    assert "not a pickle, or a damaged one" in refused(path)
    np.savez(tmp_path / "scores.npz", logits=np.zeros(3))
    assert "not written by torch" in refused(tmp_path / "scores.npz")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            {"state_dict": {"a": torch.ones(1)}, "meta": {}},
            "no form known here, with the keys state_dict, meta;",
        ),
        ({"format": "gesta-checkpoint"}, "no form known here, with the keys format;"),
        ({"model": {}}, "no form known here, with the keys model;"),
        ({}, "no form known here, with the keys ;"),
        ({1: torch.ones(1)}, "no form known here, with the keys 1;"),
        ([1, 2], "holds a list and no mapping"),
    ],
)
def test_other_contents_are_refused_with_their_keys(save, content, reason):
    assert reason in refused(save(content))


def test_statistics_under_both_names_are_refused(tmp_path):
    path = tmp_path / "both.pdparams"
    path.write_bytes(pickle.dumps({"a._mean": np.zeros(2), "a.running_mean": np.zeros(2)}))
    assert "holds 'a.running_mean' twice, under two names" in refused(path)


# --- mismatches


def test_equal_state_dicts_have_no_mismatch():
    assert describe_mismatch(WEIGHTS, OrderedDict(reversed(WEIGHTS.items()))) is None


def test_a_mismatch_counts_and_names_the_first_keys():
    expected = {f"a{i}": torch.zeros(i) for i in range(5)} | {"fc": torch.zeros(60, 2)}
    found = {"fc": torch.zeros(120, 2), "b": torch.zeros(1)}
    assert describe_mismatch(expected, found) == (
        "5 missing: a0, a1, a2 ...; 1 unexpected: b; 1 of another shape: fc (120, 2) for (60, 2)"
    )


def test_a_zip_with_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "best.pt"
    torch.save({"w": torch.arange(4096.0)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged .* fails its checksum"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("progress", None, "lacks progress"),
        ("progress", 3, "has a value of type int for progress"),
        ("progress.best", 3, "has a value of type int for progress.best"),
        ("progress.best", {}, "lacks progress.best.top1_clips"),
        ("progress.best.top1", "high", "has a value of type str for progress.best.top1"),
        ("progress.epoch", [], "has a value of type list for progress.epoch"),
        ("classes", None, "lacks classes"),
        ("classes", 3, "has a value of type int for classes"),
        ("classes", "sit", "has a value of type str for classes"),
        ("classes", ["sit", 3], "has a value of type int for classes.1"),
        ("config", None, "lacks config"),
        ("config", [], "has a value of type list for config"),
        ("config.data", None, "lacks config.data"),
        ("config.data", {}, "lacks config.data.layout"),
        ("config.input", None, "lacks config.input"),
        ("config.model", 3, "has a value of type int for config.model"),
        ("config.input", {"frames": torch.ones(1)}, "has a value of type Tensor for config.input.frames"),
        ("config.train", torch.ones(1), "has a value of type Tensor for config.train"),
        ("layout", 3, "has a value of type int for layout"),
        ("model", {"fc.weight": "text"}, "has a value of type str for model.fc.weight"),
    ],
)
def test_our_own_form_has_to_be_whole(save, place, value, reason):
    content = copy.deepcopy(ours())
    *above, key = place.split(".")
    inner = content
    for name in above:
        inner = inner[name]
    inner.pop(key)
    if value is not None:
        inner[key] = value
    assert f"a Gesta checkpoint that {reason}; copy it again, or take another of its run; " in refused(save(content))
