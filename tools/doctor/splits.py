"""The clips of the splits: counts, labels, classes, the same clip on both sides."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from config import Config
from dataset.layouts import load_layout
from dataset.packing import COUNT
from dataset.splits import SPLITS, Benchmark, select
from dataset.store import Part
from tools.doctor.findings import Finding, bars, histogram, some
from tools.doctor.joints import digests
from utils.errors import UserError
from utils.recording import UNKNOWN

LEAKED = 0.001  # share of the evaluated clips that the field's own data may have on both sides
LISTED = 20  # classes that get a line each
IMBALANCE = 10.0  # the largest class against the smallest
WHOLE_CLIP = ("uniform", "uniform_mma", "spread")  # samplings that see a clip from start to end
ANYWHERE = "window"  # one that trains on any frame in some epoch
CUT = 0.5  # share of the clips of which the end is never seen


@dataclass(frozen=True)
class Clips:
    """Clips of one split, across parts: names, labels, frames, digests (n,)."""

    names: np.ndarray
    labels: np.ndarray
    frames: np.ndarray
    digests: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


def gather(parts: Sequence[Part], picks: Sequence[np.ndarray], marks: Sequence[np.ndarray]) -> Clips:
    """Return the clips `picks` (indices per part); `marks` are the digests of all clips of each part."""
    columns = (
        [each[index] for each, index in zip(column, picks, strict=True)]
        for column in ([p.names for p in parts], [p.labels for p in parts], [p.frames for p in parts], marks)
    )
    return Clips(*map(np.concatenate, columns))


def digest_array(part: Part) -> np.ndarray:
    """Return the digests of a part's clips (N,)."""
    return np.array(digests(part), object)


def check_experiment(config: Config, parts: Sequence[Part], benchmark: Benchmark) -> Iterator[Finding]:
    """Look at the splits of an experiment."""
    try:
        picks = {split: [select(part, benchmark, split) for part in parts] for split in SPLITS}
    except UserError as error:
        yield Finding("error", "splits", str(error), "add the list or the column to the raw data; -gd --force")
        return
    marks = [digest_array(part) for part in parts]
    clips = {split: gather(parts, index, marks) for split, index in picks.items()}
    yield check_counts(clips, benchmark)
    yield from check_fit(config, parts)
    yield from check_labels(clips, benchmark)
    yield from check_twins(clips, official=_is_complete(clips, benchmark))
    if len(clips["train"]):
        yield check_frames(config, clips["train"].frames)


def check_stated(part: Part) -> Iterator[Finding]:
    """Look at the clips of a part without an experiment: its own classes and the split lists that it states."""
    mark = digest_array(part)
    yield from check_known_labels(part)
    every = gather([part], [np.arange(len(part))], [mark])
    yield from check_twins({"all": every})
    for name in part.manifest["split_lists"]:
        stated = part.stated_split(name)
        assert stated is not None
        held = [*SPLITS, *sorted(set(np.unique(stated).tolist()) - {*SPLITS, ""})]
        picks = {split: np.flatnonzero(stated == split) for split in held}
        counts = ", ".join(f"{split} {len(index)}" for split, index in picks.items())
        yield Finding("ok", "splits", f"list {name}: {counts}", figures={name: {s: len(i) for s, i in picks.items()}})
        yield from check_twins({split: gather([part], [index], [mark]) for split, index in picks.items()}, across=True)


def check_counts(clips: Mapping[str, Clips], benchmark: Benchmark) -> Finding:
    """Look whether the splits are those of the complete data set."""
    figures = {split: len(each) for split, each in clips.items()}
    counts = ", ".join(
        f"{split} {count}" + (f" of {benchmark.expected[split]} expected" if split in benchmark.expected else "")
        for split, count in figures.items()
    )
    if not all(figures.values()):
        remedy = f"{benchmark.name}: {benchmark.source}; add the raw files of the empty split"
        return Finding("error", "splits", f"{benchmark.name} has an empty split: {counts}", remedy, figures)
    if any(benchmark.expected.get(split, count) != count for split, count in figures.items()):
        remedy = "figures on part of the clips compare with nothing published: look at what is missing or refused"
        return Finding("warning", "splits", f"{benchmark.name}: {counts}", remedy, figures)
    return Finding("ok", "splits", f"{benchmark.name}: {counts}", "", figures)


def _is_complete(clips: Mapping[str, Clips], benchmark: Benchmark) -> bool:
    """Tell whether these are all clips of a data set of the field, neither fewer nor others."""
    return bool(benchmark.expected) and all(len(clips[s]) == count for s, count in benchmark.expected.items())


