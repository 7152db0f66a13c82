"""Which clips train: by a column of their table, or at random by groups.

Letters: N clips.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reader.own.grouping import split_groups
from reader.own.listing import Listing, labels_of
from reader.own.table import Row, Value
from utils.errors import UserError
from utils.recording import UNKNOWN

SMALLER = "add clips of other ones, or set data.split to a column that divides the classes"


def divide(
    rows: Sequence[Row], classes: Sequence[str], split: Mapping[str, Any], remedy: str = SMALLER
) -> NDArray[np.bool_]:
    """Return (N,) which clips train, by a `split` as `OwnReader` says.

    Raises `UserError` where it cannot be made, or no clip would evaluate; `remedy` is what to do where every class is
    of one group.
    """
    if "column" in split:
        return _by_column(rows, split["column"], set(split["train"]))
    group, share = split["group"], split["share"]
    if not 0 < share < 1:
        raise UserError(f"data.split.share: {share} must be above 0 and below 1; 0.25 evaluates on a quarter")
    groups: Sequence[Value] = [str(row.file) for row in rows] if group is None else _values(rows, group, "group")
    if len(set(groups)) < 2:
        what = "file" if group is None else group
        raise UserError(f"data.split: all {len(rows)} clips are of one {what}; there must be two groups or more")
    trains = ~split_groups(labels_of(rows, classes), groups, share, split["seed"])
    if trains.all():
        what = f"every class is of one {group or 'file'}, by which they are divided"
        raise UserError(f"data.split: all {len(rows)} clips train and none evaluates, for {what}; {remedy}")
    return trains


def _by_column(rows: Sequence[Row], column: str, train: set[Value]) -> NDArray[np.bool_]:
    values = _values(rows, column, "column")
    if absent := sorted(map(str, train - set(values))):
        found = ", ".join(sorted(map(str, set(values)))[:8])
        raise UserError(f"data.split.train: no clip has {column} {absent[0]}; there are {found}")
    trains = np.array([value in train for value in values])
    if trains.all():
        raise UserError(f"data.split: by {column}, all {len(rows)} clips train and none evaluates")
    return trains


def _values(rows: Sequence[Row], column: str, key: str) -> list[Value]:
    """Return a column of the table, known for every clip; else raise `UserError`."""
    values = []
    for row in rows:
        held = row.columns or {}
        if column not in held:
            has = f"its columns are {', '.join(held)}" if held else "there are none: a folder of classes has no columns"
            raise UserError(f"data.split.{key}: no column '{column}'; {has} (a table file,label,subject has)")
        if held[column] in (UNKNOWN, ""):
            raise row.fault(f"no {column}, by which data.split divides; fill it in")
        values.append(held[column])
    return values


def omit_untested(
    listing: Listing, classes: Sequence[str], trains: NDArray[np.bool_], split: Mapping[str, Any]
) -> None:
    """Note the classes that have no clip on one of the sides, for the summary; `trains` (N,) is of the listing's."""
    sides = set(zip((row.label for row in listing.rows), trains.tolist(), strict=True))
    why = "for their clips are one group" if "group" in split else f"by {split['column']}"
    for side, words in ((False, f"classes of the evaluation, {why}"), (True, f"classes of the training, {why}")):
        absent = [name for name in classes if (name, side) not in sides]
        if absent:
            listing.skipped[words] = absent
