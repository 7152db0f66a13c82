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
python main.py -c 2001 -ex [-pp FILE]    export it: ONNX and .pt2
python main.py -c 2001 -i FILE ...       classify raw files, or a live stream
python main.py -l                        list all experiments
"""
LATER = {"-v": "pictures and report"}

# What each flag goes with: given with another action it is refused, not ignored. No action means training.
ACTIONS = {
    "-gd": "generate_data", "-e": "evaluate", "-xf": "extract", "-r": "resume", "-ex": "export", "-i": "infer"
}  # fmt: skip
ALONE = ("-gd", "-xf", "-ex", "-i")  # what torchrun is not for
RUNS = ("training", "-r", "-e", "-xf")
GENERATING = ("--raw", "--jobs", "--force", "--strict", "--padded", "--from-padded", "--shard", "--merge")
INFERRING = ("--topk", "--json", "--batch", "--from-layout")  # of files
LIVE = (
    "--window", "--hop", "--together", "--threshold", "--margin", "--smoothing", "--forget", "--frame_size",
    "--max_line", "--max_persons", "--max_rate", "--queue", "--lossless", "--clients", "--open_to_network",
)  # fmt: skip
GOES_WITH = {
    **dict.fromkeys(GENERATING, ("-gd",)),
    **dict.fromkeys(("--deterministic", "--debug"), RUNS),
    **dict.fromkeys(("--work_dir", "--gpus"), (*RUNS, "-ex", "-i")),
    **dict.fromkeys(("--save_name", "--quantize"), ("-ex",)),
    **dict.fromkeys((*INFERRING, *LIVE, "--cpu_threads", "--listen"), ("-i",)),
    "--plain": (*RUNS, "-i"),
    "--pretrained_path": ("training", "-e", "-xf", "-ex", "-i"),
    "--init-head": ("training",),
    "--seed": ("training",),
    "--precision": ("training",),
    "--compile": ("training", "-r"),
    "--set": ("training", "-gd", "-e", "-xf", "-ex", "-i"),
    "--out": ("-e", "-xf", "-ex"),
    "--clips": ("-xf",),
}
IDLE_WITH = {
    "--shard": ("--merge", "--strict", "--padded", "--from-padded"),
    "--merge": ("--raw", "--jobs", "--from-padded"),
}
PRECISIONS = {"fp32": "float32", "tf32": "tf32", "bf16": "bfloat16"}
SCORED = ("eval", "train", "test")  # the splits of -e and -xf; not every data set has a test


def build_parser() -> argparse.ArgumentParser:
    """Return the command line: small and frozen; anything else is `--set`."""
    parser = Parser("python main.py", USAGE)
    add = parser.add_argument
    add("-c", "--config", metavar="N", help="the experiment: a number, or the path of a yaml")
    actions = parser.add_argument_group("actions (none: train)").add_mutually_exclusive_group()
    actions.add_argument("-gd", "--generate_data", action="store_true", help="raw files -> store")
    evaluate = "a split (eval) with -pp, else with the newest run's best; without labels: scores only"
    actions.add_argument("-e", "--evaluate", nargs="?", const="eval", choices=SCORED, help=evaluate)
    resume = "go on with the newest (or named) unfinished run, bit-exactly"
    actions.add_argument("-r", "--resume", nargs="?", const="", metavar="RUN", help=resume)
    extract = "pooled features, logits, labels and names of a split (eval)"
    actions.add_argument("-xf", "--extract", nargs="?", const="eval", choices=SCORED, help=extract)
    export = "a checkpoint as .onnx and .pt2 with a json, in the place of Paddle's .pdmodel and .pdiparams"
    actions.add_argument("-ex", "--export", action="store_true", help=export)
    infer = "classify raw files and folders; - : pose frames from standard input"
    actions.add_argument("-i", "--infer", nargs="*", metavar="PATH", help=infer)
    actions.add_argument("-l", "--list", action="store_true", help="list all experiments")

    data = parser.add_argument_group("with -gd")
    data.add_argument(
        "--raw", nargs="+", type=Path, metavar="PATH", help="raw files, or folders of them (or GESTA_RAW)"
    )
    data.add_argument("-j", "--jobs", type=int, metavar="J", help="processes (all cores)")
    data.add_argument("--force", action="store_true", help="replace what is there")
    data.add_argument("--strict", action="store_true", help="exit 1 if any file was refused")
    data.add_argument("--padded", action="store_true", help="write the padded arrays of older code, too")
    data.add_argument("--from-padded", type=Path, metavar="FOLDER", help="read such arrays instead of raw files")
    data.add_argument("--shard", metavar="I/N", help="the I-th of N shards only, on any machine")
    data.add_argument("--merge", action="store_true", help="join the shards; no raw file is read")

    run = parser.add_argument_group("running")
    weights = "checkpoint: ours, .pth, .pth.tar, .pt, .pdparams; with -i .onnx, .pt2, too; in training: initial weights"
    run.add_argument("-pp", "--pretrained_path", type=Path, metavar="FILE", help=weights)
    run.add_argument("--init-head", action="store_true", help="with -pp: a new head where the classes differ")
    out = "scores (.npz, .json, .pkl: the field's) or features (.npz, .pkl) there, too; with -ex: the folder"
    run.add_argument("--out", type=Path, metavar="FILE", help=out)
    run.add_argument("--clips", nargs="+", metavar="NAME", help="with -xf: full feature maps of these clips, too")
    run.add_argument("-s", "--seed", type=int, metavar="S", help="instead of train.seed")
    run.add_argument("--precision", choices=PRECISIONS, help="instead of train.precision")
    override = "any config key, repeatable: --set train.epochs=10"
    run.add_argument("--set", action="append", metavar="KEY=VALUE", help=override)
    run.add_argument("-db", "--debug", action="store_true", help="300 clips, 2 epochs, own folder")

    export_to = parser.add_argument_group("with -ex")
    export_to.add_argument("--save_name", metavar="NAME", help="of the files (the checkpoint's)")
    export_to.add_argument("--quantize", choices=("fp16", "int8"), help="a smaller .onnx, too, if it says the same")

    infer_from = parser.add_argument_group("with -i")
    infer_from.add_argument("--topk", type=int, default=None, metavar="K", help="classes shown of a clip (5)")
    infer_from.add_argument("--json", type=Path, metavar="FILE", help="JSON lines there, too")
    infer_from.add_argument("--batch", type=int, metavar="B", help="clips at a time (16); changes no result")
    infer_from.add_argument("--cpu_threads", type=int, metavar="N", help="threads of the CPU")
    mapped = "the files' or frames' layout, where it is another: joints are mapped by meaning"
    infer_from.add_argument("--from-layout", metavar="NAME", help=mapped)
    _add_live(parser.add_argument_group("with -i - or --listen (docs/live.md)").add_argument)

    machine = parser.add_argument_group("this machine")
    machine.add_argument("--store", type=Path, metavar="DIR", help="the parts (or GESTA_STORE; data/npy_dataset)")
    machine.add_argument("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    device = "cpu, or a CUDA device's number (the first, else cpu); several: a process on each"
    machine.add_argument("-g", "--gpus", nargs="+", metavar="DEVICE", help=device)
    machine.add_argument("--compile", action="store_true", help="the training network, by torch.compile")
    machine.add_argument("--plain", action="store_true", help="evaluate with the readable network, not the fast one")
    machine.add_argument("--deterministic", action="store_true", help="bit-exact on a GPU, too")
    machine.add_argument("-np", "--no_progress_bar", action="store_true", help="log lines instead")
    for flag in LATER:
        add(flag, dest=flag, nargs="*", help=argparse.SUPPRESS)
    return parser


def _add_live(add: Callable[..., object]) -> None:
    """Add what a live session may be told; what it is not told is None."""
    add("--listen", metavar="HOST:PORT", help="pose frames from connections, such as 127.0.0.1:7007")
    add("--window", type=int, metavar="T", help="frames that a decision rests on (as trained)")
    add("--hop", type=int, metavar="T", help="frames between decisions on a person (an eighth of the window)")
    add("--together", action="store_true", default=None, help="a clip holds the other persons, too")
    add("--threshold", type=float, metavar="P", help="below it no class is decided on (0.5)")
    add("--margin", type=float, metavar="P", help="more probable by this, a class takes another's place (0.1)")
    add("--smoothing", type=float, metavar="S", help="share that earlier probabilities keep (0.5)")
    add("--forget", type=float, metavar="S", help="seconds after which who is gone starts anew (2)")
    add("--frame_size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="of the picture, in pixels")
    add("--max_line", type=int, metavar="BYTES", help="of a line (262144)")
    add("--max_persons", type=int, metavar="M", help="in a frame (16)")
    add("--max_rate", type=float, metavar="R", help="lines a second (240)")
    add("--queue", type=int, metavar="N", help="frames that wait, before the oldest is dropped (64)")
    add("--lossless", action="store_true", default=None, help="drop nothing: let who sends wait")
    add("--clients", type=int, metavar="N", help="connections at a time (4)")
    add("--open_to_network", action="store_true", default=None, help="an address that other machines reach")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says; raises `UserError` for a wrong one, and for flags that have no effect in it."""
    options = build_parser().parse_args(words)
    for flag, what in LATER.items():
        if given(options, flag):
            raise UserError(f"{flag} ({what}) is not part of this version yet")
    idle = next(_idle(options), None)
    if idle and not options.list:
        raise UserError(idle)
    alone = next((flag for flag in ALONE if given(options, ACTIONS[flag])), "-l" if options.list else None)
    if alone and launch.is_one_of_several():
        raise UserError("torchrun is for training and -e; give this command without it")
    if alone and options.gpus and len(options.gpus) > 1:
        raise UserError(f"-g {' '.join(options.gpus)}: {alone} runs on one device; name one")
    if options.config is None and not (options.list or given(options, "infer")):
        raise UserError("-c N is missing; `python main.py -l` lists the experiments, -h the flags")
    return options


def _idle(options: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with flags that have no effect: with the action, or with each other."""
    action = next((flag for flag, name in ACTIONS.items() if given(options, name)), "training")
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


def is_live(options: argparse.Namespace) -> bool:
    """Tell whether -i takes pose frames as they come."""
    return options.infer == ["-"] or given(options, "listen")


WITHOUT: dict[str, tuple[Callable[[argparse.Namespace], bool], str]] = {
    "--init-head": (lambda options: options.pretrained_path is not None, "without -pp FILE"),
    **dict.fromkeys(LIVE, (is_live, "with files; it goes with -i - and with --listen")),
    **dict.fromkeys(
        ("--topk", "--json", "--batch"), (lambda options: not is_live(options), "with frames that come live")
    ),
}


def _name(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def told(options: argparse.Namespace, flags: Sequence[str]) -> dict[str, Any]:
    """Return what was said by those of `flags` that were given, by their names."""
    names = [_name(flag) for flag in flags]
    return {name: getattr(options, name) for name in names if given(options, name)}


def given(options: argparse.Namespace, name: str) -> bool:
    """Tell whether a flag was given."""
    return getattr(options, name) is not None and getattr(options, name) is not False
