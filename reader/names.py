"""What names state: an NTU clip's who and where, and the split that a file or a list of clips is."""

import re

from reader.ntu import NAME
from utils.recording import UNKNOWN

NTU_COLUMNS = tuple(key for key in NAME.groupindex if key != "action")
NTU_LISTS = ("xsub", "xview", "xset")
NO_LIST = "split"  # the list of files that state one split and give it no name
SUBSET = re.compile(r"(?:(?P<list>.+)_)?(?P<subset>train|eval|val|test)(?P<fold>\d*)")


def ntu_columns(name: str) -> dict[str, int | float | str]:
    """Return subject, camera, setup and replication of an NTU clip's name; all unknown if it is another name."""
    match = NAME.fullmatch(name)
    return {key: int(match[key]) if match else UNKNOWN for key in NTU_COLUMNS}


def list_and_subset(name: str) -> tuple[str, str]:
    """Return the list and the subset of it that a split is called after.

    xsub_train -> xsub, train; val -> split, val; test2 -> split2, test. A name of another form is a list of its own.
    """
    match = SUBSET.fullmatch(name)
    return (f"{match['list'] or NO_LIST}{match['fold']}", match["subset"]) if match else (name, name)


def list_and_subset_of_file(stem: str, folder: str) -> tuple[str, str] | None:
    """Return the list and the subset that a file states which holds only one; None if its name states none.

    The list is the last word before the subset (ntu60_xsub_train -> xsub), or the folder's name if that is a list of
    NTU (xview/train).
    """
    if SUBSET.fullmatch(stem) is None:
        return None
    name, subset = list_and_subset(stem)
    if name == NO_LIST and folder in NTU_LISTS:
        return folder, subset
    return name.rpartition("_")[2], subset
