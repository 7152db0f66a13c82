"""Where things lie on this machine: command line > environment > `configs/local.yaml` > default."""

import os
from collections.abc import Sequence
from pathlib import Path

from config.loading import ROOT, load_local

DEMO = "demo"


def store_folder(option: Path | None = None) -> Path:
    """Return where the parts are: --store > GESTA_STORE > configs/local.yaml > data/npy_dataset."""
    return option or _path(os.environ.get("GESTA_STORE")) or _path(load_local().store) or ROOT / "data/npy_dataset"


def work_folder(option: Path | None = None) -> Path:
    """Return where the runs are: -w > configs/local.yaml > workdir."""
    return option or _path(load_local().work_dir) or ROOT / "workdir"


def raw_folders(part: str, options: Sequence[Path] = ()) -> list[Path]:
    """Return where a part's raw files are: --raw > GESTA_RAW > configs/local.yaml; none if nothing says so."""
    if options:
        return list(options)
    if part == DEMO:  # its folder is its own: settings for real data do not mean it
        return []
    stated = [each for each in os.environ.get("GESTA_RAW", "").split(os.pathsep) if each]
    settings = load_local()
    local = settings.raw.get(part) or getattr(settings, f"{part}_path", None)
    return [Path(each).expanduser() for each in stated or ([local] if local else [])]


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None
