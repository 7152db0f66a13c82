"""Configurations: typed, closed, and wrong ones said in one line with the remedy."""

import os
import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import yaml
from pydantic import TypeAdapter

import config
from config import ConfigError, load
from dataset.augment import AUGMENTATIONS
from dataset.graphs import GRAPH_MODES
from dataset.layouts import layout_names
from dataset.loader import PersonPadding
from dataset.sampling import SAMPLERS
from dataset.splits import benchmark_names, load_benchmark
from dataset.streams import STREAMS
from dataset.variants import VARIANTS
from generator.places import RAW_FOLDERS
from loss import LOSSES
from model import MODELS
from model.attention import ATTENTIONS
from model.layers import ACTIVATIONS
from model.temporal import TEMPORAL_LAYERS
from reader import READERS
from reader.ntu import PARTS
from scheduler import SCHEDULES

PAPER = [str(number) for number in range(2001, 2025)]
BENCHMARKS = ["ntu-xsub", "ntu-xview", "ntu-xsub120", "ntu-xset120"]
SMALL = """\
extends: base/efficientgcn.yaml
data: {parts: [ntu60], benchmark: ntu-xsub}
model: {size: B0}
"""


@pytest.fixture
def write(tmp_path):
    """Writes an experiment and returns its path, as -c takes it."""

    def write(text, name="9001.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def message(experiment, *overrides):
    """Return what loading says, which must be one line."""
    with pytest.raises(ConfigError) as caught:
        load(experiment, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the numbers


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("{share: 1.5}", "'data.split.share' must be less than or equal to 1, got 1.5"),
        ("{blocks: 1}", "'data.split.blocks' must be greater than or equal to 2, got 1"),
        ("{gap: 3}", "missing key 'data.split.blocks'"),
        ("{column: part}", "missing key 'data.split.train'"),
        ("{blok: 8}", "unknown key 'data.split.blok'; known keys: group, seed, share"),
        ("5", "'data.split' must be an object, got 5"),
    ],
)
def test_a_split_is_judged_by_the_kind_that_its_keys_mean(split, message):
    with pytest.raises(ConfigError) as error:
        load("1006", [f"data.split={split}"])
    assert str(error.value) == f"configs/1006.yaml: {message}"


def test_every_number_of_the_plan_is_there():
    first = {
        1001: 6,
        1011: 2,
        1021: 4,
        4001: 4,
        1101: 32,
        3001: 32,
        3041: 1,
        4011: 4,
        5001: 4,
        6001: 1,
        6011: 4,
        6021: 4,
        6101: 1,
        6111: 4,
    }
    plan = [str(number) for start, count in first.items() for number in range(start, start + count)]
    ours = [number for number in config.numbers() if number < "9000"]  # those are the users'
    assert ours == sorted(["0001", *PAPER, *plan])


@pytest.mark.parametrize("number", config.numbers())
def test_every_number_loads_and_its_yaml_loads_to_the_same(write, number):
    experiment = load(number)
    assert experiment.number == number
    assert load(write(experiment.to_yaml(), "resolved.yaml")) == experiment


