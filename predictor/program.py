"""An exported program as a classifier: stored clips, unpacked and padded with zeros, go in as they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from config import Config
from dataset.layouts import Layout, load_layout
from dataset.memory import dense
from dataset.packing import Packed
from initializer.machine import Machine, pick_device
from initializer.weights import refuse_other_experiment, refuse_other_layout
from predictor.experiment import config_of
from utils.contract import Contract
from utils.deployed import Program, open_program
from utils.errors import UserError


class ProgramClassifier:
    """A program that `-ex` wrote; see `predictor.classifier.Classifier`."""

    def __init__(self, program: Program, config: Config) -> None:
        """Take a program of the experiment `config`; its classes and longest clip are the contract's."""
        self.program, self.config, self.layout = program, config, load_layout(config.data.layout)
        self.classes = program.contract.classes
        only_begins = config.input.sampling.name == "first"  # what is behind the first frames is never seen
        self.longest = None if only_begins else program.contract.max_frames

    def logits(self, clips: Sequence[Packed]) -> np.ndarray:
        """Return (N, K) float32."""
        about = self.program.contract
        return self.program(*dense(clips, about.persons, about.max_frames))


def open_program_classifier(
    config: Config | None, path: Path, machine: Machine, threads: int | None
) -> ProgramClassifier:
    """Open a program; a `config` that is given must agree with the contract's in what counts.

    Raises `UserError` where they differ, where `utils.deployed.open_program` does, and for a plain machine.
    """
    if machine.plain:
        raise UserError(f"--plain has no effect with {path}: a program holds one network; it goes with a checkpoint")
    device = pick_device(machine.device or "cpu")  # a program's runtime may know no CUDA: only where it is asked for
    program = open_program(path, threads, "cpu" if device.type == "cpu" else str(device.index))
    contract = program.contract
    stated = config_of(contract.config, path.with_suffix(".json"))
    if config is not None:
        refuse_other_experiment(path, {"config": contract.config}, config)
        _refuse_other_test(path, contract, config)
    then = Layout(**contract.layout.model_dump(), file=path)
    refuse_other_layout(path, {"layout": then.facts()}, load_layout(stated.data.layout))
    return ProgramClassifier(program, config or stated)


def _refuse_other_test(path: Path, contract: Contract, config: Config) -> None:
    """Refuse test clips that are not the program's: they are computed inside."""
    now, then = (config.test.clips, config.test.average), (contract.test_clips, contract.average)
    if now != then:
        wanted = f"exported with test.clips={then[0]} and test.average={then[1]}, and not {now[0]} and {now[1]}"
        raise UserError(f"{path}: {wanted}; export it again, or give the checkpoint")
