"""Typed, closed, frozen configuration: yaml in, one `Config` out, or one line that says what is wrong.

What changes a result lives in the numbered yaml; what belongs to a machine lives in `configs/local.yaml` (`Local`).
Later sections override earlier ones: base (`extends:`), the numbered file, `--set`.
"""

import difflib
import json
import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeGuard, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "configs"
TAGS = ("name", "form")  # keys that choose among sections: another choice replaces all of its keys
STREAM_LETTERS = "JVB"  # joint, velocity, bone: the order in which streams are stacked, however they are spelled


class ConfigError(ValueError):
    """A configuration that cannot be used: file, key, what is wrong, what is allowed."""


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


def load(experiment: str, overrides: Sequence[str] = ()) -> Config:
    """Return experiment `experiment` (a number, or a path to a yaml) with `--set key=value` overrides.

    Raises `ConfigError` with file and key on anything unknown, missing, mistyped or out of range.
    """
    path = find(experiment)
    raw = _with_base(path)
    changes: dict[str, Any] = {}
    for override in overrides:
        changes = _merge(changes, _parse_override(override))
    raw = _merge(raw, changes)
    raw.setdefault("number", path.stem)
    return _validate(Config, raw, _shown(path))


def load_local() -> Local:
    """Return the settings of this machine; all defaults if there are none."""
    path = FOLDER / "local.yaml"
    return _validate(Local, _read(path, empty={}), _shown(path)) if path.exists() else Local()


def store_folder(option: Path | None = None) -> Path:
    """Return where the parts are: --store > GESTA_STORE > configs/local.yaml > data/npy_dataset."""
    return option or _path(os.environ.get("GESTA_STORE")) or _path(load_local().store) or ROOT / "data/npy_dataset"


def work_folder(option: Path | None = None) -> Path:
    """Return where the runs are: -w > configs/local.yaml > workdir."""
    return option or _path(load_local().work_dir) or ROOT / "workdir"


def raw_folders(part: str, options: Sequence[Path] = ()) -> list[Path]:
    """Return where a part's raw files are: --raw > GESTA_RAW > configs/local.yaml; none if nothing says so."""
    if options:
        return list(options)
    key = f"{part}_path"
    if key not in Local.model_fields:  # the demo's folder is its own: settings for real data do not mean it
        return []
    stated = [each for each in os.environ.get("GESTA_RAW", "").split(os.pathsep) if each]
    local = getattr(load_local(), key)
    return [Path(each).expanduser() for each in stated or ([local] if local else [])]


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def numbers() -> list[str]:
    """Return the numbers of all experiments, in order."""
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.yaml"))


