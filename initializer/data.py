"""From a configuration to the clips of its splits, on the device."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from config import Config, HoldOut
from dataset.augment import fit_into_box, make_augmentation
from dataset.frame_table import FrameTable
from dataset.layouts import Layout, load_layout
from dataset.loader import Clips, Loader, Order, Pipeline, TrainLoader, balanced_weights
from dataset.sampling import SAMPLERS
from dataset.splits import SPLITS, Benchmark, benchmark_of, select
from dataset.store import Part, open_part
from dataset.streams import build_streams, look_ahead, score_rule, stream_channels
from initializer.machine import Machine, pick_device
from loss import Loss, make_loss
from utils.distributed import ALONE, Ranks
from utils.errors import UserError
from utils.recording import UNKNOWN

DEBUG_CLIPS = 300  # a split, with -db


@dataclass(frozen=True)
class Data:
    """The splits of a data set, on the device."""

    benchmark: Benchmark
    layout: Layout
    device: torch.device
    splits: dict[str, Clips]
    counts: str  # in words
    checksums: dict[str, str]  # of the parts


def open_data(config: Config, machine: Machine, splits: Sequence[str] = SPLITS) -> Data:
    """Open an experiment's parts and put the clips of `splits` on the device; `validation` is cut from `train`.

    A clip may have no label, but for those that train or choose the best epoch.

    Raises `UserError` if a part is missing or damaged, a split does not exist or is empty, a label is not a class, or a
    name is in two parts.
    """
    device = pick_device(machine.device, machine.ranks.local)
    layout, remedy = load_layout(config.data.layout), f"{machine.command} -gd"
    parts = [open_part(machine.store / part, config.data.variant, remedy) for part in config.data.parts]
    benchmark = benchmark_of(config.data.benchmark, parts)
    for part in parts:
        _refuse_unfit(part, config, layout, benchmark, remedy)
    _refuse_twins(parts)
    _refuse_absent(splits, parts, benchmark, machine)
    table = FrameTable(parts, device)
    chosen = {split: [select(part, benchmark, split) for part in parts] for split in splits}
    counts = _count(benchmark, chosen)
    trains = set(splits) == set(SPLITS)
    if config.data.validation and trains:  # extraction of `train` wants all of it
        chosen |= _hold_out(config.data.validation, parts, chosen["train"])
        counts += f", {sum(map(len, chosen['validation']))} of train held out to validate"
    if machine.debug:
        chosen = {split: _first(picks, DEBUG_CLIPS) for split, picks in chosen.items()}
        counts += f"; at most {DEBUG_CLIPS} of each with -db"
    for split, picks in chosen.items():
        if not any(map(len, picks)):
            raise UserError(f"{machine.store}: the {split} split of {benchmark.name} is empty; its clips: {counts}")
    if trains:
        _refuse_unlabelled(parts, chosen, benchmark)
    persons = config.input.persons, config.input.person_padding
    clips = {split: Clips(table, parts, picks, *persons) for split, picks in chosen.items()}
    checksums = {part.path.name: part.checksum for part in parts}
    return Data(benchmark, layout, device, clips, counts, checksums)


def _refuse_unfit(part: Part, config: Config, layout: Layout, benchmark: Benchmark, remedy: str) -> None:
    held, channels = part.manifest["layout"], tuple(part.manifest["channels"])
    anew = f"take an experiment on such data, or make the part anew: {remedy} --force --raw PATH"
    if held != config.data.layout and load_layout(held).joints != layout.joints:  # same joints, another convention
        raise UserError(f"{part.path}: layout {held}, but the experiment needs {config.data.layout}; {anew}")
    if channels != config.data.channel_names:
        wanted = ", ".join(config.data.channel_names)
        raise UserError(f"{part.path}: joints of {', '.join(channels)}, but the experiment needs {wanted}; {anew}")
    if part.spans.shape[1] < config.input.persons:
        raise UserError(
            f"{part.path}: {part.spans.shape[1]} persons a clip, but input.persons is {config.input.persons}"
        )
    _refuse_other_options(part, config, remedy)
    _refuse_other_classes(part, benchmark)
    wrong = np.flatnonzero((part.labels < UNKNOWN) | (part.labels >= len(benchmark.classes)))
    if len(wrong):
        raise UserError(
            f"{part.path}: clip {part.names[wrong[0]]} has label {part.labels[wrong[0]]}, but {benchmark.name} has the "
            f"classes 0 to {len(benchmark.classes) - 1}"
        )


def _refuse_other_options(part: Part, config: Config, remedy: str) -> None:
    """Refuse a part that was made with other settings than the configuration states, for a run would state them."""
    made = part.manifest["options"]
    for key, value in json.loads(json.dumps(config.data.reader_options())).items():
        if value is not None and made.get(key, value) != value:  # None: as the layout has it
            raise UserError(
                f"{part.path}: made with data.{key} {made[key]}, but the experiment has {value}; "
                f"{remedy} --force makes it anew"
            )


def _refuse_other_classes(part: Part, benchmark: Benchmark) -> None:
    """Refuse a part whose source calls a label otherwise than the benchmark does."""
    for label, (held, ours) in enumerate(zip(part.manifest["classes"], benchmark.classes, strict=False)):
        if _plain(held) not in (_plain(ours), f"class {label}"):
            raise UserError(
                f"{part.path}: label {label} is '{held}' there, but '{ours}' in {benchmark.name}; "
                "with classes of your own: --set data.benchmark=own"
            )


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _refuse_absent(splits: Sequence[str], parts: Sequence[Part], benchmark: Benchmark, machine: Machine) -> None:
    """Refuse a split that is in no part's list; where the benchmark's rule decides, there are two."""
    lists = [part.stated_split(benchmark.name, benchmark.stated) for part in parts]
    held = set().union(*(SPLITS if each is None else np.unique(each).tolist() for each in lists)) - {""}
    for split in splits:
        if split not in held:
            known = ", ".join(sorted(held)) or "none"
            raise UserError(f"{machine.store}: {benchmark.name} has no {split} split here; it has {known}")


def _refuse_unlabelled(parts: Sequence[Part], chosen: dict[str, list[np.ndarray]], benchmark: Benchmark) -> None:
    """Refuse to train on clips without a label, to choose the best epoch on them, or to evaluate nothing but them."""
    for split, picks in chosen.items():
        bare = [index[part.labels[index] == UNKNOWN] for part, index in zip(parts, picks, strict=True)]
        found, count = sum(map(len, bare)), sum(map(len, picks))
        if found and (split != "eval" or found == count):
            name = next(part.names[index[0]] for part, index in zip(parts, bare, strict=True) if len(index))
            raise UserError(
                f"{found} of {count} {split} clips of {benchmark.name}, such as {name}, have no label, and "
                "training needs one: give these clips a class or leave them out, and make the part anew"
            )


def _refuse_twins(parts: Sequence[Part]) -> None:
    """Refuse clips of one name in two parts: they would count twice, and scores could not be joined by name."""
    owners: dict[str, Part] = {}
    for part in parts if len(parts) > 1 else ():
        names = part.names.tolist()
        twin = next((name for name in names if name in owners), None)
        if twin is not None:
            raise UserError(
                f"{part.path}: clip {twin} is in {owners[twin].path}, too, and would count twice; leave one of the two "
                "out of data.parts, or name its clips otherwise and make it anew"
            )
        owners |= dict.fromkeys(names, part)


def _hold_out(rule: HoldOut, parts: Sequence[Part], train: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Return train without, and validation with, the clips that `rule` holds out."""
    held = [np.isin(part.column(rule.column)[index], rule.values) for part, index in zip(parts, train, strict=True)]
    return {
        "train": [index[~out] for index, out in zip(train, held, strict=True)],
        "validation": [index[out] for index, out in zip(train, held, strict=True)],
    }


