"""The raw forms that can be read, by name."""

from reader.ntu import NtuReader
from utils.recording import Reader

READERS: dict[str, Reader] = {"ntu": NtuReader()}