def find(experiment: str) -> Path:
    """Return the file of an experiment."""
    if experiment.endswith((".yaml", ".yml")):
        path = Path(experiment)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; -c takes a number or the path of a yaml")
        return path
    if experiment in numbers():
        return FOLDER / f"{experiment}.yaml"
    near = difflib.get_close_matches(experiment, numbers(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"-c {experiment}: no such experiment; {hint}`python main.py -l` lists all")


def _with_base(path: Path) -> dict[str, Any]:
    raw = _read(path)
    base = raw.pop("extends", None)
    if base is None:
        return raw
    base_path = (path.parent / str(base)) if (path.parent / str(base)).is_file() else FOLDER / str(base)
    if not base_path.is_file():
        raise ConfigError(f"{_shown(path)}: extends '{base}', but there is no such file beside it or in configs/")
    base_raw = _read(base_path)
    if "extends" in base_raw:
        raise ConfigError(f"{_shown(base_path)}: a base cannot extend another one")
    return _merge(base_raw, raw)


def _merge(base: dict[str, Any], child: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge, all else replaces; a mapping that names another choice replaces the whole choice."""
    merged = dict(base)
    for key, value in child.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if _same_choice(old, value) else value
    return merged


def _same_choice(old: Any, new: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether both are mappings, and `new` does not name another choice than `old`."""
    if not isinstance(old, dict) or not isinstance(new, Mapping):
        return False
    return all(tag not in old or new.get(tag, old[tag]) == old[tag] for tag in TAGS)


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected KEY=VALUE, such as train.epochs=10")
    try:
        tree: Any = yaml.load(value, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not yaml ({_first_line(error)})") from error
    for name in reversed(key.split(".")):
        tree = {name: tree}
    return dict(tree)


class _Loader(yaml.SafeLoader):
    """Safe yaml that refuses a key given twice, where yaml silently keeps the last."""


def _unique_mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key, deep=deep) for key, _ in node.value]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"key '{twice[0]}' is given twice", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def _read(path: Path, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the mapping in a yaml; `empty` where it holds nothing but comments."""
    try:
        raw = yaml.load(path.read_bytes(), _Loader)  # bytes: yaml says what is wrong with them
    except OSError as error:
        raise ConfigError(f"{_shown(path)}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{_shown(path)}: {_first_line(error)}") from error
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{_shown(path)}: {error}") from error
    if raw is None and empty is not None:
        return empty
    if not isinstance(raw, dict):
        raise ConfigError(f"{_shown(path)}: expected keys and values")
    return raw


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    return f"{getattr(error, 'problem', None) or 'not yaml'}{where}"


def _validate(section: type[S], raw: dict[str, Any], where: str) -> S:
    try:
        text = json.dumps(raw, default=str)  # as JSON, a list may be a tuple, and values are still strict
    except (TypeError, ValueError) as error:  # a date as a key; a mapping that holds itself
        raise ConfigError(f"{where}: {error}") from error
    try:
        return section.model_validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}: {_explain(section, problems[0])}{more}") from None


def _explain(section: type[Section], problem: Any) -> str:
    """Say one of pydantic's errors in our words: the dotted key, what is wrong, what is allowed."""
    keys, sections = _walk(section, problem["loc"])
    key, found = ".".join(keys), problem.get("input")
    if problem["type"] == "extra_forbidden":
        return _unknown_key(key, {name for each in sections for name in each.model_fields})
    if problem["type"] in ("missing", "union_tag_not_found"):
        return f"missing key '{key if problem['type'] == 'missing' else key + '.name'}'"
    if problem["type"] == "union_tag_invalid":
        return f"'{key}.name' must be one of {problem['ctx']['expected_tags']}, got '{problem['ctx']['tag']}'"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if problem["type"] == "value_error":
        return f"{key}: {message}" if key else message
    hint = " (yaml reads 1e-4 as text: write 1.0e-4)" if _is_number_as_text(found) else ""
    return f"'{key}' {message}, got {found!r}{hint}"


def _walk(section: type[Section], loc: Sequence[int | str]) -> tuple[list[str], list[type[Section]]]:
    """Follow an error's location; return the keys a user wrote, and the sections that could hold the last one."""
    keys: list[str] = []
    sections = here = [section]
    for place in loc:
        field = next((each.model_fields[place] for each in here if place in each.model_fields), None)
        tagged = [each for each in here if any(place in get_args(_annotation(each, tag)) for tag in TAGS)]
        sections = tagged or here
        here = tagged if tagged else _sections_in(field.annotation) if field else here
        if not tagged:
            keys.append(str(place))
    return keys, sections


def _annotation(section: type[Section], name: str) -> Any:
    return section.model_fields[name].annotation if name in section.model_fields else None


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for inner in get_args(annotation) for section in _sections_in(inner)]


def _unknown_key(key: str, known: set[str]) -> str:
    *_, last = key.split(".")
    if last in Local.model_fields:
        return f"'{key}' is a path of this machine; write it to configs/local.yaml, which is not tracked"
    near = difflib.get_close_matches(last, sorted(known), n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"unknown key '{key}'; {hint}"


def _is_number_as_text(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def _shown(path: Path) -> str:
    """Return a path as a user would type it from the repository's root."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
