"""What the json beside an exported program promises: `NAME.json` describes `NAME.onnx` and `NAME.pt2`.

Letters: N clips, M persons, T frames, V joints, C channels, K classes.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from utils.errors import UserError
from utils.files import disk_errors, write_atomic

FORMAT = "gesta-deployed-1"
REMEDY = "export it again: python main.py -c NUMBER -ex -pp CHECKPOINT"

Pair = tuple[int, int]
Quantized = Literal["none", "fp16", "int8"]


class _Closed(BaseModel):
    """Other keys and other types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Port(_Closed):
    """An input or output of the program; `shape` in letters, of which N, M and T may be of any size."""

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[str, ...]


class Skeleton(_Closed):
    """A layout, as `dataset.layouts.Layout` holds it (but for its file)."""

    name: str
    joints: tuple[str, ...]
    edges: tuple[Pair, ...]
    inward: tuple[Pair, ...]
    parents: tuple[int, ...]
    centre: int
    pairs: tuple[Pair, ...]
    parts: dict[str, tuple[int, ...]] | None
    spine: Pair | None
    shoulders: Pair | None
    units: str | None


class StoredVariant(_Closed):
    """The per-clip function (`dataset.variants`) whose result the program takes."""

    name: str
    options: dict[str, int | str]


class Thresholds(_Closed):
    """Figures that decide something."""

    decision: float = 0.5  # of a probability: below it, who decides live says nothing
    parity: float = 1e-4  # of logits: the most by which a file may differ from the evaluation
    agreement: float = 0.99  # of a quantised file's highest classes with those of the file that it is made of


class Parity(_Closed):
    """What the gate measured before the files were moved into place."""

    clips: int
    source: str  # which clips
    max_difference: dict[str, float]  # of logits, by file name
    agreement: float  # share of the clips whose highest class is the same


class Checkpoint(_Closed):
    """The file that was exported."""

    file: str
    sha256: str


class Contract(_Closed):
    """What a program needs and gives.

    Attributes:
        config: the resolved experiment, as in checkpoints.
        channels: of a joint, C of them.
        persons: the fewest that `joints` may hold; further ones only tell whether the first is alone.
        max_frames: the longest clip that the program takes, in frames.
        test_clips, average: how the program sees a clip, and averages what it sees; done inside.
        before: what is done with a clip before it goes in, in words.
        files: their SHA-256, by name.
    """

    format: Literal["gesta-deployed-1"] = "gesta-deployed-1"
    name: str
    title: str
    config: dict[str, Any]
    classes: tuple[str, ...] = Field(min_length=1)
    layout: Skeleton
    channels: tuple[str, ...] = Field(min_length=1)
    persons: int = Field(ge=1)
    variant: StoredVariant
    max_frames: int = Field(ge=1)
    test_clips: int = Field(ge=1)
    average: Literal["probability", "score"]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    before: tuple[str, ...]
    checkpoint: Checkpoint
    files: dict[str, str] = Field(min_length=1)
    thresholds: Thresholds
    parity: Parity
    versions: dict[str, str]
    quantized: Quantized

    @classmethod
    def read(cls, path: Path) -> "Contract":
        """Read a contract; raises `UserError` naming file and key on anything missing, unknown or mistyped."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{path}: missing; it belongs beside the program, which is of no use without it") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            key = ".".join(map(str, problem["loc"]))
            raise UserError(f"{path}: {f'{key}: ' if key else ''}{problem['msg']}; {REMEDY}") from None

    def write(self, path: Path) -> None:
        """Write it as indented JSON, atomically."""
        text = json.dumps(json.loads(self.model_dump_json()), indent=1, ensure_ascii=False) + "\n"
        with disk_errors(path, "free some space and export again"):
            write_atomic(path, lambda file: file.write(text.encode()))
