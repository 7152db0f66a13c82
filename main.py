"""Gesta: an experiment is a number.

python main.py -c 2001 -gd               raw skeleton files -> store
python main.py -c 2001                   train
python main.py -c 2001 -e [-pp FILE]     evaluate a checkpoint
python main.py -l                        list all experiments
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import config as configs
from config import Config
from utils import launch, outputs
from utils.allocator import keep_memory
from utils.command_line import Parser, guarded, say
from utils.errors import UserError
from utils.interrupt import Interrupted
from utils.run_folder import CONFIG, RunFolder, best_run
from utils.tables import table

if TYPE_CHECKING:
    from initializer import Machine

# torch takes seconds to import: each action below imports what it needs, so that -h is instant.
LATER = {"-ex": "export", "-v": "pictures and report", "-i": "inference"}


# What each flag goes with: given with another action it is refused, not ignored. No action means training.
ACTIONS = {"-gd": "generate_data", "-e": "evaluate", "-xf": "extract", "-r": "resume"}
RUNS = ("training", "-r", "-e", "-xf")
GENERATING = ("--raw", "--jobs", "--force", "--strict", "--padded", "--from-padded", "--shard", "--merge")
GOES_WITH = {
    **dict.fromkeys(GENERATING, ("-gd",)),
    **dict.fromkeys(("--work_dir", "--gpus", "--deterministic", "--debug", "--plain"), RUNS),
    "--pretrained_path": ("training", "-e", "-xf"),
    "--init-head": ("training",),
    "--seed": ("training",),
    "--precision": ("training",),
    "--compile": ("training", "-r"),
    "--set": ("training", "-gd", "-e", "-xf"),
    "--out": ("-e", "-xf"),
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
    parser = Parser("python main.py", __doc__)
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
    weights = "checkpoint: ours, .pth, .pth.tar, .pt, .pdparams; when training: initial weights"
    run.add_argument("-pp", "--pretrained_path", type=Path, metavar="FILE", help=weights)
    run.add_argument("--init-head", action="store_true", help="with -pp: a new head where the classes differ")
    out = "scores (.npz, .json, .pkl: the field's) or features (.npz, .pkl) there, too"
    run.add_argument("--out", type=Path, metavar="FILE", help=out)
    run.add_argument("--clips", nargs="+", metavar="NAME", help="with -xf: full feature maps of these clips, too")
    run.add_argument("-s", "--seed", type=int, metavar="S", help="instead of train.seed")
    run.add_argument("--precision", choices=PRECISIONS, help="instead of train.precision")
    override = "any config key, repeatable: --set train.epochs=10"
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=override)
    run.add_argument("-db", "--debug", action="store_true", help="300 clips, 2 epochs, own folder")

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 (too many files refused), 2 (the user can mend it), 130 or 143."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    action = partial(_dispatch, words)
    return guarded(launch.with_others(action), configs.ConfigError)


def _dispatch(words: Sequence[str]) -> int:
    options = build_parser().parse_args(words)
    for flag, what in LATER.items():
        if getattr(options, flag) is not None:
            return say(f"{flag} ({what}) is not part of this version yet", 2)
    if launch.is_one_of_several() and (options.list or options.generate_data or options.extract):
        raise UserError("torchrun is for training and -e; give this command without it")
    if options.list:
        return _list(options)
    if options.config is None:
        raise UserError("-c N is missing; `python main.py -l` lists the experiments, -h the flags")
    _refuse_idle_flags(options)
    overrides = [*options.set, *([] if options.seed is None else [f"train.seed={options.seed}"])]
    overrides += [f"train.precision={PRECISIONS[options.precision]}"] if options.precision else []
    config = configs.load(options.config, overrides)
    if options.generate_data:
        return _generate(config, options)
    if options.gpus and len(options.gpus) > 1 and not launch.is_one_of_several():
        return _launch(options, words)
    return _run(config, options)


def _refuse_idle_flags(options: argparse.Namespace) -> None:
    action = next((flag for flag, name in ACTIONS.items() if _given(options, name)), "training")
    for flag, actions in GOES_WITH.items():
        if action not in actions and _given(options, _name(flag)):
            raise UserError(f"{flag} has no effect with {action}; it goes with {', '.join(actions)}")
    for flag, others in IDLE_WITH.items():
        for other in others if _given(options, _name(flag)) else ():
            if _given(options, _name(other)):
                raise UserError(f"{other} has no effect with {flag}; leave it out")
    if options.init_head and not options.pretrained_path:
        raise UserError("--init-head has no effect without -pp FILE")


def _name(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _given(options: argparse.Namespace, name: str) -> bool:
    return getattr(options, name) not in (None, False, [])


def _generate(config: Config, options: argparse.Namespace) -> int:
    import generator
    from generator.shards import parse_shard

    if options.jobs is not None and options.jobs < 1:
        raise UserError(f"-j {options.jobs}: give at least 1 process, or leave it out to use all cores")
    if options.raw and options.from_padded:
        raise UserError("--raw and --from-padded: give one of the two")
    request = generator.Request(
        store=configs.store_folder(options.store),
        raw=options.raw or (),
        from_padded=options.from_padded,
        padded=options.padded,
        jobs=options.jobs or os.cpu_count() or 1,
        force=options.force,
        strict=options.strict,
        shard=parse_shard(options.shard) if options.shard is not None else None,
        merge=options.merge,
        progress=not options.no_progress_bar,
    )
    complete = generator.generate_experiment(config, request)
    if complete and not request.shard:
        print(f"Next: {_again(options)}")
    return 0 if complete else 1


def _run(config: Config, options: argparse.Namespace) -> int:
    # Threads that wait spin for long by default, which costs dearly on a busy machine and gains nothing on an idle one.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # read when torch is imported
    keep_memory()  # docs/performance.md
    from initializer import Machine
    from utils import distributed

    machine = Machine(
        store=configs.store_folder(options.store),
        work_dir=configs.work_folder(options.work_dir),
        device=launch.device_of(options.gpus),
        show_progress=not options.no_progress_bar,
        deterministic=options.deterministic,
        debug=options.debug,
        compiles=options.compile,
        plain=options.plain,
        command=_command(options),
        ranks=distributed.ranks(),
        is_restarted=distributed.is_restarted(),
    )
    if options.evaluate or options.extract:
        return _score(config, machine, options)
    return _train(config, machine, options)


def _score(config: Config, machine: "Machine", options: argparse.Namespace) -> int:
    import initializer
    import processor

    if options.out:  # a name that cannot be written is known before hours of work
        (outputs.feature_writer if options.extract else outputs.score_writer)(options.out)
    split = options.evaluate or options.extract
    weights = options.pretrained_path or _best_beside(Path(options.config))
    run = initializer.prepare_evaluation(config, machine, weights, split)
    try:
        if options.evaluate:
            processor.run_evaluation(run, options.out if run.ranks.first else None, split)
        else:
            processor.run_extraction(run, split, options.clips or (), options.out)
    except Interrupted as signal:
        return say(f"stopped by {signal}; nothing is half-written: give the command again", signal.exit_code)
    return 0


def _best_beside(path: Path) -> Path | None:
    """Return the best checkpoint of the run that a yaml is the configuration of; None if it is no run's."""
    best = RunFolder(path.parent).best
    return best if path.name == CONFIG and best.exists() else None


