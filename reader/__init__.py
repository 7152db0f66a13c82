"""The raw forms that can be read, by name; a reader is made with the options of its section in the configuration."""

from collections.abc import Callable

from reader.annotations import AnnotationReader
from reader.arrays import ArraysReader
from reader.babel import BabelReader
from reader.deeplabcut import DlcReader
from reader.kinetics import KineticsReader
from reader.ntu import NtuReader
from reader.own import OwnReader
from reader.ucla import UclaReader
from reader.utd import UtdReader
from utils.recording import Reader

READERS: dict[str, Callable[..., Reader]] = {
    "annotations": AnnotationReader,
    "arrays": ArraysReader,
    "babel": BabelReader,
    "deeplabcut": DlcReader,
    "kinetics": KineticsReader,
    "ntu": NtuReader,
    "own": OwnReader,
    "ucla": UclaReader,
    "utd": UtdReader,
}
