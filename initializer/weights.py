"""Loading checkpoints of any known form into an experiment's network, strictly."""

import json
import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

import config as configs
from config import Config
from dataset.layouts import Layout, load_layout
from dataset.splits import benchmark_names, load_benchmark
from dataset.streams import stream_channels
from initializer.joints import Matched, match_joints
from initializer.network import build_model
from utils.checkpoint_import import ImportedCheckpoint, describe_mismatch, read_checkpoint, temporal_layer_of
from utils.errors import UserError


@dataclass(frozen=True)
class Loaded:
    """What came of loading a checkpoint."""

    imported: ImportedCheckpoint
    count: int
    reinitialised: tuple[str, ...]
    own: tuple[str, ...] = ()  # kept as the network has them: the file's form lacks them
    matched: Matched | None = None  # by joints, where the file's layout is another one


def import_weights(
    model: nn.Module,
    path: Path,
    config: Config,
    *,
    classes: Sequence[str] = (),
    trains: bool = False,
    init_head: bool = False,
) -> Loaded:
    """Load a checkpoint of any known form into `model`, strictly.

    To score (not `trains`), weights of ours must be of this very experiment, and of these `classes`. To train on,
    weights of another layout are matched by the names of the joints, and `init_head` leaves the model's own head where
    the file's is of another class count. Raises `UserError` if the file cannot be read, was trained on another input,
    or does not fit; it names the experiments that it fits.
    """
    imported = read_checkpoint(path)
    state, expected = dict(imported.state), model.state_dict()
    if imported.form == "gesta" and not trains:
        refuse_other_experiment(path, imported.raw, config)
        _refuse_other_classes(path, imported.raw["classes"], classes)
        refuse_other_layout(path, imported.raw, load_layout(config.data.layout))
    matched = _match(imported, expected, config) if trains else None
    state |= matched.state if matched else {}
    own = [key for key in expected if key not in state and key.endswith(imported.absent)]
    state |= {key: expected[key] for key in own}  # what the file's form never has, such as Paddle the adjacency
    fitting = {key for key, value in state.items() if key in expected and value.shape == expected[key].shape}
    head = [
        key
        for key in expected
        if key.startswith(cast("str | tuple[str, ...]", model.head)) and key in state and key not in fitting
    ]
    with_own_head = state | {key: expected[key] for key in head}
    if init_head:
        state = with_own_head
    mismatch = describe_mismatch(expected, state)
    if mismatch:
        only_head = trains and describe_mismatch(expected, with_own_head) is None
        raise UserError(f"{path}: {_why_unfit(imported, config, expected, mismatch, only_head)}")
    model.load_state_dict(state, strict=True)
    return Loaded(imported, len(state) - len(head) - len(own), tuple(head), tuple(own), matched)


def stated_classes(path: Path) -> tuple[str, ...]:
    """Return the classes that a checkpoint of ours was trained on; raises `UserError` for one of other code."""
    imported = read_checkpoint(path)
    if imported.form != "gesta":
        raise UserError(f"{path}: does not state its classes, and the clips have none; give a checkpoint of Gesta's")
    return tuple(imported.raw["classes"])


def log_import(log: logging.Logger, path: Path | None, loaded: Loaded) -> None:
    """Say what was loaded, and the accuracy that the file states."""
    log.info(f"Pretrained model: {path} (form {loaded.imported.form})")
    log.info(f"  loaded: {loaded.count} tensors")
    log.info(f"  re-initialised: {', '.join(loaded.reinitialised) or 'none'}")
    if loaded.own:
        log.info(f"  not in this form, taken from the layout: {', '.join(loaded.own)}")
    if loaded.matched:
        new = ", ".join(loaded.matched.missing) or "none"
        log.info(f"  joints matched by name: {len(loaded.matched.joints)}; new here: {new}")
    log.info(f"  ignored: {', '.join(loaded.imported.ignored) or 'nothing'}")
    if loaded.imported.recorded:
        log.info(f"  accuracy recorded in the file: {loaded.imported.recorded}")


def _match(imported: ImportedCheckpoint, expected: dict[str, Tensor], config: Config) -> Matched | None:
    """Return the weights matched by joints; None if the file's layout has the joints of ours, in the same order."""
    theirs, ours = _layout_of(imported, expected), load_layout(config.data.layout)
    if theirs is None or theirs.joints == ours.joints:
        return None
    channels = stream_channels(config.input.stream_names, len(config.data.channel_names))
    return match_joints(imported.state, expected, theirs, ours, channels)