@pytest.mark.parametrize("number", PAPER)
def test_a_number_says_layer_size_and_benchmark(number):
    """2001 + 12 * (layer is Sep) + 4 * size + benchmark; settings of section 3 of the fact sheet."""
    place = int(number) - 2001
    layer, size, benchmark = ["SG", "Sep"][place // 12], ["B0", "B2", "B4"][place // 4 % 3], BENCHMARKS[place % 4]
    found = load(number)
    assert (found.model.layer, found.model.size, found.data.benchmark) == (layer, size, benchmark)
    assert (found.model.expand_ratio, found.model.reduct_ratio) == {"SG": (0, 2), "Sep": (2, 4)}[layer]
    assert found.data.parts == (("ntu60", "ntu120") if benchmark.endswith("120") else ("ntu60",))
    assert found.data.variant == ("transformed" if benchmark == "ntu-xview" else "original")
    batches = (16, 16) if place < 12 else (32, 32) if place < 20 else (16, 32)
    assert (found.train.batch_size, found.test.batch_size) == batches
    assert found.title == f"{number}_EfficientGCN-{size}_{benchmark}"


@pytest.mark.parametrize("number", PAPER)
def test_everything_else_is_as_the_authors_train(number):
    found = load(number)
    assert found.input == config.Input(streams="JVB", frames=288)
    assert found.train.epochs == 70
    assert found.train.seed == 1
    assert found.train.optimizer == config.Sgd(name="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    assert found.train.schedule == config.Cosine(name="cosine", warmup_epochs=10)
    assert (found.train.accumulate, found.train.clip_norm, found.train.loss.name) == (1, None, "cross_entropy")
    model = found.model
    assert (model.attention, model.activation, model.stem_channels, model.fusion_stage) == ("stja", "swish", 64, 2)
    assert model.blocks == ((48, 1, 0.5), (24, 1, 0.5), (64, 2, 1), (128, 2, 1))
    assert (model.kernel, model.scale, model.drop_prob) == ((5, 2), (1.2, 1.35), 0.25)
    assert (model.bias, model.learn_edges, model.residual) == (True, True, True)
    assert found.data.validation is None


def test_published_figures_are_those_of_the_fact_sheet(shared):
    text = (shared / "facts/efficientgcn.md").read_text()
    rows = re.findall(
        r"^\| (?:SG|EpSep) B\d \((\d+)-\d+\) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.M
    )
    expected = {str(int(first) + n): float(value) for first, *values in rows for n, value in enumerate(values)}
    assert len(expected) == 24
    assert {number: load(number).published[0].value for number in PAPER} == expected


def test_the_demo_has_no_published_figure_and_data_of_its_own():
    demo = load("0001")
    assert demo.published == ()
    assert (demo.data.parts, demo.data.benchmark) == (("demo",), "demo-xsub")


@pytest.mark.parametrize("number", config.numbers())
def test_a_numbered_file_is_short_with_a_header_that_names_its_figure(number):
    lines = (config.FOLDER / f"{number}.yaml").read_text().splitlines()
    assert 4 <= len(lines) <= 10
    assert lines[0].startswith("# ")
    for figure in load(number).published:
        assert f"{figure.value}" in lines[0]


# --- the same list said twice


def choices(section, field):
    """Return the values that a field's Literal allows."""
    return literals(section.model_fields[field].annotation)


def literals(annotation):
    """Return the values of all Literals in an annotation."""

    inner = get_args(annotation)
    return list(inner) if get_origin(annotation) is Literal else [value for each in inner for value in literals(each)]


def names(section, field, tag="name"):
    """Return the names of the members of a union."""
    members = config.errors._sections_in(section.model_fields[field].annotation)
    return [name for member in members for name in choices(member, tag)]


@pytest.mark.parametrize(
    ("said", "table"),
    [
        (names(config.Config, "data", "form"), READERS),
        (choices(config.NtuData, "parts"), PARTS),
        (choices(config.DataSection, "benchmark"), benchmark_names()),
        (choices(config.DataSection, "variant"), VARIANTS),
        ([*config.STREAM_LETTERS, *config.CHANNEL_STREAMS], STREAMS),
        (names(config.Config, "model"), MODELS),
        (names(config.Input, "sampling"), SAMPLERS),
        (literals(config.networks.Graph), GRAPH_MODES.keys() - {"hop"}),
        (choices(config.EfficientGCN, "layer"), TEMPORAL_LAYERS),
        (choices(config.EfficientGCN, "attention"), ATTENTIONS),
        (choices(config.EfficientGCN, "activation"), ACTIVATIONS),
        (names(config.Train, "loss"), LOSSES),
        (names(config.Train, "schedule"), SCHEDULES),
        (names(config.Input, "augment"), AUGMENTATIONS),
        (choices(config.Input, "person_padding"), literals(PersonPadding)),
    ],
)
def test_choices_and_tables_say_the_same(said, table):
    assert sorted(said) == sorted(table)


def test_layouts_and_graphs_that_configurations_name_exist():
    assert load("2001").data.layout in layout_names()
    assert set(literals(config.data.NtuLayout)) <= set(layout_names())
    assert load("2001").model.graph in GRAPH_MODES


def test_the_parts_that_numbers_read_have_a_default_place():
    parts = {part for number in config.numbers() for part in load(number).data.parts}
    assert parts <= set(RAW_FOLDERS)


def test_every_experiment_has_a_head_for_its_classes():
    assert {number: len(load_benchmark(load(number).data.benchmark).classes) for number in ("0001", "2001", "2003")} == {
        "0001": 12, "2001": 60, "2003": 120
    }  # fmt: skip


def test_machine_keys_are_no_experiment_keys():
    fields = set()

    def collect(section):
        for name, field in section.model_fields.items():
            fields.add(name)
            for inner in config.errors._sections_in(field.annotation):
                collect(inner)

    collect(config.Config)
    assert not fields & set(config.Local.model_fields)


# --- wrong files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modle: {size: B0}", "unknown key 'modle'; did you mean 'model'?"),
        ("model: {size: B0, layr: SG}", "unknown key 'model.layr'; did you mean 'layer'?"),
        ("train: {optimizer: {name: SGD, lr: 0.1, moment: 0.9}}", "unknown key 'train.optimizer.moment'; did you mean 'momentum'?"),
        ("input: {augment: [{name: rotate, degrees: 5, axis: y}]}", "unknown key 'input.augment.0.axis'; known keys: degrees, name"),
        ("test: {batch_size: 2, zzz: 1}", "unknown key 'test.zzz'; known keys: average, batch_size, clips"),
        ("ntu60_path: /data", "'ntu60_path' is a path of this machine; write it to configs/local.yaml, which is not tracked"),
        ("data: {store: /data}", "'data.store' is a path of this machine; write it to configs/local.yaml"),
        ("train: {epochs: '3'}", "'train.epochs' must be a valid integer, got '3'"),
        ("train: {epochs: 3.5}", "'train.epochs' must be a valid integer, got 3.5"),
        ("train: {epochs: true}", "'train.epochs' must be a valid integer, got True"),
        ("train: {epochs: 0}", "'train.epochs' must be greater than or equal to 1, got 0"),
        ("model: {bias: 1}", "'model.bias' must be a valid boolean, got 1"),
        ("model: {bias: 'yes'}", "'model.bias' must be a valid boolean, got 'yes'"),
        ("model: {drop_prob: 1}", "'model.drop_prob' must be less than 1, got 1"),
        ("train: {optimizer: {lr: 1e-4}}", "'train.optimizer.lr' must be a valid number, got '1e-4' (yaml reads 1e-4 as text: write 1.0e-4)"),
        ("train: {optimizer: {lr: .inf}}", "'train.optimizer.lr' must be a finite number, got inf"),
        ("train: {optimizer: {lr: .nan}}", "'train.optimizer.lr' must be a finite number, got nan"),
        ("train: {optimizer: {name: sgd, lr: 0.1}}", "'train.optimizer.name' must be one of 'SGD', 'Adam', 'AdamW', got 'sgd'"),
        ("train: {optimizer: {name: AdamW}}", "missing key 'train.optimizer.lr'"),
        ("train: {loss: {name: weighted_cross_entropy, weights: [0, 0.0]}}", "train.loss.weights: all weights are 0, so that nothing would be learnt; give one above 0"),
        ("train: {loss: {name: weighted_cross_entropy, weights: [0, -1]}}", "'train.loss.weights.1' must be greater than or equal to 0, got -1"),
        ("model: {layer: EpSep}", "'model.layer' must be 'Basic', 'Bottleneck', 'Sep' or 'SG', got 'EpSep'"),
        ("model: {size: 0}", "'model.size' must be a valid string, got 0"),
        ("model: {size: BX}", "'model.size'"),
        ("data: {benchmark: ntu-xsub60}", "'data.benchmark' must be 'ntu-xsub', 'ntu-xview', 'ntu-xsub120', 'ntu-xset120', 'demo-xsub', "),
        ("data: {parts: [ntu]}", "'data.parts.0' must be 'ntu60', 'ntu120' or 'demo', got 'ntu'"),
        ("data: {parts: []}", "'data.parts'"),
        ("model: {kernel: [4, 2]}", "model: kernel must begin with an odd number of frames, got 4"),
        ("model: {kernel: [5]}", "missing key 'model.kernel.1'"),
        ("model: {fusion_stage: 5}", "model: fusion_stage 5 is beyond the 4 blocks"),
        ("input: {streams: JX}", "input.streams: streams must be different letters of JVB, or different ones of j, b, jm, bm joined by +, got 'JX'"),
        ("input: {streams: JJ}", "input.streams: streams must be different letters of JVB, or different ones of j, b, jm, bm joined by +, got 'JJ'"),
        ("input: {streams: ''}", "input.streams: streams must be different letters of JVB, or different ones of j, b, jm, bm joined by +, got ''"),
        ("input: {frames: 2}", "'input.frames' must be greater than or equal to 3, got 2"),
        ("input: {augment: [{name: drop_parts, probability: 0.1}, {name: noise, sigma: 0.1}, {name: drop_joints, probability: 0.1}]}", "input.augment: what is dropped would come back: order them noise, drop_parts, drop_joints"),
        ("input: {persons: 1, person_padding: loop}", "input: person_padding loop has nothing to fill with persons 1; leave it out"),
        ("input: {person_padding: copy}", "'input.person_padding' must be 'zero' or 'loop', got 'copy'"),
        ("input: {sampling: {name: uniform, ratio: [0.9, 0.1]}}", "input.sampling.ratio: the smaller share comes first, got [0.9, 0.1]"),
        ("input: {sampling: {name: spread, crop: [1, 0.5]}}", "input.sampling.crop: the smaller share comes first, got [1.0, 0.5]"),
        ("test: {clips: 10}", "test.clips: sampling first gives 10 equal clips; take 1"),
        ("{test: {clips: 2}, input: {sampling: {name: loop}}}", "test.clips: sampling loop gives 2 equal clips; take 1"),
        ("model: B0", "'model' must be an object, got 'B0'"),
        ("model: null", "'model' must be an object, got None"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_file_and_key(write, text, expected):
    changed = yaml.safe_load(text)
    merged = config.loading._merge(yaml.safe_load(SMALL), changed)
    found = message(write(yaml.safe_dump(merged)))
    assert f"9001.yaml: {expected}" in found


@pytest.mark.parametrize(
    ("variant", "channels", "wanted"),
    [
        ("prenormalized-2d", "xyz", "xys or xy"),
        ("prenormalized-2d-0.3", "xy", "xys"),
        ("prenormalized", "xys", "xyz"),
        ("transformed", "xy", "xyz"),
        ("pose-normalized", "xy", "xys"),
    ],
)
def test_a_variant_that_needs_other_channels_is_refused(variant, channels, wanted):
    own = f"data={{form: own, parts: [mine], layout: coco-17, channels: {channels}, variant: {variant}}}"
    assert f"variant {variant} needs channels {wanted}, not {' '.join(channels)[:3]}" in message("3005", own)


def test_padding_that_a_variant_has_filled_is_refused():
    said = message("3005", "data.variant=pose-normalized", "input.person_padding=loop")
    assert "input.person_padding: variant pose-normalized fills absent persons itself; take zero" in said


def test_drops_may_come_last_in_any_order():
    drops = [f"{{name: drop_{what}, probability: 0.1}}" for what in ("parts", "joints")]
    for first, second in (drops, reversed(drops)):
        found = load("2001", [f"input.augment=[{{name: shift, distance: 1}}, {first}, {second}]"])
        assert len(found.input.augment) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: base/efficientgcn.yaml\nmodel: {size: B0}\n", "9001.yaml: missing key 'data.parts' (and 1 more)"),
        ("extends: base/efficientgcn.yaml\nmodel: {size: B0}\ndata: {parts: [ntu60]}\n", "missing key 'data.benchmark'"),
        (SMALL + "model: {size: B2}\n", "9001.yaml: key 'model' is given twice, line "),
        (SMALL.replace("size: B0", "size: B0, size: B2"), "key 'size' is given twice"),
        ("extends: base/nothing.yaml\n", "extends 'base/nothing.yaml', but there is no such file beside it or in configs/"),
        ("extends: 2001.yaml\n", "2001.yaml: a base cannot extend another one"),
        ("", "9001.yaml: expected keys and values"),
        ("- 1\n", "9001.yaml: expected keys and values"),
        ("model: {size: B0\n", "9001.yaml: "),
        ("model: *nobody\n", "9001.yaml: "),
        ("model: !!python/object:os.system {}\n", "9001.yaml: could not determine a constructor"),
        (b"model: \xff\xfe\n", "9001.yaml: "),
        ("model: " + "[" * 5000, "9001.yaml: maximum recursion depth exceeded"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named(write, text, expected):
    found = message(write(text))
    assert "9001.yaml: " in found or "2001.yaml: " in found
    assert expected in found


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("2025", "-c 2025: no such experiment; did you mean "),
        ("two thousand", "-c two thousand: no such experiment; `python main.py -l` lists all"),
        ("", "-c : no such experiment"),
        ("../2001", "no such experiment"),
        ("nowhere/a.yaml", "nowhere/a.yaml: no such file; -c takes a number or the path of a yaml"),
    ],
)
def test_a_wrong_number_is_named(experiment, expected):
    assert expected in message(experiment)


# --- merging


def test_a_base_may_lie_beside_the_file(write):
    write(SMALL.replace("extends: base/efficientgcn.yaml\n", "").replace("B0", "B4"), "mine.yaml")
    assert "missing key" in message(write("extends: mine.yaml\n"))
    base = load("2001").to_yaml().replace("size: B0", "size: B4").replace("number: '2001'\n", "")
    write(base, "mine.yaml")
    found = load(write("extends: mine.yaml\ntrain: {epochs: 3}\n"))
    assert (found.model.size, found.train.epochs, found.train.batch_size, found.number) == ("B4", 3, 16, "9001")


def test_mappings_merge_and_lists_replace(write):
    found = load(write(SMALL.replace("{size: B0}", "{size: B0, blocks: [[8, 1, 1], [8, 1, 1]]}")))
    assert found.model.blocks == ((8, 1, 1), (8, 1, 1))
    assert found.model.attention == "stja"


def test_naming_another_choice_drops_what_belonged_to_the_old_one(write):
    text = (
        SMALL
        + "train: {optimizer: {name: Adam, lr: 0.001}, schedule: {name: step, warmup_epochs: 1, milestones: [2]}}\n"
    )
    found = load(write(text)).train
    assert found.optimizer == config.Adam(name="Adam", lr=0.001)  # no momentum of SGD
    assert found.schedule == config.Step(name="step", warmup_epochs=1, milestones=(2,))


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.epochs=3", "train.epochs", 3),
        ("train.optimizer.lr=0.05", "train.optimizer.lr", 0.05),
        ("train.optimizer.lr=1.0e-4", "train.optimizer.lr", 1e-4),
        ("train.clip_norm=null", "train.clip_norm", None),
        ("train.clip_norm=2", "train.clip_norm", 2),
        ("model.learn_edges=false", "model.learn_edges", False),
        ("model.layer=Sep", "model.layer", "Sep"),
        ("input.streams=BJ", "input.streams", "JB"),
        ("input.streams=VBJ", "input.streams", "JVB"),
        ("data.validation={column: subject, values: [1, 2]}", "data.validation.values", (1, 2)),
        ("model.kernel=[9, 1]", "model.kernel", (9, 1)),
        ("test={batch_size: 4}", "test.batch_size", 4),
    ],
)
def test_set_changes_any_key(override, key, value):
    found = load("2001", [override])
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value


