"""What an experiment is made of: closed, frozen sections, and what belongs to a machine.

A new network adds a member to `Model` (config/networks.py), a new raw form one to `Data` (config/data.py); no key
changes its meaning.
"""

import json
from typing import Annotated, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from config.data import Data
from config.inputs import Input
from config.networks import Model
from config.section import Decay, Positive, Section

NotNegative = Annotated[float, Field(ge=0)]
Weights = Annotated[tuple[NotNegative, ...], Field(strict=False)]  # lists, too: `loss` is looked into first


class CrossEntropy(Section):
    """Cross-entropy of the softmax."""

    name: Literal["cross_entropy"] = "cross_entropy"
    smoothing: float = Field(default=0.0, ge=0, lt=1, description="of the labels, over all classes, in training")


class WeightedCrossEntropy(Section):
    """Cross-entropy times a weight of the clip's class. Evaluation's loss has no weights."""

    name: Literal["weighted_cross_entropy"]
    weights: Weights | None = Field(
        default=None, description="by label, one above 0; none: 1 / clips of the class, of mean 1"
    )

    @field_validator("weights")
    @classmethod
    def _one_counts(cls, value: Weights | None) -> Weights | None:
        if value is not None and not any(value):
            raise ValueError("all weights are 0, so that nothing would be learnt; give one above 0")
        return value


class CbFocal(Section):
    """Class-balanced focal loss, of a sigmoid per class. Evaluation's loss is the cross-entropy."""

    name: Literal["cb_focal"]
    beta: Decay = Field(default=0.9999, description="weights (1 - beta) / (1 - beta^clips), of mean 1; 0: all alike")
    gamma: NotNegative = Field(default=2.0, description="how much less a clip counts that is right already; 0: no less")


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


class Constant(Section):
    """Linear warm-up from 0, then the base rate."""

    name: Literal["constant"]
    warmup_epochs: int = Field(default=0, ge=0, description="epochs until the full rate")


Loss = Annotated[CrossEntropy | WeightedCrossEntropy | CbFocal, Field(discriminator="name")]
Optimizer = Annotated[Sgd | Adam, Field(discriminator="name")]
Schedule = Annotated[Cosine | Step | Constant, Field(discriminator="name")]


class Train(Section):
    """The recipe."""

    epochs: int = Field(ge=1, description="passes over the training clips")
    batch_size: int = Field(ge=1, description="clips a step; the last incomplete batch is dropped")
    reference_batch: int | None = Field(
        default=None, ge=1, description="the batch that optimizer.lr belongs to: the rate scales with batch_size"
    )
    repeat: int = Field(default=1, ge=1, description="times that an epoch goes over the clips")
    balanced: bool = Field(default=False, description="draw every class equally often, with replacement")
    average: float | None = Field(
        default=None, gt=0, lt=1, description="decay of the moving average of the weights that is evaluated"
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        default="float32",
        description="of the training's matrix products (tf32: on a GPU only; bfloat16: autocast); "
        "evaluation is in float32",
    )
    sync_batchnorm: bool = Field(
        default=False, description="BatchNorm over the clips of all processes; else each normalises its own"
    )
    accumulate: int = Field(
        default=1, ge=1, description="pieces that a batch is computed in, to save memory; BatchNorm sees each alone"
    )
    loss: Loss = Field(default=CrossEntropy(), description="per clip, then averaged")
    optimizer: Optimizer
    schedule: Schedule
    clip_norm: float | None = Field(default=None, gt=0, description="gradient norm is clipped to this")
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="of initial weights, order, augmentation and dropout")

    @field_validator("loss", mode="before")
    @classmethod
    def _cross_entropy_by_default(cls, value: object) -> object:
        return {"name": "cross_entropy", **value} if isinstance(value, dict) else value


class Test(Section):
    """How a checkpoint is evaluated."""

    batch_size: int = Field(ge=1, description="clips a step; changes no result")
    frames: int | None = Field(default=None, ge=3, le=10_000, description="of a clip, if not as many as in training")
    clips: int = Field(default=1, ge=1, description="test clips of each clip, for the figures of best and last")
    average: Literal["probability", "score"] = Field(default="probability", description="over test clips")


class Published(Section):
    """A figure of a paper or repository, to compare with; never ours."""

    metric: Literal["top1", "mean_class", "two_stream", "four_stream"] = Field(
        description="two_stream and four_stream: of this benchmark's joint and bone (and motion) numbers, fused"
    )
    value: float
    source: str
    note: str = ""


class Config(Section):
    """One experiment, resolved."""

    number: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="names the experiment and its runs")
    data: Data
    input: Input
    model: Model
    train: Train
    test: Test
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        stacks = self.input.streams.isupper()
        if stacks and "score" in self.data.channel_names:
            raise ValueError("input.streams: J, V and B need x, y, z; data with a score take j, b, jm, bm")
        if stacks != (self.model.name == "EfficientGCN"):
            wanted = "letters of JVB" if not stacks else "j, b, jm or bm"
            raise ValueError(f"input.streams: {self.model.name} takes {wanted}, got '{self.input.streams}'")
        return self

    @model_validator(mode="after")
    def _does_something(self) -> "Config":
        seen = self.input
        if self.test.clips > 1 and seen.sampling.name in ("first", "loop"):
            raise ValueError(f"test.clips: sampling {seen.sampling.name} gives {self.test.clips} equal clips; take 1")
        if seen.person_padding == "loop" and self.data.variant == "pose-normalized":
            raise ValueError("input.person_padding: variant pose-normalized fills absent persons itself; take zero")
        return self

    @property
    def title(self) -> str:
        """`2001_EfficientGCN-B0_ntu-xsub`: what runs of this experiment are called."""
        return f"{self.number}_{self.model.title}_{self.data.label}"

    def frames(self, *, trains: bool) -> int:
        """Return how many frames of a clip are seen, in training or in evaluation."""
        return self.input.frames if trains else self.test.frames or self.input.frames

    def to_yaml(self) -> str:
        """Return the resolved configuration; it loads again to an equal one."""
        return yaml.safe_dump(json.loads(self.model_dump_json()), sort_keys=False, allow_unicode=True)


class Local(Section):
    """`configs/local.yaml`: paths of this machine, not tracked."""

    ntu60_path: str | None = Field(default=None, description="folder with the .skeleton files S001-S017")
    ntu120_path: str | None = Field(default=None, description="folder with the .skeleton files S018-S032")
    store: str | None = Field(default=None, description="folder of the parts; default data/npy_dataset")
    raw: dict[str, str] = Field(default_factory=dict, description="by part: file or folder of its raw data")
    work_dir: str | None = Field(default=None, description="folder of the runs; default workdir")