def _train(config: Config, machine: "Machine", options: argparse.Namespace) -> int:
    import initializer
    import processor

    if options.resume is None:
        weights, init_head = options.pretrained_path, options.init_head
        run = initializer.prepare_training(config, machine, weights, init_head=init_head)
    else:
        run = initializer.prepare_resume(config, machine, options.resume or None)
    try:
        processor.train(run)
    except Interrupted as signal:
        again = _again(options, "-r", str(run.folder.path))
        return say(f"stopped by {signal}; all is saved; go on with: {again}", signal.exit_code)
    except KeyboardInterrupt:  # a second Ctrl-C
        return say("stopped at once; -r goes on from the last checkpoint, if there is one yet", 130)
    return 0


def _launch(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Start this very command once for each device of -g; what a process has to say, it says itself."""
    from initializer.machine import pick_device

    kinds = {pick_device(each).type for each in options.gpus}
    if options.extract or len(kinds) > 1:
        why = "-xf runs on one device" if options.extract else "devices of one kind only"
        raise UserError(f"-g {' '.join(options.gpus)}: {why}; name one")
    code, died = launch.start(len(options.gpus), [__file__, *words])
    if not died:
        return code
    place = ["-w", str(options.work_dir)] if options.work_dir else []
    remedy = "give the command again" if options.evaluate else f"go on with: {_again(options, *place, '-r')}"
    return say(f"{died}; {remedy}", code)


def _again(options: argparse.Namespace, *words: str) -> str:
    """Return the command that goes on from here, on the same device."""
    line = [*words, *(["-g", *options.gpus] if options.gpus else [])]
    line += ["--deterministic"] if options.deterministic else []
    line += ["--compile"] if options.compile else []
    return " ".join(filter(None, (_command(options, resumes="-r" in words), shlex.join(line))))


def _command(options: argparse.Namespace, *, resumes: bool = False) -> str:
    """Return how a command on the same experiment and store begins; who resumes takes the run's own settings."""
    store = ["--store", str(options.store)] if options.store else []
    settings = [word for setting in options.set for word in ("--set", setting)] if not resumes else []
    return shlex.join(["python", "main.py", "-c", options.config, *store, *settings])


def _is_plain(config: Config, run: RunFolder) -> bool:
    """Tell whether a run is of the experiment as it stands in its yaml, whatever its seed."""
    try:
        found = configs.load(str(run.path / CONFIG))
    except configs.ConfigError:  # of another version, or no longer there
        return False
    return found.model_copy(update={"train": found.train.model_copy(update={"seed": config.train.seed})}) == config


def _list(options: argparse.Namespace) -> int:
    """Print all experiments: model, benchmark, published figure, own best run."""
    work_dir = configs.work_folder(options.work_dir)
    rows = [("number", "model", "benchmark", "input", "published", "own best", "run")]
    for number in configs.numbers():
        config = configs.load(number)
        published = next((f"{each.value:.1f}" for each in config.published if each.metric == "top1"), "-")
        seen = f"{config.data.layout} {config.input.streams}"
        best = best_run(work_dir / config.title, partial(_is_plain, config))
        own = (f"{best[0]:.2%}", best[1].path.name) if best else ("-", "-")
        rows.append((number, config.model.label, config.data.label, seen, published, *own))
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
