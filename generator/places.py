"""Where the raw files of a part lie unless something else is said, and how one comes by them."""

from pathlib import Path

from config import ROOT, Local
from utils.errors import UserError

RAW = ROOT / "data/raw_skeleton"
DOWNLOADS = ROOT / "data/downloads"  # where tools.fetch puts files
PYSKL = "`python -m tools.fetch {} --data` gets it, or says where it is"
ROSE_LAB = "download {} (NTU RGB+D) from https://rose1.ntu.edu.sg/dataset/actionRecognition and unpack it there"
RAW_FOLDERS = {
    "ntu60": (RAW / "nturgbd_skeletons_s001_to_s017", ROSE_LAB.format("nturgbd_skeletons_s001_to_s017.zip")),
    "ntu120": (RAW / "nturgbd_skeletons_s018_to_s032", ROSE_LAB.format("nturgbd_skeletons_s018_to_s032.zip")),
    "demo": (RAW / "demo", "write it with: python -m tools.make_skeletons data/raw_skeleton/demo"),
    "nw-ucla": (RAW / "nw-ucla", "docs/forms/ucla.md says where to get its JSON files"),
    "utd-mhad": (RAW / "utd-mhad", "docs/forms/utd.md says where to get its .mat files"),
    "kinetics-skeleton": (RAW / "kinetics-skeleton", "docs/forms/kinetics.md says where to get it"),
    "babel60": (RAW / "babel", "docs/forms/babel.md says where to get its arrays"),
    "babel60-extra": (RAW / "babel", "docs/forms/babel.md says where to get its arrays"),
    "babel120": (RAW / "babel", "docs/forms/babel.md says where to get its arrays"),
    "babel120-extra": (RAW / "babel", "docs/forms/babel.md says where to get its arrays"),
    "deeplabcut": (RAW / "deeplabcut", "docs/forms/deeplabcut.md says what must lie there"),
    "k400-hrnet": (DOWNLOADS / "k400/k400_hrnet.pkl", "docs/forms/annotations.md says what must lie there"),
    "ntu60-hrnet": (DOWNLOADS / "nturgbd/ntu60_hrnet.pkl", PYSKL.format(3005)),
    "ntu60-3d-nmtvc": (RAW / "ntu60-3d-nmtvc", "`python -m tools.fetch 1012 --data` says how its files are made"),
    "ntu60-3d": (DOWNLOADS / "nturgbd/ntu60_3danno.pkl", PYSKL.format(3001)),
    "ntu120-hrnet": (DOWNLOADS / "nturgbd/ntu120_hrnet.pkl", PYSKL.format(3021)),
    "ntu120-3d": (DOWNLOADS / "nturgbd/ntu120_3danno.pkl", PYSKL.format(3017)),
}


def default_raw(part: str) -> Path:
    """Return where the raw files of `part` lie by default; raises `UserError` if nothing lies there."""
    path, how = RAW_FOLDERS.get(part, (RAW / part, "the pages in docs/forms say what must lie there"))
    if not path.exists():
        setting = f"{part}_path" if f"{part}_path" in Local.model_fields else f"raw: {{{part}: PATH}}"
        settings = f"--raw PATH, GESTA_RAW, or {setting} in configs/local.yaml"
        raise UserError(f"{path}: no such file or folder; {how}, or say where it is: {settings}")
    return path
