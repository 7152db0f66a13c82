"""Typed, closed, frozen configuration: yaml in, one `Config` out, or one line that says what is wrong.

What changes a result lives in the numbered yaml; what belongs to a machine lives in `configs/local.yaml` (`Local`).
"""

from config.errors import ConfigError
from config.loading import FOLDER, ROOT, find, load, load_local, numbers
from config.machine import raw_folders, store_folder, work_folder
from config.sections import (
    STREAM_LETTERS,
    Adam,
    Config,
    Cosine,
    CrossEntropy,
    EfficientGCN,
    HoldOut,
    Input,
    Local,
    NtuData,
    Published,
    Rotate,
    Section,
    Sgd,
    Step,
    Test,
    Train,
)

__all__ = [
    "FOLDER",
    "ROOT",
    "STREAM_LETTERS",
    "Adam",
    "Config",
    "ConfigError",
    "Cosine",
    "CrossEntropy",
    "EfficientGCN",
    "HoldOut",
    "Input",
    "Local",
    "NtuData",
    "Published",
    "Rotate",
    "Section",
    "Sgd",
    "Step",
    "Test",
    "Train",
    "find",
    "load",
    "load_local",
    "numbers",
    "raw_folders",
    "store_folder",
    "work_folder",
]
