"""Gesta: an experiment is a number.

python main.py -c 2001 -gd               raw skeleton files -> store
python main.py -c 2001                   train
python main.py -c 2001 -e [-pp FILE]     evaluate a checkpoint
python main.py -l                        list all experiments
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import config as configs
from config import Config
from utils.errors import UserError
from utils.interrupt import Interrupted
from utils.run_folder import best_run
from utils.tables import table

# torch takes seconds to import: each action below imports what it needs, so that -h is instant.
LATER = {"-ex": "export", "-v": "pictures and report", "-i": "inference"}


class _Parser(argparse.ArgumentParser):
    """Says a wrong command line in one line."""

    def error(self, message: str) -> NoReturn:
        raise configs.ConfigError(f"command line: {message}; `python main.py -h` shows all flags")


def build_parser() -> argparse.ArgumentParser:
    """Return the command line: small and frozen; anything else is `--set`."""
    parser = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("-c", "--config", metavar="N", help="the experiment: a number, or the path of a yaml")
    actions = parser.add_argument_group("actions (none: train)").add_mutually_exclusive_group()
    actions.add_argument("-gd", "--generate_data", action="store_true", help="raw files -> store")
    actions.add_argument("-e", "--evaluate", action="store_true", help="evaluate -pp, else the newest run's best")
    resume = "go on with the newest (or named) unfinished run, bit-exactly"
    actions.add_argument("-r", "--resume", nargs="?", const="", metavar="RUN", help=resume)
    extract = "pooled features, logits, labels and names of a split (eval)"
    actions.add_argument("-xf", "--extract", nargs="?", const="eval", choices=["train", "eval"], help=extract)
    actions.add_argument("-l", "--list", action="store_true", help="list all experiments")

    data = parser.add_argument_group("with -gd")
    data.add_argument("--raw", nargs="+", type=Path, metavar="PATH", help="folders of raw files (or GESTA_RAW)")
    data.add_argument("-j", "--jobs", type=int, metavar="J", help="processes (all cores)")
    data.add_argument("--force", action="store_true", help="replace what is there")
    data.add_argument("--strict", action="store_true", help="exit 1 if any file was refused")
    data.add_argument("--padded", action="store_true", help="write the padded arrays of older code, too")
    data.add_argument("--from-padded", type=Path, metavar="FOLDER", help="read such arrays instead of raw files")

    run = parser.add_argument_group("running")
    weights = "checkpoint: ours, .pth.tar, .pdparams; when training: initial weights"
    run.add_argument("-pp", "--pretrained_path", type=Path, metavar="FILE", help=weights)
    run.add_argument("--init-head", action="store_true", help="with -pp: a new head where the classes differ")
    run.add_argument(
        "--out", type=Path, metavar="FILE", help="scores (.npz, .json) or features (.npz, .pkl) there, too"
    )
    run.add_argument(
        "--clips", nargs="+", metavar="NAME", default=[], help="with -xf: full feature maps of these clips"
    )
    run.add_argument("-s", "--seed", type=int, metavar="S", help="instead of train.seed")
    override = "any config key, repeatable: --set train.epochs=10"
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=override)
    run.add_argument("-db", "--debug", action="store_true", help="300 clips, 2 epochs, own folder")

    machine = parser.add_argument_group("this machine")
    machine.add_argument("--store", type=Path, metavar="DIR", help="the parts (or GESTA_STORE; data/npy_dataset)")
    machine.add_argument("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    machine.add_argument(
        "-g", "--gpus", nargs="+", metavar="DEVICE", help="cpu, or a CUDA device's number (first, else cpu)"
    )
    machine.add_argument("--deterministic", action="store_true", help="bit-exact on a GPU, too")
    machine.add_argument("-np", "--no_progress_bar", action="store_true", help="log lines instead")
    for flag in LATER:
        add(flag, dest=flag, nargs="*", help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 (too many files refused), 2 (the user can mend it), 130 or 143."""
    try:
        return _dispatch(build_parser().parse_args(arguments))
    except (configs.ConfigError, UserError) as error:
        return _say(str(error), 2)
    except KeyboardInterrupt:
        return _say("interrupted; what was complete is saved, and the same command goes on", 130)


def _dispatch(options: argparse.Namespace) -> int:
    for flag, what in LATER.items():
        if getattr(options, flag) is not None:
            return _say(f"{flag} ({what}) is not part of this version yet", 2)
    if options.list:
        return _list(options)
    if options.config is None:
        raise configs.ConfigError("-c N is missing; `python main.py -l` lists the experiments, -h the flags")
    overrides = [*options.set, *([] if options.seed is None else [f"train.seed={options.seed}"])]
    config = configs.load(options.config, overrides)
    if options.generate_data:
        return _generate(config, options)
    return _run(config, options)


def _generate(config: Config, options: argparse.Namespace) -> int:
    import generator

    if options.jobs is not None and options.jobs < 1:
        raise UserError(f"-j {options.jobs}: give at least 1 process, or leave it out to use all cores")
    request = generator.Request(
        store=configs.store_folder(options.store),
        raw=options.raw or (),
        from_padded=options.from_padded,
        padded=options.padded,
        jobs=options.jobs or os.cpu_count() or 1,
        force=options.force,
        strict=options.strict,
        progress=not options.no_progress_bar,
    )
    return 0 if generator.generate_experiment(config, request) else 1


def _run(config: Config, options: argparse.Namespace) -> int:
    import initializer
    import processor

    machine = initializer.Machine(
        store=configs.store_folder(options.store),
        work_dir=configs.work_folder(options.work_dir),
        device=_device(options.gpus),
        show_progress=not options.no_progress_bar,
        deterministic=options.deterministic,
        debug=options.debug,
    )
    weights = options.pretrained_path
    try:
        if options.evaluate:
            run = initializer.prepare_evaluation(config, machine, weights)
            processor.run_evaluation(run, options.out)
        elif options.extract:
            run = initializer.prepare_evaluation(config, machine, weights, options.extract)
            processor.run_extraction(run, options.extract, options.clips, options.out)
        elif options.resume is not None:
            if options.set or options.seed is not None or weights:
                raise UserError("-r goes on with the run's own configuration; leave out --set, -s and -pp")
            processor.train(initializer.prepare_resume(config, machine, options.resume or None))
        else:
            processor.train(initializer.prepare_training(config, machine, weights, init_head=options.init_head))
    except Interrupted as signal:
        resume = f"python main.py -c {options.config} -r"
        return _say(f"stopped by {signal}; all is saved; go on with: {resume}", signal.exit_code)
    return 0


def _device(gpus: Sequence[str] | None) -> str | None:
    if gpus and len(gpus) > 1:
        raise UserError(f"-g {' '.join(gpus)}: several devices are not supported yet; name one")
    return gpus[0] if gpus else None


def _list(options: argparse.Namespace) -> int:
    """Print all experiments: model, benchmark, published figure, own best run."""
    work_dir = configs.work_folder(options.work_dir)
    rows = [("number", "model", "benchmark", "published", "own best", "run")]
    for number in configs.numbers():
        config = configs.load(number)
        published = ", ".join(f"{each.value:g}" for each in config.published) or "-"
        best = best_run(work_dir / config.title)
        own = (f"{best[0]:.2%}", best[1].path.name) if best else ("-", "-")
        rows.append((number, f"{config.model.title} {config.model.layer}", config.data.benchmark, published, *own))
    print(table(rows))
    return 0


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
