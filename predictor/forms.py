"""Which raw form a file is of, and the reader of it, told what the experiment needs."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from config import Config
from dataset.joint_maps import JointMap, joint_map
from dataset.layouts import Layout, load_layout
from generator.orders import reader_of
from reader.annotations import USUAL, AnnotationReader
from reader.arrays import SPLITS, ArraysReader, held_in
from reader.deeplabcut.tables import is_track
from reader.kinetics import KineticsReader
from reader.kinetics.files import FRAME
from reader.kinetics.persons import PERSONS_IN
from reader.ntu import NtuReader
from reader.own import OwnReader
from reader.padded import PaddedReader, is_centred, open_array
from reader.ucla import UclaReader
from reader.utd import UtdReader
from utils.errors import UserError
from utils.recording import Reader, Recording

LABELS = re.compile(r".*_label\.(json|pkl)|.*_label_\d+\.pkl")  # beside clips, and none themselves
OF_ONE_LAYOUT = ("ntu", "ucla", "utd", "babel", "arrays")  # forms whose joints are always the same
IN_FRAME = ("kinetics", "deeplabcut")  # forms whose readers give parts of the frame ...
IN_PIXELS = ("annotations",)  # ... and pixels


@dataclass(frozen=True)
class Wanted:
    """What clips have to be for an experiment.

    Args:
        config: the experiment.
        from_layout: name or file of the layout that is given, where it is another one: its joints are mapped.

    Raises:
        UserError: if there is no such layout, or nothing to map in it: once, and not of every file.
    """

    config: Config
    from_layout: str | None = None

    def __post_init__(self) -> None:
        if self.from_layout is not None:
            joint_map(_layout(self.from_layout), _layout(self.config.data.layout))

    @property
    def layout(self) -> str:
        """The layout of files that do not state any."""
        return self.from_layout or self.config.data.layout


@dataclass(frozen=True)
class Opened:
    """A reader that fits, and what to do with its recordings."""

    reader: Reader
    joints: JointMap | None = None

    def fit(self, recording: Recording) -> Recording:
        """Return a recording in the joints of the experiment."""
        return recording if self.joints is None else replace(recording, joints=self.joints.apply(recording.joints))


def is_clip(path: Path) -> bool:
    """Tell whether something may be clips, by its name alone; a folder is one clip if it holds OpenPose's frames."""
    if path.is_dir():
        return any(FRAME.fullmatch(each.name) for each in path.iterdir())
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not LABELS.fullmatch(path.name)


def open_form(path: Path, wanted: Wanted) -> Opened:
    """Return the reader of a file: of the experiment's own form if the file may be of it, else by what the file is.

    Raises:
        UserError: if no reader knows it, or its skeletons are not what the experiment needs.
    """
    if path.is_dir():
        return _fitted(path, _reader("kinetics", wanted), wanted)
    find = SUFFIXES.get(path.suffix.lower())
    if find is None:
        raise UserError(f"{path}: no form of skeletons that is known here; files end in {', '.join(SUFFIXES)}")
    return _fitted(path, find(path, wanted), wanted)


# --- by suffix


def _of(form: str) -> Callable[[Path, Wanted], Reader]:
    return lambda _, wanted: _reader(form, wanted)


def _csv(path: Path, wanted: Wanted) -> Reader:
    own = wanted.config.data.form
    return _reader("deeplabcut" if is_track(path) or own == "deeplabcut" else "own", wanted)


def _json(path: Path, wanted: Wanted) -> Reader:
    own = wanted.config.data.form
    if own in ("kinetics", "ucla", "own"):
        return _reader(own, wanted)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # the reader says what is wrong
        content = None
    is_kinetics = isinstance(content, dict) and isinstance(content.get("data"), list)
    return _reader("kinetics" if is_kinetics else "own", wanted)