def test_of_two_settings_of_a_key_the_later_counts():
    assert load("2001", ["train.epochs=3", "train.epochs=4"]).train.epochs == 4


@pytest.mark.parametrize("order", [1, -1])
def test_another_choice_and_its_settings_may_come_in_any_order(order):
    overrides = ["train.optimizer.name=AdamW", "train.optimizer.lr=0.001"][::order]
    assert load("2001", overrides).train.optimizer == config.Adam(name="AdamW", lr=0.001)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs", "--set train.epochs: expected KEY=VALUE, such as train.epochs=10"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("train.epochs=", "2001.yaml: 'train.epochs' must be a valid integer, got None"),
        ("train.epochs=many", "'train.epochs' must be a valid integer, got 'many'"),
        ("train.epoch=3", "unknown key 'train.epoch'; did you mean 'epochs'?"),
        ("epochs=3", "unknown key 'epochs'"),
        ("train.optimizer.lr=1e-4", "write 1.0e-4"),
        ("train.optimizer.name=Adam", "missing key 'train.optimizer.lr'"),
        ("train.epochs=[3", "--set train.epochs=[3: the value is not yaml ("),
        ("train.epochs=" + "[" * 5000, "the value is not yaml ("),
        ("train.epochs.more=3", "'train.epochs' must be a valid integer, got {'more': 3}"),
        ("store=/data", "'store' is a path of this machine"),
    ],
)
def test_a_wrong_setting_is_named(override, expected):
    assert expected in message("2001", override)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load("2001").train.epochs = 3


