"""After training: a checkpoint as a program that runs without Gesta, if it says what evaluation says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config import Config
from exporter.clips import trial_of
from exporter.formats import require_packages, save_onnx, save_pt2, trace
from exporter.gate import refuse_other
from exporter.quantize import warn_of_ties, write_quantized
from exporter.staging import move, staged
from exporter.subject import Subject
from initializer.history import newest_best, refuse_missing
from initializer.machine import Machine
from utils import logs
from utils.contract import FORMAT, Parity
from utils.deployed import is_program, open_program
from utils.errors import UserError
from utils.files import disk_errors

__all__ = ["Request", "export"]

ENDINGS = (".pth.tar", ".pdparams.tar")  # that are more than a suffix


@dataclass(frozen=True)
class Request:
    """What is asked of an export beside the checkpoint.

    Attributes:
        out: folder; None: the checkpoint's.
        name: of the files; None: the checkpoint's, without its suffix.
        quantize: a smaller `.onnx` beside the others.
        say: takes a line; None: standard output has it, as a run's log would. Nothing keeps it: there is no run.
    """

    out: Path | None = None
    name: str | None = None
    quantize: Literal["fp16", "int8"] | None = None
    say: Callable[[str], object] | None = None


def export(config: Config, machine: Machine, weights: Path | None, request: Request) -> list[Path]:
    """Write NAME.onnx, NAME.pt2 and NAME.json, and return their paths; they appear together, or not at all.

    Both programs run, from the disk, on clips of the part (or generated ones), and must give evaluation's logits within
    1e-4 and the same highest classes. With `request.quantize` a smaller .onnx with a json of its own comes with them.

    `weights` is a checkpoint of any known form; None: the best of the experiment's newest run.

    Raises `UserError` if packages are missing, the checkpoint does not fit, or a file cannot pass or be written.
    """
    if weights and is_program(weights):
        raise UserError(f"-pp {weights}: is an exported program already; -ex takes a checkpoint")
    require_packages()
    if weights:
        refuse_missing(weights, config, machine)
    weights = weights or newest_best(config, machine)
    out, name = request.out or weights.parent, _name_of(weights) if request.name is None else request.name
    _refuse_path(name)
    _refuse_other_files([out / name, *([out / f"{name}-{request.quantize}"] if request.quantize else [])])
    subject = Subject.load(config, machine, weights, request.say or logs.start().info)
    with staged(out, name) as folder:
        subject.introduce(out, name)
        if request.quantize:
            warn_of_ties(subject, machine, request.quantize)
        files = _write(subject, machine, folder, name)
        if request.quantize:
            files += write_quantized(subject, machine, files[0], request.quantize)
        found = move(files, out)
    subject.say(f"Saved: {', '.join(map(str, found))}")
    return found


def _write(subject: Subject, machine: Machine, folder: Path, name: str) -> list[Path]:
    """Write both programs and their json into `folder`, and let them through the gate."""
    onnx, pt2, contract = (folder / f"{name}{suffix}" for suffix in (".onnx", ".pt2", ".json"))
    trial = trial_of(subject.config, machine, subject.data.layout, subject.longest)
    expected = subject.evaluate(trial)
    subject.say("Exporting ...")
    traced = trace(subject.program(), subject.example(), subject.longest, subject.config.input.persons)
    save_pt2(traced, pt2)
    save_onnx(traced, onnx)
    parity = Parity(clips=len(trial.clips), source=trial.source, max_difference={}, agreement=1.0)
    described = subject.contract(name, [onnx, pt2], parity)
    described.write(contract)  # without it no program opens
    subject.say(f"Comparing with the evaluation on {len(trial.clips)} {trial.source} ...")
    found = {path.name: refuse_other(open_program(path), trial, expected) for path in (onnx, pt2)}
    for file, difference in found.items():
        subject.say(f"{file}: max difference {difference:.1e}, the same highest class for all clips")
    described.model_copy(update={"parity": parity.model_copy(update={"max_difference": found})}).write(contract)
    return [onnx, pt2, contract]


def _name_of(weights: Path) -> str:
    """Return what files are called after a checkpoint."""
    ending = next((each for each in ENDINGS if weights.name.endswith(each)), weights.suffix)
    return weights.name.removesuffix(ending)


def _refuse_path(name: str) -> None:
    if not name or Path(name).name != name or name.startswith("."):
        raise UserError(f"--save_name {name}: a name without folders; --out DIR says where")


def _refuse_other_files(sets: Sequence[Path]) -> None:
    """Refuse to replace what no export wrote, such as a run's environment.json, or the checkpoint itself.

    Of `sets`, paths without a suffix, an export's json says that the files are its own.
    """
    for path in sets:
        files = [path.with_name(path.name + suffix) for suffix in (".json", ".onnx", ".pt2")]
        with disk_errors(files[0], ""):
            ours = files[0].is_file() and FORMAT.encode() in files[0].read_bytes()
        other = next((file for file in files if file.exists() and not ours), None)
        if other:
            remedy = "take another --save_name NAME"
            raise UserError(f"{other}: would be replaced, and no json of -ex describes it; {remedy}")
