"""Kinetics-skeleton: a `.json` file for each clip, or a folder of OpenPose's frames, beside a file of labels.

Letters: M persons, T frames, V joints, C = 3 channels x y score. docs/forms/kinetics.md says what must lie where.
Source: Yan et al. 2018 (ST-GCN), whose generator makes the same rows of the same files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reader.kinetics.files import Poses, read_clip, read_frames
from reader.kinetics.labels import AGAIN
from reader.kinetics.listing import Clip, clip_at, list_clips
from reader.kinetics.persons import PERSONS_IN, follow, lay_out, pick_best
from utils.errors import UserError
from utils.recording import ReadError, Recording, Scan, Source

SPLIT_LISTS = ("kinetics", "own")  # one split, for the benchmark and for classes of one's own


@dataclass(frozen=True)
class KineticsReader:
    """Reads clips of Kinetics-skeleton's form; the label files state split and classes.

    Args:
        layout: the layout's name, for messages.
        num_joints: V, its joints.
        persons: kept of each frame, those with the highest scores.
        frames: T of every clip; what is not in the file is zero, and is not stored.
        dtype: in which rows are stored; all arithmetic is float64, as the original's.
        frame_size: width and height of the video in pixels, for OpenPose's own frames.
        matching: whether the kept persons are followed from frame to frame.
    """

    layout: str = "kinetics-18"
    num_joints: int = 18
    persons: int = 2
    frames: int = 300
    dtype: str = "float32"
    frame_size: tuple[int, int] | None = None
    matching: bool = False
    form: str = "kinetics"
    channels: tuple[str, ...] = ("x", "y", "score")
    variants: tuple[str, ...] = ("original",)
    parallel: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.persons <= PERSONS_IN:
            raise UserError(
                f"data.persons {self.persons}: must be 1 to {PERSONS_IN}, the most that are read of a frame"
            )

    def scan(self, roots: Sequence[Path], part: str) -> Scan:  # noqa: ARG002 - its clips are all that are there
        """List the clips of the label files in `roots`: by split, and by name.

        Raises `UserError` where `list_clips` does, and for OpenPose's frames without a frame size.
        """
        sources, skipped, classes = list_clips(roots)
        self._refuse_pixels(sources)
        return Scan(list[Source](sources), skipped, SPLIT_LISTS, classes)

    def list_file(self, path: Path) -> Scan:
        """List the one clip of a file, or of a folder of OpenPose's frames."""
        self._refuse_pixels([clip := clip_at(path)])
        return Scan([clip])

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one clip of a source, joints (persons, T, V, 3); raises `ReadError`.

        x and y run from -0.5 to 0.5 of the frame; joints without a score are zero.
        """
        assert isinstance(source, Clip)  # what `scan` lists
        poses = self._poses(source)
        clip = pick_best(lay_out(poses, self.frames), self.persons)
        if not clip.any():
            raise ReadError(source.file, None, "nobody is in any frame, so there is nothing to learn from")
        clip = follow(clip) if self.matching else clip
        joints = np.ascontiguousarray(clip.transpose(3, 1, 2, 0))  # (C, T, V, M) -> (M, T, V, C)
        persons = int(np.flatnonzero(joints.any(axis=(1, 2, 3)))[-1]) + 1
        columns: dict[str, int | float | str] = {"persons": persons, "source": str(source.file)}
        splits = dict.fromkeys(SPLIT_LISTS, source.split) if source.label else {}
        label = source.label.class_index if source.label else poses.label
        yield Recording(source.name, self._stored(source.file, joints), label, columns, splits)

    def _refuse_pixels(self, clips: Sequence[Clip]) -> None:
        folder = next((clip.file for clip in clips if clip.is_folder), None)
        if folder and self.frame_size is None:
            raise UserError(f"{folder}: OpenPose's frames are in pixels; set data.frame_size: [width, height]")

    def _poses(self, source: Clip) -> Poses:
        if not source.is_folder:
            return read_clip(source.file, self.num_joints, self.frames, source.label)
        assert self.frame_size is not None  # or `scan` had refused
        return read_frames(source.file, self.num_joints, self.frames, self.frame_size)

    def _stored(self, path: Path, joints: np.ndarray) -> np.ndarray:
        """Return the joints in the dtype of the store; raises `ReadError` where they do not fit."""
        largest = float(np.finfo(self.dtype).max)
        if not (abs(joints) <= largest).all():
            raise ReadError(path, None, f"numbers beyond {largest:.5g}, the largest of {self.dtype}; {AGAIN}")
        return joints.astype(self.dtype)