def _npz(path: Path, wanted: Wanted) -> Reader:
    if held_in(path).isdisjoint(f"x_{split}" for split in SPLITS):
        return _reader("own", wanted)
    data = wanted.config.data
    return ArraysReader(layout=data.layout if data.form == "arrays" else "ntu")


def _npy(path: Path, wanted: Wanted) -> Reader:
    """Return the reader of an array: rows (N, C, T, V, M), which may be transformed already, or one clip."""
    data, rows = wanted.config.data, open_array(path)
    if rows.ndim != 5:
        return _reader("own", wanted)
    if data.form == "babel":
        return _reader("babel", wanted)
    if wanted.layout not in USUAL:
        raise UserError(f"{path}: sets (N, C, T, V, M) of layout {wanted.layout} are not read; save an array a clip")
    is_made = data.variant == "transformed" and len(rows) > 0 and is_centred(np.asarray(rows[0]).transpose(3, 1, 2, 0))
    return PaddedReader(data.benchmark, "transformed" if is_made else "original", wanted.layout)


SUFFIXES: dict[str, Callable[[Path, Wanted], Reader]] = {
    ".skeleton": _of("ntu"),
    ".pkl": _of("annotations"),
    ".pickle": _of("annotations"),
    ".json": _json,
    ".mat": _of("utd"),
    ".csv": _csv,
    ".tsv": _csv,
    ".h5": _of("deeplabcut"),
    ".npy": _npy,
    ".npz": _npz,
}


# --- readers


@cache
def _layout(name: str) -> Layout:
    return load_layout(name)  # which takes 10 ms


@lru_cache
def _reader(form: str, wanted: Wanted) -> Reader:
    """Return the experiment's own reader if its data are of this form, else one that is told what it needs."""
    data, layout = wanted.config.data, _layout(wanted.layout)
    if form == data.form:
        told = data if form in OF_ONE_LAYOUT else data.model_copy(update={"layout": wanted.layout})
        return reader_of(wanted.config.model_copy(update={"data": told}))
    if form == "deeplabcut":
        raise UserError(f"DeepLabCut's tracks need data.frame_size, which {wanted.config.number} has not; name its -c")
    persons = reader_of(wanted.config).persons
    readers: dict[str, Callable[[], Reader]] = {
        "ntu": NtuReader,
        "ucla": UclaReader,
        "utd": UtdReader,
        "kinetics": lambda: KineticsReader(wanted.layout, layout.num_joints, min(persons, PERSONS_IN)),
        "annotations": lambda: AnnotationReader(wanted.layout, persons, layout.num_joints, data.channel_names),
        "own": lambda: OwnReader(wanted.layout, layout.joints, data.channel_names, persons),
    }
    return readers[form]()


def _fitted(path: Path, reader: Reader, wanted: Wanted) -> Opened:
    """Return the reader with the way to the experiment's joints; raises `UserError` if there is none."""
    data = wanted.config.data
    found, target = _layout(reader.layout), _layout(data.layout)
    if reader.channels != data.channel_names:
        held, needed = ", ".join(reader.channels), ", ".join(data.channel_names)
        raise UserError(
            f"{path}: joints of {held}, but the experiment needs {needed}; take one that is trained on such"
        )
    if {reader.form, data.form} & {*IN_FRAME} and {reader.form, data.form} & {*IN_PIXELS}:
        raise UserError(f"{path}: of form {reader.form}, whose units are others than those of {data.form}")
    if wanted.from_layout is not None and found.joints != _layout(wanted.from_layout).joints:
        raise UserError(f"{path}: of layout {found.name}, not {wanted.from_layout} as --from-layout says")
    if found.joints == target.joints:
        return Opened(reader)
    if wanted.from_layout is None:
        joints = f"{found.num_joints} joints of {found.name}, but the experiment needs {target.num_joints}"
        raise UserError(f"{path}: {joints} of {target.name}; --from-layout {found.name} maps them")
    return Opened(reader, joint_map(found, target))
