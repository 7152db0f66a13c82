"""Where figures come from: how the best was chosen, what it cost, the commands, what is not in the data."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import config as configs
from config import Config
from dataset.store import PART_FORMAT, read_manifest
from initializer.data import data_shape
from initializer.machine import Machine
from initializer.network import build_recipe
from utils.cost import measure
from utils.logs import total_seconds
from utils.run_folder import CONFIG, RunFolder
from utils.run_log import CHOSEN
from visualizer.subject import Subject

EVALUATED = re.compile(rb"Evaluating time: ([\d.]+)s, Speed: ([\d.]+)")  # of utils/run_log.py
NOT_SHOWN = ("command", "parts", "layout")  # of the environment: a row of its own, or too long for one


def provenance(subject: Subject, machine: Machine, words: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `Findings` that say where its figures come from; `words` as of `commands`."""
    why, left_out = refused(subject, machine)
    return {
        "chosen": chosen(subject),
        "metrics": with_rates(subject.metrics, subject.config),
        "cost": cost(subject),
        "environment": environment(subject),
        "commands": commands(subject, machine, words),
        "refused": why,
        "left_out": left_out,
    }


def chosen(subject: Subject) -> str:
    """Return how the best epoch was chosen, in words; empty for an evaluation."""
    lines = [line for line in subject.metrics if "train" in line]
    if not lines:
        return ""
    return CHOSEN["validation" if any("validation" in line for line in lines) else "eval"]


def with_rates(metrics: Sequence[Mapping[str, Any]], config: Config) -> list[Mapping[str, Any]]:
    """Return the lines of metrics.jsonl with the learning rate of an epoch's last step, `lr`, among its figures.

    The lines do not hold it: it follows from the configuration.
    """
    return [
        {**line, "train": {**line["train"], "lr": _rate(line, config)}} if "train" in line else line for line in metrics
    ]


def _rate(line: Mapping[str, Any], config: Config) -> float:
    recipe = build_recipe(config, line["step"] // line["epoch"])
    return recipe.rate(line["step"] - 1)


def cost(subject: Subject) -> list[tuple[str, str]]:
    """Return what the network costs, with test clips and streams counted in, and what the run's log says of time."""
    shape = data_shape(subject.config, subject.data, trains=False)
    found, clips = measure(subject.network, (1, *shape)), subject.config.test.clips
    one, streams = found.macs / 1e9, _count(shape[0], "stream")
    of_clip = f"{one:.2f} G" if clips == 1 else f"{one * clips:.2f} G = {one:.2f} G x {clips} test clips"
    return [
        ("parameters", f"{found.trainable_parameters / 1e6:.2f} M"),
        ("multiply-adds a clip", f"{of_clip}, {streams} included"),
        *times(subject.folder),
    ]


def times(folder: RunFolder) -> list[tuple[str, str]]:
    """Return the rows of time that the log of a run holds; a log that is not there has none."""
    log = folder.log.read_bytes() if folder.log.is_file() else b""
    rows = []
    if (seconds := total_seconds(log)) is not None:
        rows.append(("training", f"{seconds:,} s, with its evaluations"))
    if evaluated := EVALUATED.findall(log):
        rows.append(("evaluation", "{} s, {} clips/s".format(*(each.decode() for each in evaluated[-1]))))
    return rows


def environment(subject: Subject) -> dict[str, Any]:
    """Return the rows of environment.json that say on what the run was started."""
    return {key: value for key, value in subject.environment.items() if key not in NOT_SHOWN and value is not None}


def commands(subject: Subject, machine: Machine, words: Sequence[str]) -> list[str]:
    """Return the commands that trained (or evaluated) and that evaluate again, and this one, with its own `words`.

    The last two name the run's own configuration: so they hold whatever --set it was trained with.
    """
    theirs, folder = subject.environment.get("command") or ["main.py"], subject.folder
    store = [] if machine.store == configs.store_folder() else ["--store", str(machine.store)]
    begin = ["python", "main.py", "-c", str(folder.path / CONFIG), *store]
    split = [] if subject.split == "eval" else [subject.split]
    weights = [] if subject.weights == folder.best else ["-pp", str(subject.weights)]
    lines = (["python", "main.py", *theirs[1:]], [*begin, "-e", *split, *weights], [*begin, "-v", *words])
    return [shlex.join(map(str, line)) for line in lines]


def refused(subject: Subject, machine: Machine) -> tuple[dict[str, str], dict[str, int]]:
    """Return source -> why it was refused, and reason -> how many sources were left out, over all parts."""
    why, left_out = dict[str, str](), Counter[str]()
    for part in subject.config.data.parts:
        manifest = read_manifest(machine.store / part, PART_FORMAT)
        why |= {each["source"]: each["reason"] for each in manifest["refused"]}
        left_out.update({reason: len(names) for reason, names in manifest["skipped"].items()})
    return why, dict(left_out)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
