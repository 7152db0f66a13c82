"""What an experiment is made of: closed, frozen sections, and what belongs to a machine.

A new network adds a member to `Config.model`, a new raw form one to `Config.data`; no key changes its meaning.
"""

import json
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

STREAM_LETTERS = "JVB"  # joint, velocity, bone: the order in which streams are stacked, however they are spelled


class Section(BaseModel):
    """A closed, frozen mapping; values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


Positive = Annotated[int, Field(ge=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Growth = Annotated[float, Field(gt=0)]
Hops = Annotated[int, Field(ge=0, le=10)]


class HoldOut(Section):
    """Which clips are held out: those with one of `values` in a column."""

    column: Literal["subject", "camera", "setup", "replication"]
    values: tuple[int, ...] = Field(min_length=1)


class NtuData(Section):
    """NTU RGB+D skeletons and data sets of the same form."""

    form: Literal["ntu"] = "ntu"
    parts: tuple[Literal["ntu60", "ntu120", "demo"], ...] = Field(
        min_length=1, description="parts of the store, in order"
    )
    benchmark: Literal["ntu-xsub", "ntu-xview", "ntu-xsub120", "ntu-xset120", "demo-xsub"] = Field(
        description="which clips train, which evaluate, and the classes (dataset/benchmarks.yaml)"
    )
    variant: Literal["original", "transformed"] = Field(description="the per-clip function whose result is stored")
    validation: HoldOut | None = Field(
        default=None, description="training clips held out to choose the best epoch on; none: chosen on eval"
    )

    @field_validator("parts")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"parts must differ, got {', '.join(value)}")
        return value

    @property
    def layout(self) -> str:
        """The skeleton's name."""
        return "ntu"


class Rotate(Section):
    """Turns every clip about the vertical (y) axis, by an angle drawn per clip."""

    name: Literal["rotate"]
    degrees: float = Field(gt=0, le=180, description="angles are uniform in +-degrees")


class Input(Section):
    """What a network sees of a clip."""

    streams: str = Field(description="letters of J (joint), V (velocity), B (bone); stacked in that order")
    frames: int = Field(ge=3, le=10_000, description="the clip's first frames, zero-padded to this number")
    persons: int = Field(default=2, ge=1, description="a clip's first persons; an absent one is zeros")
    augment: tuple[Rotate, ...] = Field(default=(), description="applied to training joints, before the streams")

    @field_validator("streams")
    @classmethod
    def _canonical(cls, value: str) -> str:
        if not value or set(value) - set(STREAM_LETTERS) or len(set(value)) != len(value):
            raise ValueError(f"streams must be different letters of {STREAM_LETTERS}, got '{value}'")
        return "".join(letter for letter in STREAM_LETTERS if letter in value)


class EfficientGCN(Section):
    """Song et al. 2022, "Constructing stronger and faster baselines for skeleton-based action recognition"."""

    name: Literal["EfficientGCN"]
    size: str = Field(pattern=r"^B\d{1,2}$", description="compound coefficient: B0, B2, B4")
    layer: Literal["Basic", "Bottleneck", "Sep", "SG"] = Field(description="temporal layer; the paper's EpSep is Sep")
    attention: Literal["stja", "pa", "ca", "fa", "ja", "none"] = Field(
        description="spatial-temporal joint, part, channel, frame or joint attention"
    )
    activation: Literal["relu", "relu6", "hswish", "swish"] = Field(description="of all layers")
    stem_channels: int = Field(ge=1, description="channels before the first block; never scaled")
    blocks: tuple[tuple[Positive, Positive, Annotated[float, Field(ge=0)]], ...] = Field(
        min_length=1, description="channels, stride, depth; before scaling"
    )
    fusion_stage: int = Field(ge=0, description="blocks before the input branches are joined")
    kernel: tuple[Positive, Hops] = Field(description="temporal window in frames (odd), largest hop distance")
    scale: tuple[Growth, Growth] = Field(description="growth of channels and depth per step of size")
    expand_ratio: int = Field(ge=0, description="of Sep; 0: no expansion")
    reduct_ratio: int = Field(ge=1, description="of SG, Bottleneck and the attentions stja and pa")
    drop_prob: float = Field(ge=0, lt=1, description="before the classifier")
    bias: bool = Field(description="of all convolutions")
    learn_edges: bool = Field(description="a trainable weight per edge and hop")
    residual: bool = Field(default=True, description="of graph and temporal layers")

    graph: ClassVar[str] = "hop"

    @property
    def title(self) -> str:
        """The name in tables, logs and run folders."""
        return f"{self.name}-{self.size}"

    @property
    def label(self) -> str:
        """The name in a table of experiments."""
        return f"{self.title} {self.layer}"

    def arguments(self) -> dict[str, Any]:
        """What the network's class takes from its section."""
        return {key: value for key, value in self if key != "name"}

    @model_validator(mode="after")
    def _fits(self) -> "EfficientGCN":
        if self.kernel[0] % 2 == 0:
            raise ValueError(f"kernel must begin with an odd number of frames, got {self.kernel[0]}")
        if self.fusion_stage > len(self.blocks):
            raise ValueError(f"fusion_stage {self.fusion_stage} is beyond the {len(self.blocks)} blocks")
        return self


