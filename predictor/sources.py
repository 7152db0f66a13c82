"""Clips of raw files, one at a time and as the store would keep them; what cannot be read is reported.

Letters: M persons, T frames, V joints, C channels.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dataset.packing import Packed
from generator.clips import stored
from predictor.forms import Opened, Wanted, is_clip, open_form
from reader.files import DANGLING, files_below
from reader.own.fitting import MisfitError
from reader.own.listing import find_table
from utils.errors import UserError
from utils.recording import UNKNOWN, ReadError, Recording, Scan, Source

TABLED = ("own", "deeplabcut")  # forms whose folders may hold a table that says which clips there are
SHOWN = 3  # names, in a message
UNREAD = "neither a file nor a folder; write what it gives to a file"
NTU = ("ntu", "arrays", "annotations", "padded")  # forms in which a label of NTU's benchmarks is the same

CONFIGURED = re.compile(r"data\.persons is (\d+): set it")  # what readers tell who makes a part
LAID_OUT = ", or set data.layout and data.channels to what it is"
LEARNED = re.compile(r"(?:: |, so there is )nothing to learn from(?:; remove it)?")  # likewise

Report = Callable[[str], None]


@dataclass(frozen=True)
class Clip:
    """A clip to classify.

    Attributes:
        file: where it is from.
        name: its own, in a file of many.
        is_one_of_many: whether the file holds more clips.
        label: class index, where the source states one that is a class here.
        packed: its joints, after the experiment's variant.
    """

    file: Path
    name: str
    is_one_of_many: bool
    label: int | None
    packed: Packed

    def __str__(self) -> str:
        return f"{self.file}: {self.name}" if self.is_one_of_many else str(self.file)


@dataclass(frozen=True)
class Sources:
    """Finds and reads the clips of paths.

    Args:
        wanted: what clips have to be.
        classes: (K,) names, in label order.
        refuse: is told, in a line, what cannot be read.
        note: is told what else there is to say.
    """

    wanted: Wanted
    classes: Sequence[str]
    refuse: Report
    note: Report
    _said: set[str] = field(default_factory=set)

    def clips(self, paths: Iterable[Path]) -> Iterator[Clip]:
        """Yield the clips of files and folders, in order; nothing is held but the one in work."""
        for path in paths:
            files: list[Path] = []
            with self._reporting(path):
                files = self._files(path)
            for file in files:
                with self._reporting(file):
                    yield from self._clips_of(file)

    @contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        """Report what the user can mend in a file, instead of raising it."""
        try:
            yield
        except UserError as error:
            self.refuse(str(error) if str(path) in str(error) else f"{path}: {error}")
        except OSError as error:
            self.refuse(f"{path}: cannot be read ({error.strerror or error})")

    def _files(self, path: Path) -> list[Path]:
        """Return the files (or folders of OpenPose's frames) that a path stands for."""
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        if not path.is_dir() or is_clip(path):
            return [path]
        table = find_table(path, "-i") if self.wanted.config.data.form in TABLED else None
        if table:
            return [table]
        below = files_below([path])
        framed = {folder for folder in {file.parent for file in below} if is_clip(folder)}
        alone = [file for file in below if file.parent not in framed]
        files = {file for file in alone if is_clip(file)}
        files -= {file for file in files if file.suffix == ".h5" and file.with_suffix(".csv") in files}
        others = [file.name for file in alone if file not in files]
        if not files and not framed:
            raise UserError(f"{path}: no file of skeletons in it ({_some(others) or 'it is empty'})")
        if others:
            self.note(f"{path}: left out, for they are no clips: {_some(others)}")
        return sorted(files | framed)

    def _clips_of(self, path: Path) -> Iterator[Clip]:
        if not (path.is_file() or path.is_dir()):  # who reads from a pipe may wait for ever
            raise UserError(f"{path}: {UNREAD if path.exists() else DANGLING}")
        opened = open_form(path, self.wanted)
        for line in opened.joints.describe() if opened.joints else ():
            self._note_once(line)
        scan = opened.reader.list_file(path)
        for why, names in scan.skipped.items():
            self.note(f"{path}: {why} {_some(names)}")
        if not scan.sources:
            raise UserError(f"{path}: no clip in it")
        for source in scan.sources:
            try:
                for recording in opened.reader.read(source):
                    yield self._clip(path, opened, scan, source, recording)
            except ReadError as error:  # this clip, and not the others of the file
                self.refuse(self._not_of_a_part(error))

    def _not_of_a_part(self, error: ReadError) -> str:
        """Return what a reader says, with the remedies of who makes a part turned into those of who classifies."""
        line = str(error).replace(LAID_OUT, "")
        if isinstance(error, MisfitError) and self.wanted.from_layout is None:
            line += "; if these are of another layout, --from-layout NAME maps them"
        return re.sub(LEARNED, "; nobody in any frame", re.sub(CONFIGURED, r"the experiment takes \1", line))

    def _clip(self, path: Path, opened: Opened, scan: Scan, source: Source, recording: Recording) -> Clip:
        variant, reader = self.wanted.config.data.variant, opened.reader
        kept = stored(opened.fit(recording), (variant,), reader.variants, self._layout(opened))
        packed = kept.packed[variant]
        if not packed.frames:
            raise ReadError(path, None, f"{source.name}: no frame is left of it")
        label = self._label(recording.label, reader.form, scan.classes)
        return Clip(path, recording.name, len(scan.sources) > 1, label, packed)

    def _layout(self, opened: Opened) -> str:
        """Return the layout that variants look at: as in training, that of the experiment's own reader."""
        data = self.wanted.config.data
        is_own = opened.joints is None and opened.reader.form == data.form
        return opened.reader.layout if is_own else data.layout

    def _label(self, label: int, form: str, names: Sequence[str]) -> int | None:
        """Return a label that means one of the classes: only the experiment's own form, or NTU's, is of its classes."""
        data = self.wanted.config.data
        if form != data.form and not (form in NTU and data.benchmark.startswith("ntu")):
            return None
        if names and label != UNKNOWN:  # the numbers of these are their own
            return list(self.classes).index(names[label]) if names[label] in self.classes else None
        return label if 0 <= label < len(self.classes) else None

    def _note_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.note(line)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")
