"""Smaller programs: weights of fewer bits, computed with in float32, behind a gate of their own.

Only what is stored changes, because nothing else pays on a CPU: onnxruntime computes half precision by converting it,
and products in int8 (its dynamic quantisation) made EfficientGCN-B0 an eighth faster, and wrong in every other clip.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dataset.memory import dense
from exporter.clips import MADE, Trial, holds_parts, trial_of
from exporter.formats import save
from exporter.subject import Subject
from initializer.machine import Machine
from utils.contract import Parity, Thresholds
from utils.deployed import Program, open_program
from utils.errors import UserError
from utils.tables import table

TRIED = 200  # clips
Kind = Literal["fp16", "int8"]
# numbers in a weight that is worth it; in an int8 file those between are fp16, as which they err half as much with B0
LEAST: dict[Kind, int] = {"int8": 4096, "fp16": 256}


@dataclass(frozen=True)
class Measured:
    """What a program does with clips that come one by one; latencies in milliseconds."""

    size: int  # bytes
    p50: float
    p95: float
    logits: np.ndarray  # (N, K)


def warn_of_ties(subject: Subject, machine: Machine, kind: Kind) -> None:
    """Say, before minutes of work, what is likely to fail: int8 where only generated clips can be compared."""
    if kind == "int8" and not holds_parts(subject.config, machine):
        parts = ", ".join(subject.config.data.parts)
        subject.say(
            f"WARNING: {machine.store} does not hold {parts}: int8 is compared on {MADE}, many of them nearly ties, "
            "and if it fails nothing is written; give --store DIR, or take fp16"
        )


def write_quantized(subject: Subject, machine: Machine, onnx: Path, kind: Kind) -> list[Path]:
    """Write NAME-fp16.onnx or NAME-int8.onnx and its json beside `onnx`, measure both, and return the new paths.

    Raises `UserError` if the highest class is another one in more than a hundredth of the clips.
    """
    path = onnx.with_name(f"{onnx.stem}-{kind}.onnx")
    _shrink(onnx, path, kind)
    trial = trial_of(subject.config, machine, subject.data.layout, subject.longest, count=TRIED).with_persons()
    parity = Parity(clips=len(trial.clips), source=trial.source, max_difference={}, agreement=1.0)
    contract = subject.contract(path.stem, [path], parity, kind)
    contract.write(path.with_suffix(".json"))
    subject.say(f"Comparing {path.name} with {onnx.name} on {len(trial.clips)} {trial.source} ...")
    first, second = _measure([open_program(onnx), open_program(path)], trial)
    agreement = float((first.logits.argmax(axis=1) == second.logits.argmax(axis=1)).mean())
    difference = float(np.abs(first.logits - second.logits).max())
    _show(subject, {onnx.name: first, path.name: second}, difference, agreement)
    if not agreement >= Thresholds().agreement:
        where = f"for {1 - agreement:.1%} of {len(trial.clips)} {trial.source}, more than 1 %"
        remedy = f"export without --quantize {kind}"
        if trial.is_generated:
            remedy += ", or with the part in the store: of recorded clips fewer are nearly ties"
        raise UserError(f"{path.name}: another highest class than {onnx.name} {where}; nothing was written; {remedy}")
    measured = parity.model_copy(update={"max_difference": {path.name: difference}, "agreement": agreement})
    contract.model_copy(update={"parity": measured}).write(path.with_suffix(".json"))
    return [path, path.with_suffix(".json")]


def _show(subject: Subject, found: dict[str, Measured], difference: float, agreement: float) -> None:
    """Say the table of both programs; the first is what the second is compared with."""
    against = iter((("", ""), (f"{difference:.1e}", f"{agreement:.1%}")))
    rows = [("file", "KiB", "p50 ms", "p95 ms", "max difference", "agreement")]
    rows += [
        (name, f"{each.size / 1024:.0f}", f"{each.p50:.1f}", f"{each.p95:.1f}", *next(against))
        for name, each in found.items()
    ]
    for line in table(rows).splitlines():
        subject.say(line)


def _measure(programs: Sequence[Program], trial: Trial) -> list[Measured]:
    """Run programs by turns, clip after clip: what else the machine does falls on all of them."""
    logits, seconds = ([list[Any]() for _ in programs] for _ in range(2))
    for clip in trial.clips:
        for program, said, took in zip(programs, logits, seconds, strict=True):
            joints, frames = dense([clip], program.contract.persons)
            start = time.perf_counter()
            said.append(program(joints, frames))
            took.append(time.perf_counter() - start)
    found = []
    for program, said, took in zip(programs, logits, seconds, strict=True):
        p50, p95 = np.percentile(took, (50, 95)) * 1000
        found.append(Measured(program.path.stat().st_size, float(p50), float(p95), np.concatenate(said)))
    return found


def _shrink(source: Path, path: Path, kind: Kind) -> None:
    """Write a program whose larger weights are stored as `kind`; who loads it makes float32 of them, once.

    Not by DequantizeLinear, which onnxruntime would do anew in every run.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model, added = onnx.load(source), []
    for weight in list(model.graph.initializer):
        values = numpy_helper.to_array(weight)
        kept_as = _kind_of(values, kind)
        if kept_as is None:
            continue
        stored, wide = f"{weight.name}_{kept_as}", weight.name if kept_as == "fp16" else f"{weight.name}_wide"
        added.append(helper.make_node("Cast", [stored], [wide], to=TensorProto.FLOAT))
        pieces = {stored: values.astype(np.float16)}
        if kept_as == "int8":
            pieces[stored], pieces[f"{stored}_scale"] = to_int8(values)
            added.append(helper.make_node("Mul", [wide, f"{stored}_scale"], [weight.name]))
        model.graph.initializer.remove(weight)
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in pieces.items())
    for number, node in enumerate(added):  # before what they feed
        model.graph.node.insert(number, node)
    save(model, path)


def _kind_of(values: np.ndarray, kind: Kind) -> Kind | None:
    """Return how a weight is stored in a file of `kind`; None: as it is."""
    if values.dtype != np.float32 or values.ndim < 2 or np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        return None
    return next((each for each in LEAST if each in (kind, "fp16") and values.size >= LEAST[each]), None)


def to_int8(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers (int8) and their scales (float32), along the axis where products are nearest to `values`."""
    found = []
    for axis in range(values.ndim):
        others = tuple(each for each in range(values.ndim) if each != axis)
        scale = np.abs(values).max(axis=others, keepdims=True) / np.float32(127)
        scale[scale == 0] = 1
        whole = np.rint(values / scale)
        found.append((float(np.square(whole * scale - values).sum()), axis, whole.astype(np.int8), scale))
    return min(found, key=lambda each: each[:2])[2:]
