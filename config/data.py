"""Data: the raw forms, and which clips of them an experiment reads. A new form is a member of `Data`."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from config.section import Positive, Probability, Section

PartName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Channels = Literal["xyz", "xy", "xys"]
Benchmark = Literal[
    "ntu-xsub", "ntu-xview", "ntu-xsub120", "ntu-xset120", "demo-xsub", "ucla-xview", "utd-xsub",
    "gym", "diving48", "ucf101-1", "ucf101-2", "ucf101-3", "hmdb51-1", "hmdb51-2", "hmdb51-3",
    "kinetics-skeleton", "k400", "babel60", "babel120",
]  # fmt: skip
FrameSize = Annotated[tuple[Positive, Positive], "width, height in pixels"]
Variant = Literal[
    "original", "transformed", "prenormalized", "prenormalized-2d", "prenormalized-2d-0.3", "prenormalized-2d-auto",
    "pose-normalized",
]  # fmt: skip
NtuLayout = Literal["ntu", "ntu-stgcn", "ntu-pyskl"]  # the same joints, other conventions of edges and centre
CHANNEL_NAMES = {"xyz": ("x", "y", "z"), "xy": ("x", "y"), "xys": ("x", "y", "score")}
CHANNELS_OF: dict[str, tuple[Channels, ...]] = {  # that a variant is made of, where not any
    "transformed": ("xyz",),
    "prenormalized": ("xyz",),
    "prenormalized-2d": ("xys", "xy"),
    "prenormalized-2d-0.3": ("xys",),
    "prenormalized-2d-auto": ("xys",),
    "pose-normalized": ("xys",),
}


class HoldOut(Section):
    """Which clips are held out: those with one of `values` in a column."""

    column: str = Field(description="such as subject, camera, setup or replication")
    values: tuple[int | str, ...] = Field(min_length=1)


class DataSection(Section):
    """What the data of every form have in common."""

    parts: tuple[PartName, ...] = Field(min_length=1, description="parts of the store, in order")
    benchmark: Benchmark = Field(
        description="which clips train, which evaluate, and the classes (dataset/benchmarks.yaml)"
    )
    variant: Variant = Field(description="the per-clip function whose result is stored")
    validation: HoldOut | None = Field(
        default=None, description="training clips held out to choose the best epoch on; none: chosen on eval"
    )

    @field_validator("parts")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"parts must differ, got {', '.join(value)}")
        return value

    @model_validator(mode="after")
    def _variant_fits_channels(self) -> "DataSection":
        needed = CHANNELS_OF.get(self.variant, tuple(CHANNEL_NAMES))
        if self.channel_names not in [CHANNEL_NAMES[each] for each in needed]:
            raise ValueError(
                f"variant {self.variant} needs channels {' or '.join(needed)}, not {' '.join(self.channel_names)}"
            )
        return self

    @property
    def label(self) -> str:
        """What runs are called after."""
        return self.benchmark

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What a joint's numbers are."""
        return CHANNEL_NAMES[getattr(self, "channels", "xyz")]

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told; None is left to the layout."""
        return {}


class NtuData(DataSection):
    """NTU RGB+D skeletons and data sets of the same form."""

    form: Literal["ntu"] = "ntu"
    parts: tuple[Literal["ntu60", "ntu120", "demo"], ...] = Field(
        min_length=1, description="parts of the store, in order"
    )
    layout: NtuLayout = Field(default="ntu", description="convention of edges and centre")


class AnnotationData(DataSection):
    """Annotation pickles of PYSKL and mmaction2: 2D or 3D, with their split lists."""

    form: Literal["annotations"]
    layout: str = Field(description="the skeleton's name: coco-17, ntu-pyskl, ...")
    channels: Channels = Field(description="of a joint: xyz, or xys (x, y, score)")
    persons: int = Field(default=2, ge=1, description="the file's first persons that are kept of a clip")
    valid_ratio: Probability = Field(
        default=0.0, description="of Kinetics: share of the frames that need a box of `box_threshold`; 0: no filter"
    )
    box_threshold: Probability = Field(
        default=0.5, description="of Kinetics, with a `valid_ratio`: box score from which a skeleton is kept"
    )

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told."""
        told = {key: getattr(self, key) for key in ("layout", "persons", "valid_ratio", "box_threshold")}
        return {**told, "channels": self.channel_names, "num_joints": None}


class UclaData(DataSection):
    """Northwestern-UCLA Multiview Action 3D, as JSON files."""

    form: Literal["ucla"]
    layout: Literal["ucla-20"] = "ucla-20"


class UtdData(DataSection):
    """UTD-MHAD skeletons, as .mat files."""

    form: Literal["utd"]
    layout: Literal["utd-20"] = "utd-20"


