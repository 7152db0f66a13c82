"""Exported programs, ready to run: an `.onnx` by onnxruntime, a `.pt2` by torch, of stored clips the same function.

Letters: N clips, M persons, T frames, V joints, C channels, K classes.
"""

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from utils.contract import REMEDY, Contract
from utils.errors import UserError
from utils.files import checksum, disk_errors

REQUIREMENTS = "pip install -r requirements-export.txt"
CUDA = "CUDAExecutionProvider"  # of onnxruntime
ONNX_ERRORS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
NEEDS_CHECKPOINT = "give the checkpoint itself: -pp CHECKPOINT"

Run = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
            UserError: for another shape, a clip without frames, or one that is longer than the program takes; and for
                a program that fails, or does not give what its contract says.
        """
        self._refuse_unfit(joints, frames)
        logits = self.run(np.ascontiguousarray(joints, np.float32), np.ascontiguousarray(frames, np.int64))
        if logits.shape != (len(joints), len(self.contract.classes)):
            named = f"the json beside it names {len(self.contract.classes)} classes"
            raise UserError(f"{self.path}: {named}, but the logits are {logits.shape}; {REMEDY}")
        return logits

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
    with disk_errors(path, REMEDY):
        found = checksum(path)
    if found != contract.files[path.name]:
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


@contextmanager
def _refused_by(runtime: str, path: Path, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn what a runtime raises of a program into one line."""
    try:
        yield
    except errors as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: {runtime} cannot run it ({line}); {REMEDY}") from error


def _open_onnx(path: Path, threads: int | None, device: str) -> Run:
    runtime = require_onnxruntime(str(path))
    options, providers = runtime.SessionOptions(), list[Any](["CPUExecutionProvider"])
    if threads is not None:
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    if device != "cpu":
        # float32 means float32, as in `initializer.machine.set_determinism`
        providers.insert(0, (CUDA, {"device_id": device, "use_tf32": "0"}))
        if CUDA not in runtime.get_available_providers():
            raise UserError(f"-g {device}: this onnxruntime knows no CUDA: pip install onnxruntime-gpu, or -g cpu")
    errors = *(getattr(runtime.capi.onnxruntime_pybind11_state, name) for name in ONNX_ERRORS), ValueError
    refused = partial(_refused_by, f"onnxruntime {runtime.__version__}", path, errors)
    with refused():
        session = runtime.InferenceSession(path, options, providers=providers)
    if device != "cpu" and CUDA not in session.get_providers():  # it goes on without, and says so in its log alone
        raise UserError(f"-g {device}: onnxruntime cannot use CUDA here (its libraries, the driver); or -g cpu")

    def run(joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
        with refused():
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
    errors = RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError
    refused = partial(_refused_by, f"torch {torch.__version__}", path, errors)
    with refused():
        program = torch.export.load(content)
        if place.type != "cpu":
            from torch.export.passes import move_to_device_pass

            torch.backends.cudnn.allow_tf32 = False  # float32 means float32
            program = move_to_device_pass(program, place)
        module = program.module(check_guards=False)  # guards are code; `Program` looks at shapes itself

    @torch.inference_mode()
    def run(joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
        with refused():
            logits = module(torch.from_numpy(joints).to(place), torch.from_numpy(frames).to(place))
            found: np.ndarray = logits.cpu().numpy()
        return found

    return run


_OPENERS: dict[str, Callable[[Path, int | None, str], Run]] = {".onnx": _open_onnx, ".pt2": _open_pt2}
