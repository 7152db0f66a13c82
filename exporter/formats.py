"""The two files of a program: torch's own `.pt2`, and `.onnx`."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from utils.deployed import REQUIREMENTS
from utils.environment import commit
from utils.errors import UserError
from utils.files import disk_errors

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_CLIPS = 1 << 16  # of a batch
MOST_PERSONS = 1 << 8
REMEDY = "free some space and export again"
NOISE = (  # of torch 2.13
    "No complete tensor found in the group",  # of weights that are views, such as channels-last ones
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
NEEDED = f"-ex needs onnx, onnxscript and onnxruntime: {REQUIREMENTS}"


def require_packages() -> None:
    """Raise `UserError` if what `-ex` needs beside requirements.txt is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(NEEDED) from error


def trace(program: nn.Module, example: tuple[Tensor, Tensor], longest: int, persons: int) -> ExportedProgram:
    """Return a program of joints (N, M, T, V, C) and frames (N,), for any N, at least `persons` M, T up to `longest`.

    Names of files and lines of this machine, which torch notes at every node, are taken out, and so are the example and
    the guards: see `utils/inert_programs.py`.
    """
    clips, frames = Dim("clips", min=1, max=MOST_CLIPS), Dim("frames", min=1, max=longest)
    shapes = {"joints": {0: clips, 1: Dim("persons", min=persons, max=MOST_PERSONS), 2: frames}, "frames": {0: clips}}
    with torch.no_grad(), _quiet():
        traced = torch.export.export(program.eval(), example, dynamic_shapes=shapes)
    traced._example_inputs = None
    traced._guards_code = []
    for node in traced.graph.nodes:
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node", "custom"):
            node.meta.pop(key, None)
    return traced


def save_pt2(traced: ExportedProgram, path: Path) -> None:
    """Write a `.pt2`."""
    buffer = io.BytesIO()  # on a full disk torch itself fails with an error of its own
    with _quiet():
        torch.export.save(traced, buffer)
    _write(path, buffer.getbuffer())


def save_onnx(traced: ExportedProgram, path: Path) -> None:
    """Write an `.onnx` that is one file."""
    with _quiet():
        program = torch.onnx.export(
            traced,
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=["joints", "frames"],
            output_names=["logits"],
            custom_translation_table={torch.ops.aten.acos.default: _arccos(), torch.ops.aten.mean.dim: _mean()},
        )
    assert program is not None
    save(program.model_proto, path)


def save(model: "ModelProto", path: Path) -> None:
    """Write a model of onnx."""
    _write(path, model.SerializeToString())


def _write(path: Path, content: bytes | memoryview) -> None:
    with disk_errors(path, REMEDY):
        path.write_bytes(content)


def _arccos() -> Callable[..., Any]:
    """Return arccos as 2 atan(sqrt((1 - x) / (1 + x))): onnxruntime has none for float64, nor atan.

    The quotient is in float64, where rounding counts, the arctangent in float32: together exact to 2e-7.
    """
    import onnxscript

    op: Any = onnxscript.opset20
    to_float = {"to": onnxscript.FLOAT.dtype}

    def arccos(x: Any) -> Any:
        one, two = (op.CastLike(op.Constant(value_float=number), x) for number in (1.0, 2.0))
        half = op.Atan(op.Cast(op.Sqrt(op.Div(op.Sub(one, x), op.Add(one, x))), **to_float))
        return op.Mul(two, op.CastLike(half, x))

    return arccos


def _mean() -> Callable[..., Any]:
    """Return the mean over several axes as means over one after another, which are of equal numbers.

    onnxruntime moves the transposition before the last mean of a network behind it, and then adds up thousands of
    numbers one by one: EfficientGCN-B0's logits, of up to 35, differed by 1e-4, and now do by 1e-5.
    """
    import onnxscript

    op: Any = onnxscript.opset20

    def mean(x: Any, dim: Sequence[int], keepdim: bool = False) -> Any:
        for axis in dim:
            x = op.ReduceMean(x, op.Constant(value_ints=[axis]), keepdims=1)
        return x if keepdim else op.Squeeze(x, op.Constant(value_ints=list(dim)))

    return mean


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back three things that torch's exporter always says, and that nobody can mend."""
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    said = logging.Filter()
    said.filter = lambda record: "torchvision is not installed" not in record.getMessage()  # type: ignore[method-assign]
    registry.addFilter(said)
    try:
        with warnings.catch_warnings():
            for message in NOISE:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        registry.removeFilter(said)


def versions() -> dict[str, str]:
    """Return the versions that an export depends on."""
    import onnx
    import onnxruntime
    import onnxscript

    found = {each.__name__: str(each.__version__) for each in (torch, onnx, onnxscript, onnxruntime)}
    return {"gesta": commit() or "unknown", **found}
