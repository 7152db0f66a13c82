"""Exported programs of torch that could run code are refused before torch sees them."""

import io
import json
import pickle
import zipfile

import pytest
import torch
from torch import nn

from utils.errors import UserError
from utils.inert_programs import inert_copy

MODEL, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"


class Boom:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code was run')",))


@pytest.fixture(scope="module")
def content():
    """The entries of a clean program, by name."""
    torch.manual_seed(0)
    batch = torch.export.Dim("clips", min=1, max=64)
    shapes = ({0: batch},)
    program = torch.export.export(
        nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)), (torch.ones(4, 3),), dynamic_shapes=shapes
    )
    program._example_inputs, program._guards_code = None, []
    for node in program.graph.nodes:
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(key, None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def write(tmp_path, content):
    """Writes a program with some entries replaced (by the ends of their names) or added; returns its path."""

    def write(changes=(), added=(), compression=zipfile.ZIP_STORED):
        path = tmp_path / "x.pt2"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, value in content.items():
                archive.writestr(name, dict(changes).get(name.partition("/")[2], value))
            for name, value in dict(added).items():
                archive.writestr(f"archive/{name}", value)
        return path

    return write


@pytest.fixture
def edited(content):
    """Returns the JSON in an entry, changed by a function."""

    def edit(name, change):
        value = json.loads(next(held for entry, held in content.items() if entry.endswith(name)))
        change(value)
        return {name: json.dumps(value).encode()}

    return edit


def test_a_clean_program_runs(write):
    module = torch.export.load(inert_copy(write())).module(check_guards=False)
    assert module(torch.ones(7, 3)).shape == (7, 2)


def pickled(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_sample_inputs_would_run_code_and_are_refused(write):
    """What torch does with them is the reason for this module."""
    path = write({"data/sample_inputs/model.pt": pickled((Boom(),))})
    with pytest.raises(SystemExit, match="code was run"):
        torch.export.load(path)
    with pytest.raises(
        UserError, match=r"x.pt2: holds pickled sample inputs.*accepted are the .pt2 files that -ex writes"
    ):
        inert_copy(path)


def test_a_pickled_weight_is_refused(write, edited):
    def change(value):
        next(iter(value["config"].values()))["use_pickle"] = True

    path = write({**edited(WEIGHTS, change), "data/weights/weight_0": pickled(Boom())})
    with pytest.raises(UserError, match="pickled tensor"):
        inert_copy(path)


@pytest.mark.parametrize(
    "name", ["data/constants/custom_obj_0", "data/constants/opaque_obj_0", "data/weights/model.pt", "version", "../x"]
)
def test_an_entry_of_another_kind_is_refused(write, name):
    with pytest.raises(UserError, match=f"holds 'archive/{name}'"):
        inert_copy(write(added={name: pickle.dumps(Boom())}))


@pytest.mark.parametrize(
    "target",
    [
        "torch.load",
        "torch.os.system",
        "torch.ops.aten.save.default",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.addmm",
        "torch.ops.other.op.default",
        "torchx.ops.aten.save.default",  # torch looks at what is behind the first dot
        "torch_version.save",
        "_operator.attrgetter",
        "_operatorx.attrgetter",
        "math.sqrt",
        "mathx.sqrt",
        "print('x')",
        "a\nimport os",
    ],
)
def test_a_call_of_anything_but_tensor_operators_is_refused(write, edited, target):
    def change(value):
        value["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(UserError, match="which could be code"):
        inert_copy(write(edited(MODEL, change)))


@pytest.mark.parametrize(
    "text",
    ["__import__('os').system('x')", "Symbol('s0').func", "Mul(2, (lambda: 1)())", "s0.__class__()", "exec('1')"],
)
def test_a_size_that_is_no_size_is_refused(write, edited, text):
    def change(value):
        value["guards_code"] = [text]

    with pytest.raises(UserError, match="which could be code"):
        inert_copy(write(edited(MODEL, change)))


def test_a_tree_that_names_a_module_is_refused(write, edited):
    def change(value):
        value["guards_code"] = ['[1, {"type": "builtins.tuple", "context": {"__enum__": true, "fqn": "os:x"}}]']

    with pytest.raises(UserError, match="which could be code"):
        inert_copy(write(edited(MODEL, change)))


def refuse_to_read(*_):
    raise AssertionError("the entry was read")


def test_a_compressed_entry_is_refused_before_it_fills_the_memory(write, monkeypatch):
    path = write(compression=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zipfile.ZipFile, "read", refuse_to_read)
    with pytest.raises(UserError, match="which could be code"):
        inert_copy(path)


@pytest.mark.parametrize("offset, value, width", [(8, 1, 2), (10, 99, 2)], ids=["encrypted", "unknown compression"])
def test_an_entry_that_zipfile_cannot_read_is_refused(write, offset, value, width):
    path = write()
    content = bytearray(path.read_bytes())
    for start in (content.index(b"PK\x01\x02") + offset, content.index(b"PK\x03\x04") + offset - 2):
        content[start : start + width] = value.to_bytes(width, "little")
    path.write_bytes(content)
    with pytest.raises(UserError, match="which could be code"):
        inert_copy(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all"])
def test_what_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "x.pt2").write_bytes(content)
    with pytest.raises(UserError, match=r"x.pt2: .*accepted are"):
        inert_copy(tmp_path / "x.pt2")


def test_an_entry_that_is_no_json_is_refused(write):
    with pytest.raises(UserError, match=r"x.pt2: .*accepted are"):
        inert_copy(write({MODEL: b"{"}))
    with pytest.raises(UserError, match=r"x.pt2: .*accepted are"):
        inert_copy(write({MODEL: b"[" * 100_000}))
