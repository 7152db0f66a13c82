"""The command line of `main.py`: its flags, and what goes with what."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from utils import launch
from utils.command_line import Parser
from utils.errors import UserError

USAGE = """Gesta: an experiment is a number.

python main.py -c 2001 -gd               raw skeleton files -> store
python main.py -c 2001                   train
python main.py -c 2001 -e [-pp FILE]     evaluate a checkpoint
python main.py -c 2001 -v [-pp FILE]     look at it: report.html and pictures
python main.py -c 2001 -ex [-pp FILE]    export it: ONNX and .pt2
python main.py -c 2001 -i FILE ...       classify raw files, or a live stream
python main.py -l                        list all experiments
"""
PRECISIONS = {"fp32": "float32", "tf32": "tf32", "bf16": "bfloat16"}
SCORED = ("eval", "train", "test")  # the splits of -e and -xf; not every data set has a test

Add = Callable[..., object]  # adds a flag to a group

# --- the flags. Defaults that a help text states are the code's: a test holds them equal, and this needs no torch.


def _add_actions(add: Add) -> None:
    add("-gd", "--generate_data", action="store_true", help="raw files -> store")
    evaluate = "a split (eval) with -pp, else with the newest run's best; without labels: scores only"
    add("-e", "--evaluate", nargs="?", const="eval", choices=SCORED, help=evaluate)
    resume = "go on with the newest (or named) unfinished run, bit-exactly"
    add("-r", "--resume", nargs="?", const="", metavar="RUN", help=resume)
    extract = "pooled features, logits, labels and names of a split (eval)"
    add("-xf", "--extract", nargs="?", const="eval", choices=SCORED, help=extract)
    export = "a checkpoint as .onnx and .pt2 with a json, in the place of Paddle's .pdmodel and .pdiparams"
    add("-ex", "--export", action="store_true", help=export)
    infer = "classify raw files and folders; - : pose frames from standard input"
    add("-i", "--infer", nargs="*", metavar="PATH", help=infer)
    visualize = "a report and pictures of the newest (or named) run, or of the file of -pp"
    add("-v", "--visualize", nargs="?", const="", metavar="RUN", help=visualize)
    add("-l", "--list", action="store_true", help="list all experiments")


def _add_generating(add: Add) -> None:
    add("--raw", nargs="+", type=Path, metavar="PATH", help="raw files, or folders of them (or GESTA_RAW)")
    add("-j", "--jobs", type=int, metavar="J", help="processes (all cores)")
    add("--force", action="store_true", help="replace what is there")
    add("--strict", action="store_true", help="exit 1 if any file was refused")
    add("--padded", action="store_true", help="write the padded arrays of older code, too")
    add("--from-padded", type=Path, metavar="FOLDER", help="read such arrays instead of raw files")
    add("--shard", metavar="I/N", help="the I-th of N shards only, on any machine")
    add("--merge", action="store_true", help="join the shards; no raw file is read")


def _add_running(add: Add) -> None:
    weights = "checkpoint: ours, .pth, .pth.tar, .pt, .pdparams; with -i .onnx, .pt2, too; in training: initial weights"
    add("-pp", "--pretrained_path", type=Path, metavar="FILE", help=weights)
    add("--init-head", action="store_true", help="with -pp: a new head where the classes differ")
    out = "scores (.npz, .json, .pkl: the field's) or features (.npz, .pkl) there, too; with -ex: the folder"
    add("--out", type=Path, metavar="FILE", help=out)
    add("--clips", nargs="+", metavar="NAME", help="with -xf: full feature maps of these clips, too")
    add("-s", "--seed", type=int, metavar="S", help="instead of train.seed")
    add("--precision", choices=PRECISIONS, help="instead of train.precision")
    add("--set", action="append", metavar="KEY=VALUE", help="any config key, repeatable: --set train.epochs=10")
    add("-db", "--debug", action="store_true", help="300 clips, 2 epochs, own folder")


def _add_exporting(add: Add) -> None:
    add("--save_name", metavar="NAME", help="of the files (the checkpoint's)")
    add("--quantize", choices=("fp16", "int8"), help="a smaller .onnx, too, if it says the same")


def _add_looking(add: Add) -> None:
    classes = "name, or number from 1, of the class that speaks in the pictures (each clip's true one)"
    add("-vc", "--visualization_class", metavar="CLASS", help=classes)
    clips = "names, or numbers from 0, of the clips that become pictures (the one most wrong)"
    add("-vs", "--visualization_sample", nargs="+", metavar="CLIP", help=clips)
    frames = "frames of these clips, from 0 (six of all)"
    add("-vf", "--visualization_frames", nargs="+", type=int, metavar="FRAME", help=frames)


def _add_inferring(add: Add) -> None:
    add("--topk", type=int, metavar="K", help="classes shown of a clip (5)")
    add("--json", type=Path, metavar="FILE", help="JSON lines there, too")
    add("--batch", type=int, metavar="B", help="clips at a time (16); changes no result")
    add("--cpu_threads", type=int, metavar="N", help="threads of the CPU")
    mapped = "the files' or frames' layout, where it is another: joints are mapped by meaning"
    add("--from-layout", metavar="NAME", help=mapped)


def _add_deciding(add: Add) -> None:
    add("--listen", metavar="HOST:PORT", help="pose frames from connections to this address")
    add("--window", type=int, metavar="T", help="frames that a decision rests on (as trained)")
    add("--hop", type=int, metavar="T", help="frames between decisions on a person (an eighth of the window)")
    add("--together", action="store_true", default=None, help="a clip holds the other persons, too")
    add("--threshold", type=float, metavar="P", help="below it no class is decided on (0.5)")
    add("--margin", type=float, metavar="P", help="more probable by this, a class takes another's place (0.1)")
    add("--smoothing", type=float, metavar="S", help="share that earlier probabilities keep (0.5)")
    add("--forget", type=float, metavar="S", help="seconds after which who is gone starts anew (2)")
    add("--frame_size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="of the picture, in pixels")


def _add_limits(add: Add) -> None:
    add("--max_line", type=int, metavar="BYTES", help="of a line (262144)")
    add("--max_persons", type=int, metavar="M", help="in a frame (16)")
    add("--max_rate", type=float, metavar="R", help="lines a second (240)")
    add("--queue", type=int, metavar="N", help="frames that wait, before the oldest is dropped (64)")
    add("--lossless", action="store_true", default=None, help="drop nothing: let who sends wait")
    add("--clients", type=int, metavar="N", help="with --listen: connections at a time (4)")
    reached = "with --listen: an address that other machines reach"
    add("--open_to_network", action="store_true", default=None, help=reached)


def _add_machine(add: Add) -> None:
    add("--store", type=Path, metavar="DIR", help="the parts (or GESTA_STORE; data/npy_dataset)")
    add("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    device = "cpu, or a CUDA device's number (the first, else cpu); several: a process on each"
    add("-g", "--gpus", nargs="+", metavar="DEVICE", help=device)
    add("--compile", action="store_true", help="the training network, by torch.compile")
    add("--plain", action="store_true", help="evaluate with the readable network, not the fast one")
    add("--deterministic", action="store_true", help="bit-exact on a GPU, too")
    add("-np", "--no_progress_bar", action="store_true", help="log lines instead")


GROUPS: dict[str, Callable[[Add], None]] = {
    "with -gd": _add_generating,
    "running": _add_running,
    "with -ex": _add_exporting,
    "with -v": _add_looking,
    "with -i": _add_inferring,
    "with -i - or --listen (docs/live.md)": _add_deciding,
    "limits of these": _add_limits,
    "this machine": _add_machine,
}


def build_parser() -> argparse.ArgumentParser:
    """Return the command line: small and frozen; anything else is `--set`."""
    parser = Parser("python main.py", USAGE)
    parser.add_argument("-c", "--config", metavar="N", help="the experiment: a number, or the path of a yaml")
    actions = parser.add_argument_group("actions (none: train)")
    _add_actions(actions.add_mutually_exclusive_group().add_argument)
    for title, add_flags in GROUPS.items():
        add_flags(parser.add_argument_group(title).add_argument)
    return parser


# --- what goes with what


def given(options: argparse.Namespace, name: str) -> bool:
    """Tell whether a flag was given."""
    return getattr(options, name) is not None and getattr(options, name) is not False


def is_live(options: argparse.Namespace) -> bool:
    """Tell whether -i takes pose frames as they come."""
    return options.infer == ["-"] or given(options, "listen")


# What each flag goes with: given with another action it is refused, not ignored. No action means training.
ACTIONS = {
    "-gd": "generate_data", "-e": "evaluate", "-xf": "extract", "-r": "resume", "-ex": "export", "-i": "infer",
    "-v": "visualize", "-l": "list",
}  # fmt: skip
ALONE = ("-gd", "-xf", "-ex", "-i", "-v", "-l")  # what torchrun is not for
RUNS = ("training", "-r", "-e", "-xf")
GENERATING = ("--raw", "--jobs", "--force", "--strict", "--padded", "--from-padded", "--shard", "--merge")
LOOKING = ("--visualization_class", "--visualization_sample", "--visualization_frames")
FILES = ("--topk", "--json", "--batch")
INFERRING = (*FILES, "--from-layout")
LISTENING = ("--clients", "--open_to_network")
LIVE = (
    "--window", "--hop", "--together", "--threshold", "--margin", "--smoothing", "--forget", "--frame_size",
    "--max_line", "--max_persons", "--max_rate", "--queue", "--lossless", *LISTENING,
)  # fmt: skip
GOES_WITH = {
    **dict.fromkeys(GENERATING, ("-gd",)),
    **dict.fromkeys(("--deterministic", "--debug"), (*RUNS, "-v")),
    "--work_dir": (*RUNS, "-ex", "-i", "-v", "-l"),
    "--gpus": (*RUNS, "-i", "-v"),
    **dict.fromkeys(LOOKING, ("-v",)),
    **dict.fromkeys(("--save_name", "--quantize"), ("-ex",)),
    **dict.fromkeys((*INFERRING, *LIVE, "--cpu_threads", "--listen"), ("-i",)),
    "--plain": (*RUNS, "-i"),
    "--pretrained_path": ("training", "-e", "-xf", "-ex", "-i", "-v"),
    "--init-head": ("training",),
    "--seed": ("training",),
    "--precision": ("training",),
    "--compile": ("training", "-r"),
    "--set": ("training", "-gd", "-e", "-xf", "-ex", "-i", "-v"),
    "--out": ("-e", "-xf", "-ex"),
    "--clips": ("-xf",),
}
IDLE_WITH = {
    "--shard": ("--merge", "--strict", "--padded", "--from-padded"),
    "--merge": ("--raw", "--jobs", "--from-padded"),
    "--lossless": ("--max_rate",),
}
WITHOUT: dict[str, tuple[Callable[[argparse.Namespace], bool], str]] = {
    "--init-head": (lambda options: options.pretrained_path is not None, "without -pp FILE"),
    "--set": (lambda options: options.config is not None, "without -c N, whose keys it changes"),
    **dict.fromkeys(LIVE, (is_live, "with files; it goes with -i - and with --listen")),
    **dict.fromkeys(LISTENING, (lambda options: given(options, "listen"), "without --listen")),
    **dict.fromkeys(FILES, (lambda options: not is_live(options), "with frames that come live")),
}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says; raises `UserError` for a wrong one, and for flags that have no effect in it."""
    _refuse_empty(words)
    options = build_parser().parse_args(words)
    wrong = next(_wrong(options), None)
    if wrong:
        raise UserError(wrong)
    return options


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse an empty word behind any flag: no value may be empty, and as a path it would be the current folder."""
    flag = "command line:"
    for word in words:
        name, sign, value = word.partition("=")
        flag = name if word.startswith("-") else flag
        if not word or (word.startswith("--") and sign and not value):
            raise UserError(f"{flag} '': empty; is a shell variable unset?")


def told(options: argparse.Namespace, flags: Sequence[str]) -> dict[str, Any]:
    """Return what was said by those of `flags` that were given, by their names."""
    names = [_name(flag) for flag in flags]
    return {name: getattr(options, name) for name in names if given(options, name)}


def _wrong(options: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with flags that are all known."""
    action = next((flag for flag, name in ACTIONS.items() if given(options, name)), "training")
    yield from _idle(options, action)
    if action in ALONE and launch.is_one_of_several():
        yield "torchrun is for training and -e; give this command without it"
    if action in ALONE and options.gpus and len(options.gpus) > 1:
        yield f"-g {' '.join(options.gpus)}: {action} runs on one device; name one"
    if action == "-i" and bool(options.infer) == given(options, "listen"):
        yield "-i: give raw files or folders, or - (standard input), or --listen HOST:PORT: one of them"
    elif action == "-i" and "-" in options.infer and len(options.infer) > 1:
        yield "-i -: standard input comes alone; give it, or raw files and folders"
    if options.visualize and options.pretrained_path:
        yield f"-v {options.visualize} and -pp {options.pretrained_path}: give a run or a checkpoint"
    if action == "-v" and options.set and not options.pretrained_path:
        yield "--set has no effect on a run, whose own configuration holds; it goes with -v -pp FILE"
    if action not in ("-i", "-l") and options.config is None:
        yield "-c N is missing; `python main.py -l` lists the experiments, -h the flags"


def _idle(options: argparse.Namespace, action: str) -> Iterator[str]:
    """Yield which flags have no effect: with the action, or with each other."""
    for flag, actions in GOES_WITH.items():
        if action not in actions and given(options, _name(flag)):
            yield f"{flag} has no effect with {action}; it goes with {', '.join(actions)}"
    for flag, others in IDLE_WITH.items():
        for other in others:
            if given(options, _name(flag)) and given(options, _name(other)):
                yield f"{other} has no effect with {flag}; leave it out"
    for flag, (asks, reason) in WITHOUT.items():
        if given(options, _name(flag)) and not asks(options):
            yield f"{flag} has no effect {reason}"


def _name(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")
