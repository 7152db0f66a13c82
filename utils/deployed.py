"""Exported programs: what the json beside them promises (`Contract`), and running them (`open_program`).

`NAME.json` describes `NAME.onnx` and `NAME.pt2`, which are one function of stored clips: coordinates after the variant.

Letters: N clips, M persons, T frames, V joints, C channels, K classes.
"""

import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from utils.errors import UserError
from utils.files import checksum, disk_errors, write_atomic

FORMAT = "gesta-deployed-1"
REQUIREMENTS = "pip install -r requirements-export.txt"
REMEDY = "export it again: python main.py -c NUMBER -ex -pp CHECKPOINT"
NEEDS_CHECKPOINT = "give the checkpoint itself: -pp CHECKPOINT"

Pair = tuple[int, int]
Run = Callable[[np.ndarray, np.ndarray], np.ndarray]


class _Closed(BaseModel):
    """Other keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Port(_Closed):
    """An input or output of the program; `shape` in letters, of which N, M and T may be of any size."""

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[str, ...]


class Skeleton(_Closed):
    """A layout, as `dataset.layouts.Layout` holds it (but for its file)."""

    name: str
    joints: tuple[str, ...]
    edges: tuple[Pair, ...]
    inward: tuple[Pair, ...]
    parents: tuple[int, ...]
    centre: int
    pairs: tuple[Pair, ...]
    parts: dict[str, tuple[int, ...]] | None
    spine: Pair | None
    shoulders: Pair | None
    units: str | None


class StoredVariant(_Closed):
    """The per-clip function (`dataset.variants`) whose result the program takes."""

    name: str
    options: dict[str, int | str]


class Thresholds(_Closed):
    """Figures that decide something."""

    decision: float = 0.5  # of a probability: below it, who decides live says nothing
    parity: float = 1e-4  # of logits: the most by which a file may differ from the evaluation
    agreement: float = 0.99  # of a quantised file's highest classes with those of the file that it is made of


class Parity(_Closed):
    """What the gate measured before the files were moved into place."""

    clips: int
    source: str  # which clips
    max_difference: dict[str, float]  # of logits, by file name
    agreement: float  # share of the clips whose highest class is the same


class Checkpoint(_Closed):
    """The file that was exported."""

    file: str
    sha256: str


class Contract(_Closed):
    """What a program needs and gives.

    Attributes:
        config: the resolved experiment, as in checkpoints.
        channels: of a joint, C of them.
        persons: the fewest that `joints` may hold; further ones only tell whether the first is alone.
        max_frames: the longest clip that the program takes, in frames.
        test_clips, average: how the program sees a clip, and averages what it sees; done inside.
        before: what is done with a clip before it goes in, in words.
        files: their SHA-256, by name.
    """

    format: Literal["gesta-deployed-1"] = "gesta-deployed-1"
    name: str
    title: str
    config: dict[str, Any]
    classes: tuple[str, ...] = Field(min_length=1)
    layout: Skeleton
    channels: tuple[str, ...] = Field(min_length=1)
    persons: int = Field(ge=1)
    variant: StoredVariant
    max_frames: int = Field(ge=1)
    test_clips: int = Field(ge=1)
    average: Literal["probability", "score"]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    before: tuple[str, ...]
    checkpoint: Checkpoint
    files: dict[str, str] = Field(min_length=1)
    thresholds: Thresholds
    parity: Parity
    versions: dict[str, str]
    quantized: Literal["none", "fp16", "int8"]

    @classmethod
    def read(cls, path: Path) -> "Contract":
        """Read a contract; raises `UserError` naming file and key on anything missing, unknown or mistyped."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{path}: missing; it belongs beside the program, which is of no use without it") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            key = ".".join(map(str, problem["loc"]))
            raise UserError(f"{path}: {f'{key}: ' if key else ''}{problem['msg']}; {REMEDY}") from None

    def write(self, path: Path) -> None:
        """Write it as indented JSON, atomically."""
        text = json.dumps(json.loads(self.model_dump_json()), indent=1, ensure_ascii=False) + "\n"
        with disk_errors(path, "free some space and export again"):
            write_atomic(path, lambda file: file.write(text.encode()))


