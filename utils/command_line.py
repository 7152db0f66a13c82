"""What our command lines share: a wrong one, like anything that the user can mend, is one line and exit code 2."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from utils import launch
from utils.errors import UserError

# Flags of EfficientGCN, PYSKL, mmaction2, PaddleVideo and ST-GCN that are not ours, and what does the same here.
OLD_FLAGS = {
    "--validate --no-validate": "training always evaluates; the log and metrics.jsonl have every figure",
    "--test-last --test-best": "training ends with the last and the best epoch evaluated, and reports both",
    "--eval --eval-options": "-e prints top-1, top-5 and mean class accuracy",
    "--test": "-e evaluates, such as: python main.py -c 3001 -e -pp FILE",
    "--weights --checkpoint -C --load-from -p --pretrained_params --model_file --params_file": (
        "-pp FILE: the checkpoint"
    ),
    "--dump": "--out FILE, with -e: scores as .npz, .json or the field's .pkl",
    "--output_path": "--out DIR, with -ex: the folder of the exported files",
    "--resume-from --auto-resume": "-r goes on with the newest unfinished run, -r RUN with that one",
    "--work-dir": "-w DIR says where the runs are",
    "--cfg-options --options -o --override --dataset_args --model_args --optimizer_args --scheduler_args": (
        "--set KEY=VALUE changes any key of docs/config-reference.md"
    ),
    "-mt --model_type --optimizer -ls --lr_scheduler -d --dataset": "--set KEY=VALUE, or the number that has it: -l",
    "--launcher --local_rank --local-rank --fleet": "-g 0 1 on one machine, torchrun on several (docs/scale.md)",
    "--gpu-ids --gpu-id --device --use_gpu --use-gpu": "-g DEVICE: a number, or cpu",
    "--diff-seed": "-s SEED or train.seed; one seed for all",
    "--test_batch_size --batch_size --batch-size -b": "--set test.batch_size=16, or train.batch_size",
    "--average-clips": "the experiment's test section says how clips are averaged: --set KEY=VALUE",
    "--amp": "--precision bf16",
    "--fuse-conv-bn --train_dali --multigrid --gpu-collect --tmpdir -t": "none: leave it out",
    "-st --static": "none: leave it out; it has no effect there, either",
    "--data_path": "--raw FOLDER, with -gd",
    "--out_folder": "--store DIR: where the parts are",
    "--save_result": "--out FILE, with -e: scores as .npz, .json or the field's .pkl",
    "--ignore_weights": "--init-head: a new head where the classes differ",
    "--base_lr --num_epoch --step --weight_decay --nesterov": (
        "--set KEY=VALUE, once for each key: train.epochs, train.optimizer.lr, train.schedule.milestones, ..."
    ),
    "--feeder --train_feeder_args --test_feeder_args --model": "--set KEY=VALUE, or the number that has it: -l",
    "--save_interval --log_interval --eval_interval --show_topk --num_worker": "none: leave it out",
    "--print_log --save_log --pavi_log": "none: log.txt and TensorBoard's events are always written",
    "--start_epoch": "-r goes on with the newest unfinished run, -r RUN with that one",
    "--phase recognition": "none: no action trains, -e evaluates",
    "--input_file --data_file --label_file": "-i FILE: what is to be classified; labels beside it are found",
    "-ds --data_shape": "none: leave it out; it follows from the experiment",
    "--visualization": "-v: a report and pictures, as files",
    "--preds --coefficients --apply-softmax": "tools.fuse takes runs, numbers and files, and their weights",
    "-dh --delay_hours": "none: sleep 2h; python main.py ...",
}
SETTING = re.compile(r"[a-z][\w.]*=\S*")  # such as train.epochs=10
ANSWERS = {flag: answer for flags, answer in OLD_FLAGS.items() for flag in flags.split()}


class Parser(argparse.ArgumentParser):
    """Takes flags as they are spelled, shows the module's text as it is, and complains in one line."""

    def __init__(self, prog: str, description: str | None) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=description, formatter_class=form, allow_abbrev=False)

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """Return what a word may mean beside a flag: argparse takes -p for -pp, too, whatever `allow_abbrev` says."""
        found = super()._get_option_tuples(option_string)
        return [each for each in found if option_string.startswith(each[1]) and option_string not in ANSWERS]

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage; a flag of other code is answered with ours."""
        words = [word.partition("=")[0] for word in message.removeprefix("unrecognized arguments: ").split()]
        known = next((word for word in words if message.startswith("unrecognized") and word in ANSWERS), None)
        if known:
            raise UserError(f"command line: {known} is other code's; here: {ANSWERS[known]} (docs/coming-from.md)")
        setting = next((word for word in message.split() if SETTING.fullmatch(word)), None)
        if message.startswith("unrecognized") and setting:
            raise UserError(f"command line: {setting}: every key has a --set of its own: --set {setting}")
        raise UserError(f"command line: {message}; `{self.prog} -h` shows all flags")


def guarded(action: Callable[[], int], *errors: type[Exception]) -> int:
    """Return the exit code of `action`; `UserError` and `errors` become a line and 2, Ctrl-C 130.

    So does a standard output that takes no more: a full one is a line and 2, a closed pipe 141.
    """
    try:
        return _exit_code(action, (UserError, *errors))
    except OSError as error:
        if error.filename is not None or _can_print():
            raise  # so it is another file or pipe that failed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        if isinstance(error, BrokenPipeError):
            return 141
        return say(f"standard output: {error.strerror}; write to another place", 2)


def _exit_code(action: Callable[[], int], users: tuple[type[Exception], ...]) -> int:
    try:
        code = action()
        if sys.stdout:  # None: it was closed from the start
            sys.stdout.flush()
        return code
    except users as error:
        return say(str(error), 2)
    except KeyboardInterrupt:
        return say("interrupted; what was complete is saved, and the same command goes on", 130)


def _can_print() -> bool:
    """Tell whether standard output takes an empty line: an error of writing does not say where it was written."""
    try:
        print(flush=True)
    except OSError:
        return False
    return True


def say(message: str, code: int) -> int:
    """Print `message` to stderr and return `code`; of several processes of a job, the first one says its own."""
    if not launch.is_one_of_several() or _speaks_for_all():
        print(message, file=sys.stderr)
    return code


def _speaks_for_all() -> bool:
    from utils import job  # takes torch's seconds

    return job.speaks()
