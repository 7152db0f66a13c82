"""Gesta's entry: a command line becomes one action, and what the user can mend one line and exit code 2."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import arguments
import config as configs
from arguments import PRECISIONS
from config import Config
from utils import launch, outputs
from utils.allocator import keep_memory
from utils.command_line import guarded, say
from utils.errors import UserError
from utils.files import refuse_folder
from utils.interrupt import Interrupted, ended_by_signals
from utils.run_folder import CONFIG, RunFolder, best_run
from utils.tables import table

if TYPE_CHECKING:
    from initializer import Machine

# torch takes seconds to import: each action below imports what it needs, so that -h is instant.


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0, 1 (too many files refused), 2 (the user can mend it), 130 or 143."""
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - None: it was closed from the start
    action = partial(_dispatch, sys.argv[1:] if words is None else list(words))
    if launch.is_one_of_several():  # joining the others takes torch
        _prepare_for_torch()
        from utils import job

        action = partial(job.run_as_rank, action, say)
    return guarded(action, configs.ConfigError)


def _prepare_for_torch() -> None:
    """Set what torch reads when it is imported, and what has to be there before its first tensor."""
    # Threads that wait spin for long by default, which costs dearly on a busy machine and gains nothing on an idle one.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    keep_memory()  # docs/performance.md


def _dispatch(words: Sequence[str]) -> int:
    options = arguments.parse(words)
    if options.list:
        return _list(options)
    if options.infer is not None:
        return _at_once(partial(_infer, options))
    config = _load(options)
    if options.generate_data:
        return _generate(config, options)
    if options.export:
        return _at_once(partial(_export, config, options))
    if options.visualize is not None:
        return _visualize(config, options)
    if options.gpus and len(options.gpus) > 1 and not launch.is_one_of_several():
        return _launch(options, words)
    return _run(config, options)


def _at_once(action: Callable[[], int]) -> int:
    """Return the exit code of what Ctrl-C and SIGTERM end at once, because it leaves nothing half-written."""
    try:
        with ended_by_signals():
            return action()
    except Interrupted as stopped:
        return say("interrupted; nothing is half-written: give the command again", stopped.exit_code)


def _load(options: argparse.Namespace) -> Config:
    """Return the experiment with what the command line changes of it."""
    overrides = [*(options.set or ()), *([] if options.seed is None else [f"train.seed={options.seed}"])]
    overrides += [f"train.precision={PRECISIONS[options.precision]}"] if options.precision else []
    return configs.load(options.config, overrides)


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
        jobs=options.jobs or launch.cores(),
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
    machine = _machine(options)
    if options.evaluate or options.extract:
        return _score(config, machine, options)
    return _train(config, machine, options)


def _machine(options: argparse.Namespace) -> "Machine":
    """Return what belongs to this execution and not to the experiment."""
    _prepare_for_torch()
    from initializer import Machine
    from utils import distributed, job

    return Machine(
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
        is_restarted=job.is_restarted(),
    )


def _export(config: Config, options: argparse.Namespace) -> int:
    if options.out:
        refuse_folder("--out", options.out)
    machine = _machine(options)
    import exporter

    request = exporter.Request(options.out, options.save_name, options.quantize)
    exporter.export(config, machine, options.pretrained_path or _best_beside(Path(options.config)), request)
    return 0


def _visualize(config: Config, options: argparse.Namespace) -> int:
    machine = _machine(options)
    import visualizer

    request = visualizer.Request(
        options.visualization_class, options.visualization_sample or (), options.visualization_frames or ()
    )
    run = options.visualize or _run_beside(Path(options.config))
    try:
        visualizer.visualize(config, machine, options.pretrained_path, run, request)
    except Interrupted as signal:
        return say(f"stopped by {signal}; nothing is half-written: give the command again", signal.exit_code)
    return 0


def _infer(options: argparse.Namespace) -> int:
    config = _load(options) if options.config else None
    machine = _machine(options)
    import predictor

    predictor.refuse_closed(live=options.infer == ["-"], answers=options.listen is None)
    request = predictor.Request(**arguments.told(options, arguments.INFERRING))  # before what takes seconds
    classifier = predictor.open_classifier(config, options.pretrained_path, machine, threads=options.cpu_threads)
    if arguments.is_live(options):
        from predictor import live

        settings = live.settings_of(arguments.told(options, arguments.LIVE), options.from_layout, classifier)
        return live.run(classifier, settings, options.listen)
    return predictor.predict(classifier, [Path(each) for each in options.infer], request)


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


def _run_beside(path: Path) -> str | None:
    """Return the folder of the run or evaluation that a yaml is the configuration of; None if it is none's."""
    return str(path.parent) if path.name == CONFIG and RunFolder(path.parent).log.exists() else None


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

    devices = [pick_device(each) for each in options.gpus]
    kinds = {device.type for device in devices}
    if len(kinds) > 1:
        raise UserError(f"-g {' '.join(options.gpus)}: devices of one kind only; name one")
    if kinds != {"cpu"} and len(set(devices)) < len(devices):
        raise UserError(f"-g {' '.join(options.gpus)}: name each device once; a process needs one of its own")
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
    settings = [word for setting in options.set or () for word in ("--set", setting)] if not resumes else []
    return shlex.join(["python", "main.py", "-c", options.config or "NUMBER", *store, *settings])


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