def _first(picks: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Keep the first `count` clips over all parts."""
    kept = []
    for index in picks:
        kept.append(index[:count])
        count -= len(kept[-1])
    return kept


def _count(benchmark: Benchmark, chosen: dict[str, list[np.ndarray]]) -> str:
    """Say how many clips there are, and of how many."""
    words = []
    for split, picks in chosen.items():
        count, expected = sum(map(len, picks)), benchmark.expected.get(split)
        words.append(f"{split} {count}" + (f" of {expected} expected" if expected else ""))
    return ", ".join(words)


def make_loader(
    config: Config, data: Data, split: str, *, trains: bool, clips: int = 1, ranks: Ranks = ALONE
) -> Loader:
    """Return the batches of a split: shuffled and augmented to train on, else in order and complete.

    `clips` is the number of test clips of each clip.
    """
    pipeline = make_pipeline(config, data, trains=trains, clips=clips)
    chosen, train = data.splits[split], config.train
    if not trains:
        return Loader(chosen, pipeline, config.test.batch_size, ranks)
    weights = balanced_weights(chosen.labels) if train.balanced else None
    order = Order(len(chosen), train.repeat, weights)
    share = ranks.places(train.batch_size, train.accumulate)
    return TrainLoader(chosen, pipeline, train.batch_size, train.seed, order, share=share)


def build_loss(config: Config, data: Data) -> Loss:
    """Return the loss that training minimises; its weights of classes come from the training clips."""
    section = config.train.loss
    try:
        return make_loss(section.name, section.model_dump(exclude={"name"}), count_classes(data))
    except ValueError as error:  # weights of another number of classes
        raise UserError(str(error)) from error


def count_classes(data: Data) -> Tensor:
    """Return the training clips of each class (K,), in the order of the classes, on the device.

    Of those that train: what is held out to validate does not count, nor what -db leaves out.
    """
    return torch.bincount(data.splits["train"].labels, minlength=len(data.benchmark.classes))


def make_pipeline(config: Config, data: Data, *, trains: bool, clips: int) -> Pipeline:
    """Return what happens to the clips of `data` on their way into a batch; `clips` as in `make_loader`."""
    seen, sampling = config.input, config.input.sampling
    streams = partial(
        build_streams,
        letters=seen.stream_names,
        centre=data.layout.centre,
        parents=torch.tensor(data.layout.parents, device=data.device),
        score=score_rule(config.data.channel_names, data.layout.name),
    )
    axes = sum(channel in "xyz" for channel in config.data.channel_names)
    size = getattr(config.data, "frame_size", None)
    augment = [
        make_augmentation(each.name, each.model_dump(exclude={"name"}), data.layout, axes, size)
        for each in (seen.augment if trains else ())
    ]
    return Pipeline(
        sampler=SAMPLERS[sampling.name](frames=config.frames(trains=trains), **sampling.model_dump(exclude={"name"})),
        streams=lambda joints, ahead: streams(joints, ahead=ahead),
        looks_ahead=look_ahead(seen.stream_names),
        clips=clips,
        augment=augment,
        normalise=partial(fit_into_box, axes=axes) if seen.normalise == "box" else list,
    )


def data_shape(config: Config, data: Data, *, trains: bool) -> list[int]:
    """Return the shape of one clip's streams, in training or in evaluation: I, C, T, V, M."""
    seen, channels = config.input, len(config.data.channel_names)
    count = stream_channels(seen.stream_names, channels)
    return [len(seen.stream_names), count, config.frames(trains=trains), data.layout.num_joints, seen.persons]
