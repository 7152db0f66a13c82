"""What is looked at: a run folder with scores, the network that gave them, and the clips as that network saw them.

Letters: N clips, K classes, S test clips, C channels, L frames that are seen, V joints, M persons.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

import config as configs
from config import Config
from dataset.loader import Loader
from initializer.data import Data, make_loader, open_data
from initializer.history import newest_best
from initializer.machine import Machine, set_determinism
from initializer.network import build_model
from initializer.weights import import_weights, stated_classes
from utils.batch import Batch
from utils.errors import UserError
from utils.run import Network
from utils.run_folder import CONFIG, ENVIRONMENT, METRICS, SCORES, RunFolder
from visualizer.activation import class_maps, over_frames

ANEW = "evaluate anew: -v -pp FILE"


@dataclass(frozen=True)
class Subject:
    """A scored split and who scored it.

    Attributes:
        folder: of the run, with its scores.
        config: the run's own.
        weights: the checkpoint.
        split: "eval", ...
        metrics: the lines of metrics.jsonl, oldest first.
        environment: of the run's start.
        data: the classes, the layout and the split's clips.
        network: with the weights, ready to evaluate.
        loader: the split in its order.
    """

    folder: RunFolder
    config: Config
    weights: Path
    split: str
    metrics: list[dict[str, Any]]
    environment: Mapping[str, Any]
    data: Data
    network: nn.Module
    loader: Loader

    @property
    def classes(self) -> tuple[str, ...]:
        """(K,) names."""
        return self.data.benchmark.classes

    def batch(self, index: Tensor) -> Batch:
        """Return the first test clip of clips `index` (N,) as the network takes it."""
        return self.loader.pipeline.run(self.loader.clips, index, _frames(self.loader, index))

    @property
    def has_maps(self) -> bool:
        """Whether the network has features per joint that its classifier weighs."""
        return hasattr(self.network, "forward_features") and hasattr(self.network, "classifier_weight")

    @torch.inference_mode()
    def maps(self, streams: Tensor, classes: Tensor) -> Tensor:
        """Return the activation maps (N, L, V, M) of classes (N,) on streams (N, I, C, L, V, M), or on one clip."""
        network = cast(Network, self.network)
        features = network.forward_features(streams)
        return over_frames(class_maps(features, network.classifier_weight, classes), streams.shape[3])


def open_subject(machine: Machine, folder: RunFolder) -> Subject:
    """Return the scored split of a run folder, with the network and the clips.

    Raises:
        UserError: where the folder lacks scores, a file is damaged, the checkpoint does not fit, or the store does not
            hold the data that were scored.
    """
    set_determinism(machine)
    config, metrics = configs.load(str(folder.path / CONFIG)), _metrics(folder)
    environment = _environment(folder.path / ENVIRONMENT)
    weights, split = _scored(folder, metrics)
    data, loader = open_split(config, machine, split, weights)
    if environment.get("parts", data.checksums) != data.checksums:
        other = f"scored on other data than {machine.store} holds, or on parts of an older form"
        raise UserError(f"{folder.path}: {other}; give its own --store DIR, or {ANEW}")
    network = build_model(config, len(data.benchmark.classes))
    import_weights(network, weights, config, classes=data.benchmark.classes)
    network = network.to(data.device).eval()
    return Subject(folder, config, weights, split, metrics, environment, data, network, loader)


def open_split(config: Config, machine: Machine, split: str, weights: Path) -> tuple[Data, Loader]:
    """Return a split's data, its classes those that the weights know where clips have no labels, and its loader."""
    data = open_data(config, machine, (split,))
    if not data.benchmark.classes:
        data = replace(data, benchmark=replace(data.benchmark, classes=stated_classes(weights)))
    return data, make_loader(config, data, split, trains=False, clips=config.test.clips)