@dataclass(frozen=True)
class Program:
    """An exported program, ready to run."""

    path: Path
    contract: Contract
    run: Run

    def __call__(self, joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Return the logits (N, K) float32 of stored clips; their softmax gives the probabilities.

        Args:
            joints: (N, M, T, V, C) float32, zeros behind a clip's end and for who is absent.
            frames: (N,) int64, how many of the T frames each clip has; at least 1.

        Raises:
            UserError: for another shape, a clip without frames, or one that is longer than the program takes.
        """
        self._refuse_unfit(joints, frames)
        return self.run(np.ascontiguousarray(joints, np.float32), np.ascontiguousarray(frames, np.int64))

    def _refuse_unfit(self, joints: np.ndarray, frames: np.ndarray) -> None:
        about, shape = self.contract, joints.shape
        tail = (len(about.layout.joints), len(about.channels))
        if joints.ndim != 5 or shape[3:] != tail or shape[1] < about.persons or frames.shape != shape[:1]:
            wanted = f"(N, {about.persons} or more persons, T, {tail[0]} joints, {tail[1]} channels)"
            raise UserError(f"{self.path}: takes joints {wanted} and frames (N,), got {shape} and {frames.shape}")
        if len(frames) and (frames.min() < 1 or frames.max() > shape[2]):
            raise UserError(f"{self.path}: clips of {frames.min()} to {frames.max()} frames in {shape[2]}; at least 1")
        if shape[2] > about.max_frames:
            raise UserError(
                f"{self.path}: takes clips of up to {about.max_frames} frames, got {shape[2]}; {NEEDS_CHECKPOINT}"
            )


def is_program(path: Path) -> bool:
    """Tell whether a file is an exported program, by its suffix."""
    return path.suffix in _OPENERS


def open_program(path: Path, threads: int | None = None, device: str = "cpu") -> Program:
    """Open an exported `.onnx` (by onnxruntime) or `.pt2` (by torch) that is what the json beside it says.

    A `.pt2` is code by nature, and `torch.export.load` unpickles freely: see `utils/inert_programs.py`, which lets
    pass what an export of ours consists of, and nothing else. The checksum guards against damage, not against who
    writes both files.

    Args:
        path: of the program; its contract has the same name and the suffix .json.
        threads: of the processor that a call uses; for a `.pt2` this sets torch's for the whole process.
        device: "cpu", or the number of a CUDA device.

    Raises:
        UserError: if a file is missing or damaged, is not what the contract lists, or cannot be run here.
    """
    if not is_program(path):
        raise UserError(f"{path}: a program ends in {' or '.join(_OPENERS)}")
    contract = Contract.read(path.with_suffix(".json"))
    if path.name not in contract.files:
        listed = ", ".join(contract.files)
        raise UserError(f"{path.with_suffix('.json')}: describes {listed}, not {path.name}; give the files their names")
    if not path.is_file():
        raise UserError(f"{path}: no such file; {REMEDY}")
    if checksum(path) != contract.files[path.name]:
        raise UserError(f"{path}: not what {contract.name}.json says (altered or damaged); {REMEDY}")
    return Program(path, contract, _OPENERS[path.suffix](path, threads, device))


def require_onnxruntime(what: str) -> types.ModuleType:
    """Return onnxruntime; raises `UserError` saying that `what` needs it where it is not installed."""
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(f"{what} needs onnxruntime: {REQUIREMENTS}") from error
    onnxruntime.set_default_logger_severity(3)  # errors: what it warns of is its own choice of kernels
    return onnxruntime


def _open_onnx(path: Path, threads: int | None, device: str) -> Run:
    runtime = require_onnxruntime(str(path))
    known = runtime.capi.onnxruntime_pybind11_state
    refusals = (known.Fail, known.InvalidArgument, known.InvalidGraph, known.InvalidProtobuf, known.NotImplemented)
    options = runtime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu":
        if "CUDAExecutionProvider" not in runtime.get_available_providers():
            raise UserError(f"-g {device}: this onnxruntime knows no CUDA: pip install onnxruntime-gpu, or -g cpu")
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device}))
    try:
        session = runtime.InferenceSession(path, options, providers=providers)
    except refusals as error:
        raise UserError(f"{path}: onnxruntime {runtime.__version__} cannot run it ({_line(error)})") from error

    def run(joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(["logits"], {"joints": joints, "frames": frames})[0]
        return found

    return run


def _open_pt2(path: Path, threads: int | None, device: str) -> Run:
    import torch

    from utils.inert_programs import inert_copy

    content = inert_copy(path)
    if threads is not None:
        torch.set_num_threads(threads)
    place = torch.device("cpu" if device == "cpu" else f"cuda:{device}")
    try:
        program = torch.export.load(content)
    except (RuntimeError, ValueError, KeyError, AssertionError) as error:
        raise UserError(f"{path}: torch {torch.__version__} cannot run it ({_line(error)}); {REMEDY}") from error
    if place.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, place)
    module = program.module(check_guards=False)  # guards are code; `Program` looks at shapes itself

    @torch.inference_mode()
    def run(joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
        found: np.ndarray = module(torch.from_numpy(joints).to(place), torch.from_numpy(frames).to(place)).cpu().numpy()
        return found

    return run


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


_OPENERS: dict[str, Callable[[Path, int | None, str], Run]] = {".onnx": _open_onnx, ".pt2": _open_pt2}