class CrossEntropy(Section):
    """Cross-entropy of the softmax."""

    name: Literal["cross_entropy"] = "cross_entropy"


class Sgd(Section):
    """Stochastic gradient descent."""

    name: Literal["SGD"]
    lr: float = Field(gt=0, description="base rate, which the schedule scales")
    momentum: float = Field(default=0.0, ge=0, description="without dampening")
    nesterov: bool = Field(default=False, description="look ahead along the momentum")
    weight_decay: float = Field(default=0.0, ge=0, description="of all trainable parameters")

    @model_validator(mode="after")
    def _looks_along_something(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Adam(Section):
    """Adam; AdamW decouples the weight decay."""

    name: Literal["Adam", "AdamW"]
    lr: float = Field(gt=0, description="base rate, which the schedule scales")
    betas: tuple[Decay, Decay] = Field(default=(0.9, 0.999), description="decay of the two moments")
    weight_decay: float = Field(default=0.0, ge=0, description="of all trainable parameters")


class Cosine(Section):
    """Linear warm-up from 0, then half a cosine down to 0; per iteration."""

    name: Literal["cosine"]
    warmup_epochs: int = Field(ge=0, description="epochs until the full rate")


class Step(Section):
    """Linear warm-up from 0, then a tenth at each milestone; per iteration."""

    name: Literal["step"]
    warmup_epochs: int = Field(ge=0, description="epochs until the full rate")
    milestones: tuple[Positive, ...] = Field(min_length=1, description="epochs, ascending")

    @field_validator("milestones")
    @classmethod
    def _ascends(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"milestones must ascend, got {list(value)}")
        return value


Optimizer = Annotated[Sgd | Adam, Field(discriminator="name")]
Schedule = Annotated[Cosine | Step, Field(discriminator="name")]


class Train(Section):
    """The recipe."""

    epochs: int = Field(ge=1, description="passes over the training clips")
    batch_size: int = Field(ge=1, description="clips a step; the last incomplete batch is dropped")
    accumulate: int = Field(
        default=1, ge=1, description="pieces that a batch is computed in, to save memory; BatchNorm sees each alone"
    )
    loss: CrossEntropy = Field(default=CrossEntropy(), description="per clip, then averaged")
    optimizer: Optimizer
    schedule: Schedule
    clip_norm: float | None = Field(default=None, gt=0, description="gradient norm is clipped to this")
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="of initial weights, order, augmentation and dropout")


class Test(Section):
    """How a checkpoint is evaluated."""

    batch_size: int = Field(ge=1, description="clips a step; changes no result")


class Published(Section):
    """A figure of a paper or repository, to compare with; never ours."""

    metric: Literal["top1"]
    value: float
    source: str
    note: str = ""


class Config(Section):
    """One experiment, resolved."""

    number: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="names the experiment and its runs")
    data: NtuData
    input: Input
    model: EfficientGCN
    train: Train
    test: Test
    published: tuple[Published, ...] = ()

    @property
    def title(self) -> str:
        """`2001_EfficientGCN-B0_ntu-xsub`: what runs of this experiment are called."""
        return f"{self.number}_{self.model.title}_{self.data.benchmark}"

    def to_yaml(self) -> str:
        """Return the resolved configuration; it loads again to an equal one."""
        return yaml.safe_dump(json.loads(self.model_dump_json()), sort_keys=False, allow_unicode=True)


class Local(Section):
    """`configs/local.yaml`: paths of this machine, not tracked."""

    ntu60_path: str | None = Field(default=None, description="folder with the .skeleton files S001-S017")
    ntu120_path: str | None = Field(default=None, description="folder with the .skeleton files S018-S032")
    store: str | None = Field(default=None, description="folder of the parts; default data/npy_dataset")
    work_dir: str | None = Field(default=None, description="folder of the runs; default workdir")
