"""The arrows of the house: who may import whom, and that our modules are the ones imported."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# room -> rooms it may import; tools and benchmarks may import any, and nobody imports them.
FREE = ("tools", "benchmarks")
ALLOWED = {
    "config": set(),
    "loss": set(),
    "model": set(),
    "scheduler": set(),
    "utils": set(),
    "dataset": {"utils"},
    "reader": {"utils"},
    "processor": {"utils"},
    "generator": {"config", "dataset", "reader", "utils"},
    "initializer": {"config", "dataset", "loss", "model", "scheduler", "utils"},
    "exporter": {"config", "dataset", "initializer", "model", "processor", "utils"},
    "predictor": {"config", "dataset", "generator", "initializer", "processor", "reader", "utils"},
    "visualizer": {"config", "dataset", "initializer", "model", "processor", "utils"},
    "arguments": {"utils"},
    "main": {
        "arguments",
        "config",
        "exporter",
        "generator",
        "initializer",
        "predictor",
        "processor",
        "utils",
        "visualizer",
    },
}


def files_of(room):
    return [*ROOT.glob(f"{room}.py"), *ROOT.glob(f"{room}/**/*.py")]


def imports_of(path):
    """Return the dotted names that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    return found


def rooms_imported(path):
    return {name.split(".")[0] for name in imports_of(path)} & {*ALLOWED, *FREE}


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_follow_the_arrows(room):
    assert files_of(room)
    for path in files_of(room):
        assert rooms_imported(path) <= ALLOWED[room] | {room}, path


def test_every_module_at_the_root_has_its_arrows():
    rooms = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms <= ALLOWED.keys() | {*FREE}


@pytest.mark.parametrize("room", [*ALLOWED, *FREE])
def test_our_modules_are_the_ones_imported(room):
    spec = importlib.util.find_spec(room)
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations)
    assert all(Path(place).is_relative_to(ROOT) for place in places)


def test_no_circles_between_modules():
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
               for room in [*ALLOWED, *FREE] for path in files_of(room)}  # fmt: skip
    arrows = {name: (imports_of(path) & modules.keys()) - {name} for name, path in modules.items()}
    done, open_ = set(), []

    def walk(name):
        assert name not in open_, " -> ".join([*open_, name])
        if name in done:
            return
        open_.append(name)
        for target in arrows[name]:
            walk(target)
        done.add(open_.pop())

    for name in arrows:
        walk(name)


@pytest.mark.parametrize("room", ["config", "generator", "main", "reader"])
def test_rooms_before_training_do_not_import_torch(room):
    """-h is instant and generation is small because of this."""
    seen, todo = set(), [room]
    while todo:
        name = todo.pop()
        seen.add(name)
        path = next(
            (
                p
                for p in (ROOT / f"{name.replace('.', '/')}.py", ROOT / name.replace(".", "/") / "__init__.py")
                if p.exists()
            ),
            None,
        )
        if path is None:
            continue
        top = {
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, (ast.Import, ast.ImportFrom))
        }
        names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in top if isinstance(node, ast.ImportFrom)}
        assert not any(each.split(".")[0] == "torch" for each in names), path
        todo += names - seen