def check_fit(config: Config, parts: Sequence[Part]) -> Iterator[Finding]:
    """Look whether joints, channels and persons of the parts are what the experiment reads."""
    wanted, layout = config.input.persons, load_layout(config.data.layout)
    for part in parts:
        channels, held = tuple(part.manifest["channels"]), part.spans.shape[1]
        if load_layout(part.manifest["layout"]).joints != layout.joints:  # same joints, another convention: fine
            what = f"{part.path}: the joints of {part.manifest['layout']}, but the experiment reads {layout.name}"
            yield Finding("error", "layout", what, "set data.layout to the part's, or name another part in data.parts")
        if channels != config.data.channel_names:
            what = f"{part.path}: joints of {', '.join(channels)}, not {', '.join(config.data.channel_names)}"
            yield Finding("error", "channels", what, "set data.channels to what the part holds")
        if held < wanted:
            what = f"{part.path}: {held} persons a clip, but input.persons is {wanted}"
            yield Finding("error", "persons", what, f"--set input.persons={held}")
        elif (more := int((part.spans[:, wanted:, COUNT] > 0).any(axis=1).sum())) > 0:
            what = f"{part.path}: {more} clips hold more than the {wanted} persons that input.persons takes"
            yield Finding("warning", "persons", what, f"--set input.persons={held} sees them all")


def check_labels(clips: Mapping[str, Clips], benchmark: Benchmark) -> Iterator[Finding]:
    """Look whether every label is a class, as far as a run needs it, and every class is both trained and evaluated."""
    num, names = len(benchmark.classes), benchmark.classes
    every = np.concatenate([each.labels for each in clips.values()])
    sides = np.repeat(list(clips), [len(each) for each in clips.values()])
    wrong = (every < UNKNOWN) | (every >= num) | ((every == UNKNOWN) & _needs_label(sides, every))
    if wrong.any():
        odd = np.concatenate([each.names for each in clips.values()])[wrong]
        what = f"labels that are no class (0 to {num - 1}): {some(np.unique(every[wrong]))}; clips {some(odd)}"
        yield Finding("error", "labels", what, "give these clips a class, or leave them out; -gd --force")
        return
    yield from _note_unlabelled(sides, every)
    train, seen = (np.bincount(each[each >= 0], minlength=num) for each in (clips[split].labels for split in SPLITS))
    untrained = [names[k] for k in np.flatnonzero((train == 0) & (seen > 0))]
    nowhere = [names[k] for k in np.flatnonzero((train == 0) & (seen == 0))]
    unseen = [names[k] for k in np.flatnonzero((train > 0) & (seen == 0))]
    if untrained:
        what = f"evaluated, but without a clip to train on: {some(untrained)}"
        yield Finding("error", "classes", what, "add training clips of these classes, or split otherwise")
    if nowhere:
        yield Finding("warning", "classes", f"without any clip: {some(nowhere)}", "look for missing raw files")
    if unseen:
        remedy = "mean class accuracy leaves them out: add clips, or split otherwise"
        yield Finding("warning", "classes", f"trained, but never evaluated: {some(unseen)}", remedy)
    yield _balance(train, names)


def _balance(train: np.ndarray, names: Sequence[str]) -> Finding:
    held = train[train > 0]
    if not len(held):
        return Finding("error", "classes", "no clip trains", "split otherwise")
    ratio, figures = held.max() / held.min(), dict(zip(names, train.tolist(), strict=True))
    what = f"{len(held)} of {len(names)} classes train, with {held.min()} to {held.max()} clips each ({ratio:.1f} to 1)"
    lines = bars(names, train.tolist()) if len(names) <= LISTED else ("clips a class:", *histogram(train)[1])
    if ratio > IMBALANCE:
        remedy = "--set train.balanced=true draws every class equally often"
        return Finding("note", "classes", what, remedy, figures, lines)
    return Finding("ok", "classes", what, "", figures, lines)


def _needs_label(sides: np.ndarray, labels: np.ndarray) -> NDArray[np.bool_]:
    """Return (n,) of which clips, on their `sides` of a split, training needs the label: as `open_data` demands it."""
    trains, evaluates = sides == "train", sides == "eval"
    blind = trains.any() and not (labels[evaluates] >= 0).any()
    return trains | evaluates if blind else trains


def _note_unlabelled(sides: np.ndarray, labels: np.ndarray) -> Iterator[Finding]:
    if count := int(((sides == "eval") & (labels == UNKNOWN)).sum()):
        what = f"{count} evaluated clips without a label"
        yield Finding("note", "labels", what, "they get scores; figures are of the others", {"unlabelled": count})


