"""DeepLabCut tracks, cut into windows: a table of windows, folders of classes, or bare tracks without labels.

One reader in place of the chain csv2json, gen_trainDataset, kinetics_gendata of ByeByeChen/multi-branch-st-gcn: whole
recordings are split, before anything is augmented, so that no copy of a clip is on the other side.
docs/forms/deeplabcut.md says what must lie where.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import compress
from pathlib import Path

import numpy as np

from reader.deeplabcut.fitting import Skeleton, open_track
from reader.deeplabcut.listing import Cutting, list_windows
from reader.deeplabcut.splitting import BLOCK, in_blocks, too_near
from reader.own import SPLIT, Clip, OwnReader, classify, scan_of
from reader.own.fitting import cut
from reader.own.listing import Listing, order_classes
from reader.own.splitting import divide, omit_untested
from reader.own.table import Row
from utils.errors import UserError
from utils.recording import Recording, Scan, Source

IN_TIME = "split recordings into blocks of time: --set 'data.split={blocks: 8, gap: 30}'"


@dataclass(frozen=True, kw_only=True)
class DlcReader(OwnReader):
    """Reads windows of DeepLabCut tracks: joints x y score, in fractions of the frame from its centre.

    Args:
        layout: the layout's name or file, for messages.
        joints: (V,) body points of the files, in the layout's order.
        persons: the most individuals in a file.
        split: as of `OwnReader`, a group being all windows of one value of that column, or where it is None of one
            recording; or {"blocks", "gap", "share", "seed"}: every recording is cut into so many blocks of time, which
            are the groups. Training windows with fewer than `gap` frames (0 without it) between them and an evaluated
            window are left out.
        frame_size: width and height of the video in pixels.
        rate: frames per second, kept as a column.
        likelihood: below which a body point counts as missing.
        window: frames of a clip, where no table states them.
        hop: frames from the start of one window to that of the next; None: `window`.
        num_joints: V, the layout's joints, which `joints` are compared with; None: they are not.
    """

    channels: tuple[str, ...] = ("x", "y", "score")
    form: str = "deeplabcut"
    frame_size: tuple[int, int]
    rate: float | None = None
    likelihood: float = 0.6
    window: int = 60
    hop: int | None = None
    num_joints: int | None = None

    def __post_init__(self) -> None:
        if self.num_joints not in (None, len(self.joints)):
            raise UserError(
                f"data.joints: {len(self.joints)} body points, but layout {self.layout} has {self.num_joints} joints; "
                "name one point for each, in the layout's order"
            )
        if twice := [name for name, count in Counter(self.joints).items() if count > 1]:
            raise UserError(f"data.joints: {', '.join(twice)} is there more than once; name each body point once")

    def scan(self, roots: Sequence[Path], part: str) -> Scan:  # noqa: ARG002 - its clips are all that are there
        """List the windows of `roots`; without classes all evaluate, with label `UNKNOWN`.

        Raises `UserError` where `list_windows` does, and where the split cannot be made.
        """
        listing = list_windows(roots, Cutting(self.window, self.hop or self.window), self._open)
        if not listing.rows[0].label:
            return scan_of(listing, (), np.zeros(len(listing.rows), bool))
        classes = order_classes([row.label for row in listing.rows])
        trains = self._divide(listing, classes)
        return scan_of(listing, classes, trains)

    def list_file(self, path: Path) -> Scan:
        """List the windows of a table, or of one track, whose class is what its folder is called."""
        listing = list_windows([path], Cutting(self.window, self.hop or self.window), self._open)
        folder = path.absolute().parent.name
        listing.rows = [row if row.label else replace(row, label=folder) for row in listing.rows]
        return classify(listing)

    def read(self, source: Source) -> Iterator[Recording]:
        """Yield the one window of a source, joints (persons, T, V, 3) float32; raises `ReadError`."""
        assert isinstance(source, Clip)  # what `scan` lists
        joints = cut(source.path, source.name, self._open(source.path), source.start, source.end)
        width, height = self.frame_size
        rate = {} if self.rate is None else {"rate": self.rate}
        columns = {**dict(source.columns), **rate, "height": height, "width": width, "source": str(source.path)}
        yield Recording(source.name, joints, source.label, columns, {SPLIT: source.split})

    def _open(self, path: Path) -> np.ndarray:
        skeleton = Skeleton(self.layout, self.joints, self.persons, self.frame_size, self.likelihood)
        return _opened(path, path.stat().st_mtime_ns if path.exists() else 0, skeleton)

    # --- the split

    def _divide(self, listing: Listing, classes: tuple[str, ...]) -> np.ndarray:
        """Return (N,) which windows train, of those that stay; the others move to the listing's omissions."""
        split, rows, remedy = dict(self.split), listing.rows, IN_TIME
        gap = split.pop("gap", 0)
        if "blocks" in split:
            rows = in_blocks(rows, split.pop("blocks"))
            split["group"], remedy = BLOCK, "take more blocks"
        elif "group" in split:
            split["group"] = split["group"] or "recording"
            _refuse_one_group(rows, split["group"])
        trains = divide(rows, classes, split, remedy)
        near = too_near(rows, trains, gap)
        if near.any():
            why = "of the training, overlapping" if gap == 0 else f"of the training, fewer than {gap} frames from"
            listing.skipped[f"{why} an evaluated window"] = [row.name for row in compress(rows, near)]
        listing.rows, trains = list(compress(rows, ~near)), trains[~near]
        if not trains.any():
            raise UserError(
                f"data.split: all {near.sum()} training windows are too near to evaluated ones; lower gap, or blocks"
            )
        omit_untested(listing, classes, trains, split)
        return trains


def _refuse_one_group(rows: Sequence[Row], column: str) -> None:
    values = {str((row.columns or {}).get(column)) for row in rows}
    if len(values) == 1 and column in (rows[0].columns or {}):
        raise UserError(
            f"data.split: all {len(rows)} windows are of one {column} ({values.pop()}), and neighbours are nearly the "
            f"same; {IN_TIME}"
        )


@lru_cache(maxsize=1)  # the windows of a file follow one another
def _opened(path: Path, _modified_ns: int, skeleton: Skeleton) -> np.ndarray:
    """Return the joints of a file; one that was written anew is opened anew."""
    track = open_track(path, skeleton)
    track.flags.writeable = False
    return track