def test_values_are_not_coerced():
    with pytest.raises(ValueError, match="valid integer"):
        TypeAdapter(config.Test).validate_json('{"batch_size": "4"}')


# --- this machine


@pytest.fixture
def local(tmp_path, monkeypatch):
    """Writes configs/local.yaml of another configs folder; the environment says nothing."""
    for name in ("GESTA_RAW", "GESTA_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config.loading, "FOLDER", tmp_path)
    return lambda text: (tmp_path / "local.yaml").write_text(text)


@pytest.mark.usefixtures("local")
def test_without_any_word_the_folders_are_the_defaults():
    assert config.store_folder() == config.ROOT / "data/npy_dataset"
    assert config.work_folder() == config.ROOT / "workdir"
    assert config.raw_folders("ntu60") == []


def test_the_store_is_option_then_environment_then_local_then_default(local, monkeypatch):
    local("store: /local\n")
    assert config.store_folder() == Path("/local")
    monkeypatch.setenv("GESTA_STORE", "/environment")
    assert config.store_folder() == Path("/environment")
    assert config.store_folder(Path("/option")) == Path("/option")
    monkeypatch.setenv("GESTA_STORE", "")
    assert config.store_folder() == Path("/local")


def test_raw_folders_are_options_then_environment_then_local(local, monkeypatch):
    local("ntu60_path: /local60\nntu120_path: /local120\n")
    assert config.raw_folders("ntu60") == [Path("/local60")]
    assert config.raw_folders("ntu120") == [Path("/local120")]
    assert config.raw_folders("demo") == []
    monkeypatch.setenv("GESTA_RAW", os.pathsep.join(["/a", "/b", ""]))
    assert config.raw_folders("ntu60") == [Path("/a"), Path("/b")]
    assert config.raw_folders("demo") == []  # settings for real data do not mean the demo
    assert config.raw_folders("ntu60", [Path("/option")]) == [Path("/option")]


def test_the_work_folder_is_option_then_local(local):
    local("work_dir: /local\n")
    assert config.work_folder() == Path("/local")
    assert config.work_folder(Path("/option")) == Path("/option")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ntu60: /data\n", r"local.yaml: unknown key 'ntu60'; did you mean 'ntu60_path'\?"),
        ("store: 3\n", "local.yaml: 'store' must be a valid string, got 3"),
        ("store: /a\nstore: /b\n", "local.yaml: key 'store' is given twice, line "),
    ],
)
def test_wrong_settings_of_the_machine_are_named(local, text, expected):
    local(text)
    with pytest.raises(ConfigError, match=expected):
        config.load_local()


def test_a_numbered_file_and_the_machines_settings_are_told_apart(local, tmp_path):
    (tmp_path / "9001.yaml").write_text("extends: nothing.yaml\n")
    local("store: /local\n")
    assert config.numbers() == ["9001"]