def check_known_labels(part: Part) -> Iterator[Finding]:
    """Look whether the clips of a part have a class: those that some list needs it of, and those that are in none."""
    lists = [part.stated_split(name) for name in part.manifest["split_lists"]]
    sides = np.array(lists, str).reshape(len(lists), len(part))
    needed = (sides == "").all(axis=0)
    for each in sides:
        needed |= _needs_label(each, part.labels)
    bad = part.names[(part.labels < UNKNOWN) | ((part.labels == UNKNOWN) & needed)]
    known, counts = np.unique(part.labels[part.labels >= 0], return_counts=True)
    classes = part.manifest.get("classes", [])
    beyond = part.names[part.labels >= len(classes)] if classes else bad[:0]
    if len(bad) or len(beyond):
        what = f"clips without a class: {some(bad)}; beyond the {len(classes)} classes: {some(beyond)}"
        yield Finding("error", "labels", what, "give these clips a class, or leave them out; -gd --force")
        return
    yield from _note_unlabelled(np.where((sides == "eval").any(axis=0), "eval", ""), part.labels)
    what = f"{len(known)} classes" + (f", with {counts.min()} to {counts.max()} clips each" if len(known) else "")
    yield Finding("ok", "classes", what, "", dict(zip(map(str, known), counts.tolist(), strict=True)))


def check_twins(clips: Mapping[str, Clips], *, across: bool = False, official: bool = False) -> Iterator[Finding]:
    """Look for clips with exactly the same joints, on both sides of a split or twice in one.

    `across`: only on both sides; `official`: these are the field's own splits, which a user does not change.
    """
    groups = [group for group in _same_joints(clips) if len(group) > 1]
    leaked = [group for group in groups if len({split for split, _, _ in group}) > 1]
    within = [] if across else groups
    twice = [group for group in within if len({split for split, _, _ in group}) == 1]
    contradicting = [group for group in within if len({label for _, _, label in group}) > 1]
    if leaked:
        yield _leak(leaked, len(clips["eval"]), official=official)
    if contradicting:
        what = f"the same joints under different labels: {len(contradicting)} times, such as {_pair(contradicting[0])}"
        yield Finding("warning", "duplicates", what, "decide which label is right, and leave the others out")
    if twice:
        what = f"the same joints under several names: {len(twice)} times, such as {_pair(twice[0])}"
        yield Finding("note", "duplicates", what, "harmless in one split; such clips count more often")
    if not groups:
        yield Finding("ok", "duplicates", "no two clips hold the same joints", figures={"leaked": 0})


def _same_joints(clips: Mapping[str, Clips]) -> Iterable[list[tuple[str, str, int]]]:
    """Return (split, name, label) of all clips, those with equal rows together; clips without rows are left out."""
    places: dict[bytes, list[tuple[str, str, int]]] = defaultdict(list)
    for split, each in clips.items():
        for name, label, mark in zip(each.names.tolist(), each.labels.tolist(), each.digests, strict=True):
            if mark:
                places[mark].append((split, name, label))
    return places.values()


def _leak(groups: Sequence[list[tuple[str, str, int]]], evaluated: int, *, official: bool) -> Finding:
    count = sum(split == "eval" for group in groups for split, _, _ in group)
    what = (
        f"evaluated clips that also train: {count} of {evaluated} ({count / evaluated:.1%}), such as {_pair(groups[0])}"
    )
    figures = {"leaked": count, "pairs": [[name for _, name, _ in group] for group in groups]}
    if official or count <= LEAKED * evaluated:
        remedy = "it is so in the data as published: figures compare with others' on them, but say so where it matters"
        return Finding("warning", "duplicates", what, remedy, figures)
    remedy = "the figures would be too good: leave one of each out, or group the split by subject or source"
    return Finding("error", "duplicates", what, remedy, figures)


def _pair(group: Sequence[tuple[str, str, int]]) -> str:
    return " and ".join(f"{name} ({split}, class {label})" for split, name, label in group[:2])


def check_frames(config: Config, frames: np.ndarray) -> Finding:
    """Look how the clips' lengths go with the frames that a network sees."""
    seen, sampling, judged = config.input.frames, config.input.sampling.name, config.frames(trains=False)
    longer, shorter = _cut(frames, seen), float((frames < seen).mean())
    figures = {"longer": longer, "shorter": shorter}
    filled = {"first": "filled with zeros", "loop": "repeated"}.get(sampling, "filled or repeated")
    if sampling in WHOLE_CLIP:
        lengths = f"{longer:.0%} of the clips are longer, {shorter:.0%} shorter"
        what = f"{seen} frames from the whole clip ({sampling}): {lengths}"
        return Finding("ok", "frames", what, "", figures)
    what = f"{seen} frames in a row ({sampling}): {longer:.0%} of the clips are cut, {shorter:.0%} are {filled}"
    if longer <= CUT:
        return Finding("ok", "frames", what, "", figures)
    if _cut(frames, judged) <= CUT:  # a recipe, such as ST-GCN's on Kinetics
        return Finding("ok", "frames", f"{what}; {judged} frames are evaluated", "", figures)
    if sampling == ANYWHERE:
        return Finding("note", "frames", what, f"--set test.frames={frames.max()} evaluates whole clips", figures)
    remedy = "take more frames, or a sampling that sees the whole clip: --set input.sampling.name=uniform"
    return Finding("warning", "frames", what, remedy, figures)


def _cut(frames: np.ndarray, seen: int) -> float:
    """Return the share of clips of which `seen` frames are not all."""
    return float((frames > seen).mean())
