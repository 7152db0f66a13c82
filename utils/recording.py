"""What readers hand to the generator: sources to read, and the recordings that are in them.

Letters: M persons, T frames, V joints, C channels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.errors import UserError

UNKNOWN = -1  # a label or an integer column that the source does not state


@dataclass(frozen=True, slots=True)
class Source:
    """A raw file, or one `item` of a file that holds many."""

    name: str
    path: Path
    size: int  # bytes of the file: a source is the same while name and size are
    item: int = 0

    def key(self) -> list[str | int]:
        """Return what identifies the source in a manifest."""
        return [self.name, self.size]


@dataclass(frozen=True, slots=True)
class Bare(Source):
    """One to be classified, not learnt from: it may be called anything, and need not say what it shows."""


@dataclass(frozen=True)
class Scan:
    """What a reader found for one part: sources in their final order, and what it left out with the reason.

    `split_lists` are the lists that its recordings state in `splits`; `classes` the class names in label order, where
    the source states them. The generator empties `sources` when all are read: they may be hundreds of thousands.
    """

    sources: list[Source]
    skipped: dict[str, list[str]] = field(default_factory=dict)  # reason -> file names
    split_lists: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One clip as its source holds it.

    Attributes:
        name: unique in its data set.
        joints: (M, T, V, C) in the source's own dtype; an absent person or frame is all zeros.
        label: class index from 0, or `UNKNOWN`.
        columns: what else is known of the clip (subject, camera, ..., source path).
        splits: what the source states of it: list (a benchmark, or the name in the file) -> "train" or "eval".
        frames: frames that the source states, where `joints` may be padded; else T.
    """

    name: str
    joints: np.ndarray
    label: int
    columns: Mapping[str, int | float | str]
    splits: Mapping[str, str] = field(default_factory=dict)
    frames: int | None = None

    @property
    def num_frames(self) -> int:
        """Frames of the clip."""
        return self.joints.shape[1] if self.frames is None else self.frames


class ReadError(UserError):
    """A source that cannot be read: file, line where there is one, reason."""

    def __init__(self, path: Path | str, line: int | None, reason: str) -> None:
        self.path, self.line, self.reason = str(path), line, reason
        super().__init__(f"{path}{'' if line is None else f', line {line}'}: {reason}")

    def __reduce__(self) -> tuple[type["ReadError"], tuple[str, int | None, str]]:
        """Survive the way back from a worker process."""
        return ReadError, (self.path, self.line, self.reason)


class Reader(Protocol):
    """One raw form. A reader is a frozen dataclass of its options: worker processes call `read`."""

    @property
    def form(self) -> str: ...
    @property
    def layout(self) -> str: ...
    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def persons(self) -> int: ...
    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that the recordings already are."""

    @property
    def parallel(self) -> bool:
        """Whether processes share the work; not where each would hold a whole file of many clips."""

    def scan(self, roots: Sequence[Path], part: str) -> Scan:
        """List the sources of `part` below `roots`; raises `UserError` where there are none."""

    def list_file(self, path: Path) -> Scan:
        """List the clips of one file, or of a folder that is one clip, to classify them.

        Neither names nor labels nor splits are asked for; what is stated nevertheless is kept.
        """

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the recordings of one source; raises `ReadError`."""


def refuse_twins(sources: Iterable[Source]) -> None:
    """Raise `UserError` if two sources have one name: a clip's name is how scores find it again."""
    seen: dict[str, Path] = {}
    for source in sources:
        if source.name in seen:
            raise UserError(
                f"{source.path}: {source.name} is also in {seen[source.name].parent}; "
                "give only one of the two folders (--raw)"
            )
        seen[source.name] = source.path
