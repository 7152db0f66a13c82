"""Input: what a network sees of a clip: streams, frames, persons, augmentations."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from config.section import Angle, Growth, Probability, Section

STREAM_LETTERS = "JVB"  # joint, velocity, bone: the order in which streams are stacked, however they are spelled
CHANNEL_STREAMS = ("j", "b", "jm", "bm")  # joint, bone, their motions; joined on channels with +


class Rotate(Section):
    """Turns every clip about the vertical (y) axis, by an angle drawn per clip."""

    name: Literal["rotate"]
    degrees: float = Field(gt=0, le=180, description="angles are uniform in +-degrees")


class RotateAxes(Section):
    """Turns every clip about x, y and z, as PYSKL's RandomRot."""

    name: Literal["rotate_axes"]
    degrees: tuple[Angle, Angle, Angle] = Field(description="about x, y, z: uniform in +-degrees")
    order: Literal["xyz", "yx"] = Field(default="xyz", description="of the rotations: PYSKL's; CTR-GCN's for NW-UCLA")


class Scale(Section):
    """Scales every axis of a clip, by a factor of its own."""

    name: Literal["scale"]
    share: Probability = Field(description="factors are uniform in 1 +- share")


class Shear(Section):
    """Adds to every axis a share of the others."""

    name: Literal["shear"]
    share: Probability = Field(description="uniform in +-share")


class Flip(Section):
    """Mirrors clips, left joints for right ones."""

    name: Literal["flip"]
    probability: Probability = Field(description="of a clip")


class Drop(Section):
    """Sets joints, or body parts, to zero throughout a clip; the last augmentation."""

    name: Literal["drop_joints", "drop_parts"]
    probability: Probability = Field(description="of a joint, or of a part")


class Noise(Section):
    """Adds Gaussian noise to every coordinate."""

    name: Literal["noise"]
    sigma: Growth = Field(description="in diagonals of the box around a person in a frame")


class Shift(Section):
    """Moves every clip along its axes."""

    name: Literal["shift"]
    distance: Growth = Field(description="uniform in +-distance, in the units of the data")


class RandomMove(Section):
    """Turns, scales and shifts x and y, from one draw to another along the clip, as ST-GCN's random_move."""

    name: Literal["random_move"]
    degrees: tuple[float, ...] = Field(default=(-10.0, -5.0, 0.0, 5.0, 10.0), min_length=1, description="to draw from")
    scales: tuple[Growth, ...] = Field(default=(0.9, 1.0, 1.1), min_length=1, description="to draw from")
    shifts: tuple[float, ...] = Field(default=(-0.2, -0.1, 0.0, 0.1, 0.2), min_length=1, description="to draw from")
    masked: bool = Field(default=True, description="missing joints and padding stay zero; false: moved, as there")


class ScaleShift(Section):
    """Scales every clip about the image's corner and shifts it by pixels, as the DeepLabCut fork of ST-GCN did."""

    name: Literal["scale_shift"]
    percent: int = Field(default=3, ge=0, lt=100, description="factors are 1 +- whole percents up to this")
    pixels: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1, description="to draw from; of data.frame_size")
    original: Probability = Field(default=0.2, description="share of clips that stay as they are")


Augmentation = Annotated[
    Rotate | RotateAxes | Scale | Shear | Flip | Drop | Noise | Shift | RandomMove | ScaleShift,
    Field(discriminator="name"),
]


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the smaller share comes first, got {list(value)}")
    return value


Shares = Annotated[tuple[Probability, Probability], AfterValidator(_ascending)]


class Plain(Section):
    """The first frames; a shorter clip is followed by zeros (first) or repeated (loop)."""

    name: Literal["first", "loop"] = "first"


class Uniform(Section):
    """One random frame from each of equal pieces of the clip, in PYSKL's order of draws."""

    name: Literal["uniform"]
    ratio: Shares = Field(default=(1.0, 1.0), description="share of the clip that is used")


class UniformMma(Section):
    """The same in the order of mmaction2 and PaddleVideo: other test frames in long clips."""

    name: Literal["uniform_mma"]


class Window(Section):
    """Frames in a row, from anywhere in the clip."""

    name: Literal["window"]
    pad: Literal["zero", "loop"] = Field(default="zero", description="what a shorter clip is filled with")


class Spread(Section):
    """Frames spread over a random crop of the clip; to evaluate, evenly over the whole clip."""

    name: Literal["spread"]
    crop: Shares = Field(default=(0.75, 1.0), description="share of the clip")


Sampling = Annotated[Plain | Uniform | UniformMma | Window | Spread, Field(discriminator="name")]


class Input(Section):
    """What a network sees of a clip."""

    streams: str = Field(
        description="letters of J (joint), V (velocity), B (bone), stacked; or j, b, jm, bm (motions), joined by +"
    )
    frames: int = Field(ge=3, le=10_000, description="of a clip, as `sampling` picks them")
    sampling: Sampling = Field(default=Plain(), description="which frames are seen")
    persons: int = Field(default=2, ge=1, description="a clip's first persons")
    person_padding: Literal["zero", "loop"] = Field(
        default="zero", description="an absent person is zeros; or (loop) the first one again where a clip has just one"
    )
    augment: tuple[Augmentation, ...] = Field(default=(), description="applied to training joints, before the streams")
    normalise: Literal["none", "box"] = Field(
        default="none", description="box: every axis of the frames that are seen to -1 ... 1, after `augment`"
    )

    @field_validator("augment")
    @classmethod
    def _drops_come_last(cls, value: tuple[Augmentation, ...]) -> tuple[Augmentation, ...]:
        ordered = tuple(sorted(value, key=lambda each: isinstance(each, Drop)))
        if value != ordered:
            raise ValueError(f"what is dropped would come back: order them {', '.join(each.name for each in ordered)}")
        return value

    @model_validator(mode="after")
    def _loops_into_a_slot(self) -> "Input":
        if self.person_padding == "loop" and self.persons == 1:
            raise ValueError("person_padding loop has nothing to fill with persons 1; leave it out")
        return self

    @property
    def stream_names(self) -> list[str]:
        """The streams that are stacked, I of them."""
        return list(self.streams) if self.streams.isupper() else [self.streams]

    @field_validator("streams")
    @classmethod
    def _canonical(cls, value: str) -> str:
        parts = value.split("+")
        if set(parts) <= set(CHANNEL_STREAMS) and len(set(parts)) == len(parts):
            return value
        if not value or set(value) - set(STREAM_LETTERS) or len(set(value)) != len(value):
            raise ValueError(
                f"streams must be different letters of {STREAM_LETTERS}, or different ones of "
                f"{', '.join(CHANNEL_STREAMS)} joined by +, got '{value}'"
            )
        return "".join(letter for letter in STREAM_LETTERS if letter in value)
