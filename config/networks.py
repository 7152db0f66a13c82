"""Networks: one section each. A new network is a member of `Model`, with the keys that its class takes."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from config.section import Growth, Hops, Positive, Section

Graph = Literal["spatial", "stgcn_spatial", "spatial_full", "uniform", "distance"]
Initial = Annotated[
    Literal["torch", "stgcn", "mmaction2"],
    Field(description="weights as PYSKL, the original ST-GCN or mmaction2 0.x draws them"),
]


class Network(Section):
    """What every network's section has."""

    name: str
    graph: str

    @property
    def title(self) -> str:
        """The name in tables, logs and run folders."""
        return self.name

    @property
    def label(self) -> str:
        """The name in a table of experiments."""
        return self.title

    def arguments(self) -> dict[str, Any]:
        """What the network's class takes from its section."""
        return {key: value for key, value in self if key not in ("name", "graph")}


class EfficientGCN(Network):
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
    graph: Literal["hop"] = Field(default="hop", description="adjacency by hop distance")

    @property
    def title(self) -> str:
        """The name in tables, logs and run folders."""
        return f"{self.name}-{self.size}"

    @property
    def label(self) -> str:
        """The name in a table of experiments."""
        return f"{self.title} {self.layer}"

    @model_validator(mode="after")
    def _fits(self) -> "EfficientGCN":
        if self.kernel[0] % 2 == 0:
            raise ValueError(f"kernel must begin with an odd number of frames, got {self.kernel[0]}")
        if self.fusion_stage > len(self.blocks):
            raise ValueError(f"fusion_stage {self.fusion_stage} is beyond the {len(self.blocks)} blocks")
        return self


class STGCN(Network):
    """Yan et al. 2018 (ST-GCN; two of them: ST-GCN-2s), Duan et al. 2022 (ST-GCN++): one network with options."""

    name: Literal["ST-GCN", "ST-GCN++", "ST-GCN-2s"]
    graph: Graph = Field(description="how the adjacency is made of the layout")
    base_channels: int = Field(default=64, ge=1, description="of the first block")
    ratio: float = Field(default=2.0, gt=0, description="growth of the channels at a block that inflates")
    stages: int = Field(default=10, ge=1, description="blocks")
    inflate: tuple[Positive, ...] = Field(default=(5, 8), description="blocks that grow, from 1")
    down: tuple[Positive, ...] = Field(default=(5, 8), description="blocks that halve the frames, from 1")
    adaptive: Literal["init", "importance", "offset", "none"] = Field(description="what is learned of the adjacency")
    conv_pos: Literal["pre", "post"] = Field(default="pre", description="channels are mixed before or after joints")
    gcn_residual: bool = Field(description="around the graph unit, too")
    temporal: Literal["unit", "multiscale"] = Field(description="one window of 9 frames, or six branches")
    temporal_dropout: float = Field(default=0.0, ge=0, lt=1, description="behind temporal units but the first")
    data_bn: Literal["VC", "MVC", "none"] = Field(default="VC", description="what the input is normalised over")
    initial: Initial = "torch"
    drop_prob: float = Field(default=0.0, ge=0, lt=1, description="before the classifier")


class MBSTGCN(Network):
    """ByeByeChen's multi-branch ST-GCN: six branches in time, weighted channels, a noisy graph."""

    name: Literal["MB-ST-GCN"]
    graph: Graph = Field(default="stgcn_spatial", description="how the adjacency is made of the layout")
    base_channels: int = Field(default=64, ge=6, description="of the first block; six branches share them")
    noise_mean: float = Field(default=0.05, description="of what is added to the adjacency, once")
    noise_std: float = Field(default=0.2, ge=0, description="its standard deviation")
    noise_seed: int = Field(default=0, ge=0, description="decides it, whatever the seed of the run")
    initial: Initial = "stgcn"
    drop_prob: float = Field(default=0.0, ge=0, lt=1, description="before the classifier")


class AAGCN(Network):
    """Shi et al. 2020 (2s-AGCN with attention), in PYSKL's form; without attention its AGCN."""

    name: Literal["AAGCN"]
    graph: Graph = Field(default="spatial", description="how the adjacency is made of the layout")
    attention: bool = Field(default=True, description="over joints, frames and channels")
    base_channels: int = Field(default=64, ge=1, description="of the first block")
    drop_prob: float = Field(default=0.0, ge=0, lt=1, description="before the classifier")


class AGCN(Network):
    """Shi et al. 2019 (2s-AGCN), in the original's form, as BABEL uses it."""

    name: Literal["2s-AGCN"]
    graph: Graph = Field(default="spatial", description="how the adjacency is made of the layout")
    base_channels: int = Field(default=64, ge=1, description="of the first block")
    drop_prob: float = Field(default=0.0, ge=0, lt=1, description="before the classifier")


class CTRGCN(Network):
    """Chen et al. 2021 (CTR-GCN), in PYSKL's form or the official one."""

    name: Literal["CTR-GCN"]
    graph: Graph = Field(default="spatial", description="how the adjacency is made of the layout")
    contraction: Literal["pyskl", "official"] = Field(
        default="pyskl",
        description="of features with their graph: PYSKL's form, whose weights can be loaded, or the official code's",
    )
    base_channels: int = Field(default=64, ge=1, description="of the first block")
    drop_prob: float = Field(default=0.0, ge=0, lt=1, description="before the classifier")


Model = Annotated[EfficientGCN | STGCN | MBSTGCN | AAGCN | AGCN | CTRGCN, Field(discriminator="name")]
