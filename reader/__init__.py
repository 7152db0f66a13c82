"""The raw forms that can be read, by name; a reader is made with the options of its section in the configuration."""

from collections.abc import Callable

from reader.annotations import AnnotationReader
from reader.arrays import ArraysReader
from reader.ntu import NtuReader
from reader.ucla import UclaReader
from reader.utd import UtdReader
from utils.recording import Reader

READERS: dict[str, Callable[..., Reader]] = {
    "annotations": AnnotationReader,
    "arrays": ArraysReader,
    "ntu": NtuReader,
    "ucla": UclaReader,
    "utd": UtdReader,
}