class ArraysData(DataSection):
    """NTU clips in arrays: the .npz of the CTR-GCN line, the padded arrays of ST-GCN and 2s-AGCN."""

    form: Literal["arrays"]
    layout: NtuLayout = Field(default="ntu", description="convention of edges and centre")

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told."""
        return {"benchmark": self.benchmark, "variant": self.variant, "layout": self.layout}


class KineticsData(DataSection):
    """Kinetics-skeleton, and data sets of the same form: a JSON file a clip, beside a file of labels."""

    form: Literal["kinetics"]
    benchmark: Literal["kinetics-skeleton", "own"] = Field(  # type: ignore[assignment]  # narrower
        default="kinetics-skeleton", description="own: the classes of the label files"
    )
    layout: str = Field(default="openpose-18", description="a layout's name, or the path of its yaml")
    channels: Literal["xys"] = "xys"
    persons: int = Field(default=2, ge=1, le=5, description="kept of every frame, the best first; 5 keeps all")
    matching: bool = Field(default=False, description="follow the kept persons from frame to frame")
    frames: int = Field(default=300, ge=1, description="of every clip, as the original pads them")
    frame_size: FrameSize | None = Field(default=None, description="width, height in pixels: of OpenPose's own files")
    dtype: Literal["float32", "float16"] = Field(default="float32", description="in the store")

    @property
    def label(self) -> str:
        """What runs are called after."""
        return self.parts[0] if self.benchmark == "own" else self.benchmark

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told."""
        told = ("layout", "persons", "matching", "frames", "frame_size", "dtype")
        return {**{key: getattr(self, key) for key in told}, "num_joints": None}


class BabelData(DataSection):
    """BABEL's action recognition arrays, or mmaction2's lists of them."""

    form: Literal["babel"]
    benchmark: Literal["babel60", "babel120"]
    layout: NtuLayout = Field(default="ntu-stgcn", description="convention of edges and centre")

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told."""
        return {"layout": self.layout, "classes": int(self.benchmark.removeprefix("babel"))}


class ColumnSplit(Section):
    """Clips split by a column of the table, such as its own `split`."""

    column: str
    train: tuple[int | str, ...] = Field(min_length=1, description="values that train; all others evaluate")


class GroupSplit(Section):
    """Clips split at random: whole groups, the classes in equal shares, the same for a seed."""

    group: str | None = Field(default=None, description="column whose values stay together, such as subject")
    share: Probability = Field(default=0.25, description="of the clips that evaluate, nearly")
    seed: int = Field(default=1, ge=0, description="of the draw")


class BlockSplit(Section):
    """Windows of one recording, split by blocks of time."""

    blocks: int = Field(ge=2, description="that a recording is cut into; whole ones train or evaluate")
    gap: int = Field(
        default=0,
        ge=0,
        description="frames between what trains and what evaluates; nearer training windows are left out",
    )
    share: Probability = Field(default=0.25, description="of the windows that evaluate, nearly")
    seed: int = Field(default=1, ge=0, description="of the draw")


def _kind_of_split(split: Any) -> str:
    """Return which kind of split somebody means, by its keys: so an error is about that one."""
    if isinstance(split, Section):
        return type(split).__name__
    keys = set(split) if isinstance(split, dict) else set[str]()
    if keys & {"column", "train"}:
        return ColumnSplit.__name__
    return (BlockSplit if keys & {"blocks", "gap"} else GroupSplit).__name__


Split = Annotated[ColumnSplit, Tag("ColumnSplit")] | Annotated[GroupSplit, Tag("GroupSplit")]
WindowSplit = Split | Annotated[BlockSplit, Tag("BlockSplit")]


class OwnClasses(DataSection):
    """Data that bring their own classes and their own split."""

    benchmark: Literal["own"] = Field(  # type: ignore[assignment]  # narrower: no benchmark of the literature
        default="own", description="its rule is `split`, its classes are the data's"
    )
    layout: str = Field(description="a layout's name, or the path of its yaml")

    @property
    def label(self) -> str:
        """What runs are called after."""
        return self.parts[0]


class OwnData(OwnClasses):
    """Anybody's own skeletons: a folder of classes, or a table of files."""

    form: Literal["own"]
    channels: Channels = Field(default="xyz", description="of a joint: xyz, xy, or xys (x, y, score)")
    persons: int = Field(default=1, ge=1, description="the most persons in a clip")
    split: Annotated[Split, Discriminator(_kind_of_split)] = Field(
        default=GroupSplit(), description="which clips train"
    )

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told."""
        return {
            "layout": self.layout,
            "joints": None,
            "channels": self.channel_names,
            "persons": self.persons,
            "split": self.split.model_dump(),
        }


class DlcData(OwnClasses):
    """DeepLabCut tracks, cut into windows."""

    form: Literal["deeplabcut"]
    channels: Literal["xys"] = "xys"
    joints: tuple[str, ...] = Field(default=(), description="body points in the layout's order; none: of its names")
    persons: int = Field(default=1, ge=1, description="the most individuals in a file")
    frame_size: FrameSize = Field(description="width and height of the video in pixels")
    rate: float | None = Field(default=None, gt=0, description="frames per second, where known")
    likelihood: Probability = Field(default=0.6, description="below which a point counts as missing")
    window: int = Field(default=60, ge=1, description="frames of a clip, where no table states them")
    hop: int | None = Field(default=None, ge=1, description="frames from one window to the next; none: `window`")
    split: Annotated[WindowSplit, Discriminator(_kind_of_split)] = Field(
        default=GroupSplit(), description="which windows train"
    )

    def reader_options(self) -> dict[str, Any]:
        """Return what the form's reader is told."""
        told = ("layout", "persons", "frame_size", "rate", "likelihood", "window", "hop")
        options = {key: getattr(self, key) for key in told}
        return {**options, "joints": self.joints or None, "num_joints": None, "split": self.split.model_dump()}


Data = Annotated[
    NtuData | AnnotationData | UclaData | UtdData | ArraysData | KineticsData | BabelData | DlcData | OwnData,
    Field(discriminator="form"),
]