def _layout_of(imported: ImportedCheckpoint, expected: dict[str, Tensor]) -> Layout | None:
    """Return the layout that weights were trained on; None where a file of other code does not show it.

    It does not say: it is the layout of the numbered experiments whose network has the file's tensors.
    """
    if imported.form == "gesta":
        return load_layout(imported.raw["config"]["data"]["layout"])
    if all(value.shape == expected[key].shape for key, value in imported.state.items() if key in expected):
        return None
    numbers = _numbers_that_fit(imported, "any")
    layouts = {layout.joints: layout for layout in (load_layout(configs.load(each).data.layout) for each in numbers)}
    return next(iter(layouts.values())) if len(layouts) == 1 else None


def refuse_other_layout(path: Path, content: dict[str, Any], layout: Layout) -> None:
    """Refuse a checkpoint of ours whose layout's file has changed since: it would load and be wrong."""
    now, then = layout.facts(), content.get("layout", {})  # the first checkpoints of this form have none
    changed = [key for key, value in then.items() if now.get(key) != value]
    if changed:
        was = f"environment.json beside {path.name} says what it was"
        raise UserError(f"{path}: trained before {layout.file} got other {', '.join(changed)}; put it back ({was})")


def refuse_other_experiment(path: Path, content: dict[str, Any], config: Config) -> None:
    """Refuse to score weights of ours as another experiment than they were trained in: they would load and be wrong."""
    theirs, ours = content["config"], json.loads(config.model_dump_json())
    places = [("data", key) for key in ("benchmark", "layout", "variant")]
    places += [("input", key) for key in theirs["input"] if key != "augment"]
    places += [("model", key) for key in ours["model"] if key not in ("drop_prob", "initial")]
    other = [
        f"{section}.{key}={theirs[section].get(key)} (here {ours[section].get(key)})"
        for section, key in places
        if theirs[section].get(key) != ours[section].get(key)
    ]
    if other:
        trained, number = path.parent / "config.yaml", theirs.get("number")
        remedy = f"-c {trained if trained.exists() else number or 'N, its own'}"
        more = f" and {len(other) - 2} more" if len(other) > 2 else ""
        raise UserError(f"{path}: trained with {', '.join(other[:2])}{more}; take it with {remedy} (-i needs no -c)")


def _refuse_other_classes(path: Path, theirs: Sequence[str], ours: Sequence[str]) -> None:
    """Refuse to score weights whose classes are called otherwise: data of one's own bring theirs."""
    for label, (their, our) in enumerate(zip(theirs, ours, strict=False)):
        if their != our:
            raise UserError(f"{path}: label {label} was '{their}' in training, but is '{our}' in this part")


def _why_unfit(
    imported: ImportedCheckpoint, config: Config, expected: dict[str, Tensor], mismatch: str, only_head: bool
) -> str:
    found, wanted = temporal_layer_of(imported.state), temporal_layer_of(expected)
    layers = f"has {found} layers, but {config.number} has {wanted}"
    what = layers if found and wanted and found != wanted else f"does not fit {config.number}"
    remedy = "; --init-head trains a new head for other classes" if only_head else ""
    numbers = _numbers_that_fit(imported, config.data.benchmark)
    if numbers:
        return f"{what}; it fits {', '.join(numbers[:8])}{' ...' if len(numbers) > 8 else ''}{remedy}"
    return f"{what} ({mismatch}){remedy}"


def _numbers_that_fit(imported: ImportedCheckpoint, benchmark: str) -> list[str]:
    """Return the experiments on `benchmark` (if none: on any) whose network has the tensors of the file."""
    shapes = {key: value.shape for key, value in imported.state.items()}
    known, fitting, fits = benchmark_names(), [], dict[Hashable, bool]()
    for number in configs.numbers():
        config = configs.load(number)
        if config.data.benchmark not in known:  # the classes of own data are in its part
            continue
        num_classes, network = len(load_benchmark(config.data.benchmark).classes), _network_of(config)
        if (network, num_classes) not in fits:
            with torch.device("meta"):
                state = build_model(config, num_classes).state_dict()
            wanted = {key: value.shape for key, value in state.items()}
            fits[network, num_classes] = shapes == {
                key: shape for key, shape in wanted.items() if key in shapes or not key.endswith(imported.absent)
            }
        if fits[network, num_classes]:
            fitting.append((config.data.benchmark, number))
    same = [number for name, number in fitting if name == benchmark]
    return same or [number for _, number in fitting]


def _network_of(config: Config) -> Hashable:
    """Return what tells the networks of two experiments apart, beside the classes: many numbers share one."""
    names, joint = config.input.stream_names, len(config.data.channel_names)
    return config.model, config.data.layout, len(names), stream_channels(names, joint), config.input.persons