def seen(loader: Loader, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints (M, T, V, C) of a clip that the network sees, and which frames (T,) of it they are.

    Of several test clips the first one: after sampling, before streams and the normalisation that comes with them;
    without the frames behind the last one in which somebody is there, but never without any.
    """
    index = torch.tensor([place])
    frames = _frames(loader, index)[:, 0]
    joints, lengths = loader.clips.joints(index, frames)  # (1, C, L, V, M), (1, M)
    live = max(1, int(lengths.max()))
    return joints[0, :, :live].permute(3, 1, 2, 0).cpu().numpy(), frames[0, :live].numpy()


def _frames(loader: Loader, index: Tensor) -> Tensor:
    """Return the frames (N, 1, L) of clips `index` (N,) that the network sees, of their first test clip."""
    return loader.pipeline.sampler.test(loader.clips.frames[index], loader.pipeline.clips)[:, :1]


def find_run(config: Config, machine: Machine, name: str | None) -> RunFolder:
    """Return the run of an experiment called `name` (its folder's path or name); None: the newest with a best.pt."""
    if not name:
        return RunFolder(newest_best(config, machine).parent)
    if Path(name).is_file():
        raise UserError(f"-v {name}: is a file; give its run, -v {Path(name).parent}, or the checkpoint, -pp {name}")
    titled = sorted(machine.work_dir.glob(f"{'debug_' if machine.debug else ''}{config.number}_*"))
    parents = [path for path in titled if path.is_dir()]
    places = [Path(name), *(parent / name for parent in parents)]
    found = next(filter(_is_run, places), None)
    if found is None:
        known = [path.parent.name for parent in parents for path in parent.glob(f"*/{SCORES}") if _is_run(path.parent)]
        near = difflib.get_close_matches(Path(name).name, known, n=1, cutoff=0.0)
        hint = f"did you mean {near[0]}?" if near else f"train one with: {machine.command}"
        raise UserError(f"-v {name}: no run's folder, nor a run of {config.number} in {machine.work_dir}; {hint}")
    theirs = configs.load(str(found / CONFIG)).number
    if theirs != config.number:
        raise UserError(f"{found}: a run of {theirs}, not of {config.number}: -c {theirs}")
    return RunFolder(found)


def _is_run(path: Path) -> bool:
    return (path / CONFIG).is_file()


def _scored(folder: RunFolder, metrics: list[dict[str, Any]]) -> tuple[Path, str]:
    """Return the checkpoint that gave a folder's scores, and the split: a run's best, or what an evaluation names."""
    if not (folder.path / SCORES).is_file():
        file = folder.best if folder.best.is_file() else "FILE"
        raise UserError(f"{folder.path}: holds no {SCORES} (yet); -e scores {file}, and -v -pp {file} looks at it, too")
    if folder.best.is_file():
        return folder.best, "eval"
    evaluated = [line for line in metrics if line["epoch"] == 0 and "checkpoint" in line]  # as run_evaluation has it
    if not evaluated:
        raise UserError(f"{folder.path}: holds neither a best.pt nor an evaluation; give the checkpoint: -pp FILE")
    line = evaluated[-1]
    return Path(line["checkpoint"]), next((key for key in line if key not in ("epoch", "checkpoint")), "eval")


def _metrics(folder: RunFolder) -> list[dict[str, Any]]:
    path = folder.path / METRICS
    with _damage_in(path):
        lines = folder.metrics()
    damaged = [number for number, line in enumerate(lines, start=1) if not _is_line(line)]
    if damaged:
        raise UserError(f"{path}: line {damaged[0]} is none of a run's; {ANEW}")
    return lines


def _is_line(line: object) -> bool:
    """Tell whether a line of metrics.jsonl is of an epoch that was trained, or of an evaluation."""
    if not isinstance(line, dict) or not _is_count(line.get("epoch")):
        return False
    about = {key: value for key, value in line.items() if key not in ("epoch", "step", "checkpoint")}
    if not all(isinstance(each, dict) and _are_numbers(each.values()) for each in about.values()):
        return False
    if "checkpoint" in line:
        return isinstance(line["checkpoint"], str)
    return bool(line["epoch"] and _is_count(line.get("step")) and line["step"] and "train" in line)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_numbers(values: Iterable[object]) -> bool:
    return all(isinstance(each, int | float) for each in values)


def _environment(path: Path) -> dict[str, Any]:
    with _damage_in(path):
        found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not isinstance(found.get("command", []), list):
        raise UserError(f"{path}: is none of a run's; {ANEW}")
    return found


@contextmanager
def _damage_in(path: Path) -> Iterator[None]:
    """Say what is wrong with a file, and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {ANEW}") from error
    except (ValueError, RecursionError) as error:  # neither JSON nor text; or nested a thousand times
        raise UserError(f"{path}: damaged ({error}); {ANEW}") from error
