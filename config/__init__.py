"""Typed, closed, frozen configuration: yaml in, one `Config` out, or one line that says what is wrong.

What changes a result lives in the numbered yaml; what belongs to a machine lives in `configs/local.yaml` (`Local`).
"""

from config.data import (
    AnnotationData,
    ArraysData,
    ColumnSplit,
    DataSection,
    GroupSplit,
    HoldOut,
    NtuData,
    OwnData,
    UclaData,
    UtdData,
)
from config.errors import ConfigError
from config.inputs import (
    CHANNEL_STREAMS,
    STREAM_LETTERS,
    Input,
    Rotate,
)
from config.loading import FOLDER, ROOT, find, load, load_local, numbers
from config.machine import raw_folders, store_folder, work_folder
from config.networks import (
    AAGCN,
    AGCN,
    CTRGCN,
    MBSTGCN,
    STGCN,
    EfficientGCN,
    Network,
)
from config.section import Section
from config.sections import (
    Adam,
    Config,
    Cosine,
    CrossEntropy,
    Local,
    Published,
    Sgd,
    Step,
    Test,
    Train,
)

__all__ = [
    "AAGCN",
    "AGCN",
    "CHANNEL_STREAMS",
    "CTRGCN",
    "FOLDER",
    "MBSTGCN",
    "ROOT",
    "STGCN",
    "STREAM_LETTERS",
    "Adam",
    "AnnotationData",
    "ArraysData",
    "ColumnSplit",
    "Config",
    "ConfigError",
    "Cosine",
    "CrossEntropy",
    "DataSection",
    "EfficientGCN",
    "GroupSplit",
    "HoldOut",
    "Input",
    "Local",
    "Network",
    "NtuData",
    "OwnData",
    "Published",
    "Rotate",
    "Section",
    "Sgd",
    "Step",
    "Test",
    "Train",
    "UclaData",
    "UtdData",
    "find",
    "load",
    "load_local",
    "numbers",
    "raw_folders",
    "store_folder",
    "work_folder",
]
