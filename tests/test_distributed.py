"""Several processes give what one gives: in one job of two, and through the command line, with machines that fail."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributed import DistBackendError, DistStoreError, HashStore

import config
import main
from initializer.machine import pick_device
from model.sync_batchnorm import SyncBatchNorm, synchronise
from tests import distributed_job as job
from utils import checkpoint, launch
from utils import job as job_room
from utils.checkpoint_import import read_own
from utils.distributed import ALONE, Ranks, pieces_of
from utils.errors import UserError
from utils.run_state import save

ROOT = Path(__file__).resolve().parent.parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
TIMEOUT = 150  # seconds; far more than is needed on two idle cores


# --- one process against two


@pytest.fixture(scope="module")
def alone(small_store, tmp_path_factory):
    """What one process finds, and the folder that both use."""
    folder = tmp_path_factory.mktemp("job")
    here = job.machine(small_store, folder / "alone")
    found = {"trained": job.train_all(here), "evaluated": job.evaluate(here)}
    found["normalised"] = job.normalise(here, *job.inputs())
    found["learned"] = job.learn(here, lambda model: model)
    found["stopped"] = job.stop(job.machine(small_store, folder / "begun-by-one"))
    found["whole"] = whole(job.machine(small_store, folder / "whole"))
    return found, folder


def whole(here):
    """Train without a stop; return the metrics."""
    run = job.initializer.prepare_training(config.load("2001", [*job.SMALL, *job.SYNCHRONISED]), here)
    job.processor.train(run)
    return run.folder.metrics()


@pytest.fixture(scope="module")
def pair(alone, small_store):
    """What each of two processes finds; the second one went on with what the first began."""
    _, folder = alone
    command = [*TORCHRUN, "--standalone", "--nproc-per-node=2", "-m", "tests.distributed_job"]
    done = subprocess.run(
        [*command, str(small_store), str(folder)],
        capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("a mistake\n") == 1  # both say it
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize(("recipe", "tolerance"), [*dict.fromkeys(("plain", "augmented", "synchronised", "mixed"), 1e-5).items(), ("bfloat16", 1e-2)])  # fmt: skip
def test_two_processes_give_the_losses_and_weights_of_one(alone, pair, recipe, tolerance):
    expected = alone[0]["trained"][recipe]
    for found in (rank["trained"][recipe] for rank in pair):
        assert (found["losses"] - expected["losses"]).abs().max() < tolerance
        assert len(found["losses"]) == job.STEPS
    weights = [rank["trained"][recipe]["weights"] for rank in pair]
    assert torch.equal(*weights)
    assert (weights[0] - expected["weights"]).abs().max() < 10 * tolerance


def test_losses_depend_on_what_is_drawn(alone):
    losses = [alone[0]["trained"][name]["losses"] for name in ("plain", "augmented", "synchronised", "mixed")]
    assert all((a - b).abs().max() > 1e-3 for n, a in enumerate(losses) for b in losses[:n])


def test_an_evaluation_scores_every_clip_once_with_the_figures_and_bits_of_one_process(alone, pair):
    assert len(set(pair[0]["evaluated"]["names"])) == len(pair[0]["evaluated"]["names"]) == 18
    assert [rank["evaluated"] == alone[0]["evaluated"] for rank in pair] == [True, True]


def test_a_normalisation_over_two_processes_is_that_of_one(alone, pair):
    for found in pair:
        for value, expected in zip(found["normalised"], alone[0]["normalised"], strict=True):
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
    x, _ = job.inputs()
    assert (pair[0]["normalised"][4] - nn.BatchNorm1d(5)(x[:4])[:4].repeat(2, 1, 1)).abs().max() > 0.1  # not of a share


def test_a_compiled_network_learns_alike(alone, pair):
    for found in pair:
        torch.testing.assert_close(found["learned"], alone[0]["learned"])


def test_processes_of_other_settings_or_code_are_refused_alike(pair):
    assert pair[0]["refused"] == pair[1]["refused"]
    settings, code = pair[0]["refused"]
    assert settings.startswith("the processes were started with different settings; give the same -c, -s and --set")
    assert code.startswith("the processes are of different code; all machines need the same commit")


def test_a_loss_that_is_not_finite_is_said_alike_with_the_clips_of_all(pair):
    assert pair[0]["said"] == pair[1]["said"]
    assert re.fullmatch(
        r"epoch 1: the loss of (S001\w+(, )?){3} is not finite; lower train.optimizer.lr .*", pair[0]["said"]
    )


def test_dropout_differs_between_processes_and_is_restored_for_as_many(pair):
    first, second = (rank["draws"] for rank in pair)
    assert not torch.equal(first["first"], second["first"])
    for draws in (first, second):
        assert torch.equal(draws["again"], draws["first"])
        assert (draws["whole"], draws["part"]) == (True, False)
    assert torch.equal(first["then"], first["first"])
    assert not torch.equal(second["then"], second["first"])
    assert not torch.equal(second["then"], first["then"])


def test_a_signal_to_one_process_stops_all_at_the_same_step(pair):
    assert [rank["stopped"] for rank in pair] == [[job.STOPS_AFTER, signal.SIGTERM]] * 2


def test_what_two_began_one_finishes_and_the_other_way_round(alone, pair, small_store):
    found, folder = alone
    assert found["stopped"] == [job.STOPS_AFTER, signal.SIGTERM]
    by_one = job.resume(job.machine(small_store, folder / "begun-by-two"))
    for lines in (by_one, pair[0]["resumed"]):
        assert [line["epoch"] for line in lines] == [line["epoch"] for line in found["whole"]]
        for line, expected in zip(lines, found["whole"], strict=True):
            assert line["train"]["loss"] == pytest.approx(expected["train"]["loss"], abs=1e-5)
            assert line["eval"]["loss"] == pytest.approx(expected["eval"]["loss"], abs=1e-4)


@pytest.mark.usefixtures("pair")
def test_only_the_first_process_writes(alone):
    runs = sorted((alone[1] / "work").glob("*/*"))
    assert len(runs) == len(job.RECIPES) + 3  # evaluate, fail, draws
    assert {len(list(run.glob("events*"))) for run in runs} == {1}
    assert {(run / "log.txt").read_text().count("Processes: 2, 3 of the 6 clips of a batch each") for run in runs} == {
        1
    }
    logs = [(run / "log.txt").read_text() for run in runs]
    own = [re.search(r"each process normalises its own (\d)", log) for log in logs]
    assert [found[1] for found in own if found] == ["3", "3", "3", "1", "3", "3", "3"]  # of a batch in pieces, 1
    assert sum("BatchNorm: over the clips of all processes" in log for log in logs) == 1


# --- the command line, with processes that end


@pytest.fixture(scope="module")
def arguments(small_store):
    """A training that lasts some seconds."""
    overrides = [word for each in (*job.SMALL, "train.epochs=9") for word in ("--set", each)]
    return [str(ROOT / "main.py"), "-c", "2001", "--store", str(small_store), "-np", *overrides]


def children(pid):
    """Return the processes that a process started, oldest first."""
    stats = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/stat")}
    found = []
    for number, path in stats.items():
        try:
            parent = path.read_text().rpartition(")")[2].split()[1]
        except OSError:  # it has ended meanwhile
            continue
        found += [number] if int(parent) == pid else []
    return sorted(found)


@pytest.fixture
def run_and(tmp_path):
    """Runs commands side by side, and calls `act` with them in the second epoch; returns exit codes and stderr of all."""

    def run(act, *commands):
        said = [tmp_path / f"{n}.txt" for n in range(len(commands))]
        with ExitStack() as stack:
            ends = [stack.enter_context(path.open("w")) for path in said]
            jobs = [stack.enter_context(start(*each)) for each in zip(commands, ends, strict=True)]
            watch_all(jobs, act)
            codes = [process.wait(timeout=TIMEOUT) for process in jobs]
        return codes, [path.read_text() for path in said]

    return run


def start(command, end):
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=end, text=True)


def watch_all(jobs, act):
    """Read what jobs print to their end; whichever writes the log shows when it is time to `act`."""
    once = threading.Lock()

    def watch(process):
        for line in process.stdout:
            if re.search(r"Epoch: 2/\d+, Batch: 2/", line) and once.acquire(blocking=False):
                act(jobs)

    threads = [threading.Thread(target=watch, args=(process,)) for process in jobs]
    stop = threading.Timer(TIMEOUT, lambda: [process.kill() for process in jobs])
    for thread in (stop, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.cancel()
    assert once.locked()  # else no epoch was ever trained


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="needs /proc, to find a process's children"
)


@needs_proc
def test_a_killed_process_ends_the_job_with_a_line_and_one_process_goes_on(arguments, small_store, run_and, tmp_path):
    def kill_the_second(jobs):
        os.kill(children(jobs[0].pid)[-1], signal.SIGKILL)

    codes, (said,) = run_and(kill_the_second, [sys.executable, *arguments, "-w", tmp_path / "work", "-g", "cpu", "cpu"])
    assert codes == [1]
    assert re.fullmatch(
        r"process 1 of 2 was killed by SIGKILL; go on with: python main.py -c 2001 --store \S+ -w \S+ -r -g cpu cpu\n",
        said,
    )
    (run,) = tmp_path.glob("work/*/*")
    assert read_own(run / "last.pt")["progress"]["epoch"] >= 1
    assert len(job.resume(job.machine(small_store, tmp_path / "work"))) == 9
    assert "The run began on other devices" in (run / "log.txt").read_text()


def test_a_signal_to_the_launcher_saves_and_says_how_to_go_on(arguments, run_and, tmp_path):
    codes, (said,) = run_and(
        lambda jobs: jobs[0].terminate(), [sys.executable, *arguments, "-w", tmp_path / "work", "-g", "cpu", "cpu"]
    )
    assert codes == [143]
    assert re.fullmatch(r"stopped by SIGTERM; all is saved; go on with: python main.py .* -r \S+_s1 -g cpu cpu\n", said)
    (run,) = tmp_path.glob("work/*/*")
    assert read_own(run / "last.pt")["progress"]["step"] > 5


# A training whose NCCL does not work.
BROKEN = """
import sys
from torch.distributed import DistBackendError
import main
from utils.distributed import Ranks

def spread(ranks, model):
    raise DistBackendError("NCCL error in: a.cpp:7, unhandled\\nncclInvalidUsage: so\\nLast error:\\nDuplicate GPU")

Ranks.spread = spread
sys.exit(main.main())
"""


def test_why_processes_cannot_reach_each_other_is_said_once(arguments, tmp_path):
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    launcher = f"import sys, main; main.__file__ = {str(script)!r}; sys.exit(main.main())"
    line = [sys.executable, "-c", launcher, *arguments[1:], "-w", tmp_path / "work", "-g", "cpu", "cpu"]
    done = subprocess.run(
        line, capture_output=True, text=True, cwd=ROOT, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, timeout=TIMEOUT,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(
        r"the processes lost each other \(NCCL error in: a\.cpp:7, unhandled \.\.\. Duplicate GPU\); go on with: .*\n",
        done.stderr,
    )


@needs_proc
def test_two_machines_train_together_and_torchrun_goes_on_after_one_failed(arguments, run_and, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    agent = [*TORCHRUN, "--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}"]
    agent += ["--rdzv-id=test", "--max-restarts=1", *arguments, "-w", str(tmp_path / "work"), "-g", "cpu"]
    codes, _ = run_and(lambda jobs: os.kill(children(jobs[1].pid)[-1], signal.SIGKILL), agent, agent)
    assert codes == [0, 0]
    (run,) = tmp_path.glob("work/*/*")
    log = (run / "log.txt").read_text()
    assert log.count("Loading checkpoint") == 1
    assert re.search(r"Start epoch: [2-9]", log)
    assert log.count("Finish training!") == 1
    assert [line["epoch"] for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())] == list(
        range(1, 10)
    )


@pytest.mark.parametrize("action", [["-gd"], ["-xf"], ["-l"]])
def test_under_torchrun_what_one_process_does_is_refused(monkeypatch, action):
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("WORLD_SIZE", "2"), ("RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="torchrun is for training and -e; give this command without it"):
        main._dispatch(["-c", "2001", *action])


# --- the parts, in this process


def test_one_process_of_torchrun_needs_no_group(monkeypatch):
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("WORLD_SIZE", "1"), ("RANK", "0")):
        monkeypatch.setenv(name, value)
    assert not launch.is_one_of_several()


@pytest.mark.parametrize(
    ("devices", "local", "count", "found"),
    [(None, 1, 2, None), (["3"], 0, 1, "3"), (["4", "2"], 1, 2, "2"), (["cpu"], 1, 2, "cpu"), (["cpu", "cpu"], 1, 2, "cpu")],
)  # fmt: skip
def test_each_process_has_its_device(monkeypatch, devices, local, count, found):
    monkeypatch.setenv("LOCAL_RANK", str(local))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(count))
    assert launch.device_of(devices) == found


@pytest.mark.parametrize("devices", [["0"], ["0", "1", "2"]])
def test_as_many_devices_as_processes_are_named(monkeypatch, devices):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"torchrun has 2 processes on this machine; name 2 devices"):
        launch.device_of(devices)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("[pair.cc:5] Connection closed by peer"), "another process of this job has ended"),
        (DistBackendError("NCCL: Connection closed"), "the processes lost each other (NCCL: Connection closed)"),
        (DistStoreError("wait timeout\n\nat x"), "the processes lost each other (wait timeout ... at x)"),
        (RuntimeError("mat1 and mat2"), None),
    ],
)
def test_an_error_is_told_as_what_it_means_for_the_job(error, said):
    assert job_room._why_lost(error) == said


def test_a_device_is_named_once(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert main.main(["-c", "2001", "-g", "1", "1"]) == 2
    assert capsys.readouterr().err == "-g 1 1: name each device once; a process needs one of its own\n"


def test_what_torch_reads_is_set_before_it_is_imported_to_join_the_others(monkeypatch):
    seen = []
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("WORLD_SIZE", "2"), ("GOMP_SPINCOUNT", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setattr(main, "keep_memory", lambda: seen.append("memory kept"))
    monkeypatch.setattr(job_room, "run_as_rank", lambda *_: seen.append(os.environ["GOMP_SPINCOUNT"]) or 0)
    assert main.main([]) == 0
    assert seen == ["memory kept", "10000"]


def test_a_job_that_is_started_anew_goes_on_with_the_run_that_it_began_and_with_no_other(
    small_store, tmp_path, monkeypatch
):
    here = job.initializer.Machine(small_store, tmp_path, device="cpu", show_progress=False, debug=True)

    def begin():
        anew = replace(here, is_restarted=job_room.is_restarted())
        run = job.initializer.prepare_training(config.load("2001", job.SMALL), anew)
        run.close()
        return run

    older = begin()
    save(older)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setattr(job_room, "_job", {"kept": HashStore()})
    not_saved, own = begin(), begin()
    assert len({run.folder.path for run in (older, not_saved, own)}) == 3
    save(own)
    assert begin().folder.path == own.folder.path
    own.progress.concluded = True
    save(own)
    assert begin().folder.path != own.folder.path


def test_without_a_name_a_process_takes_the_device_of_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    assert str(pick_device(None, local_rank=1)) == "cuda:1"
    with pytest.raises(UserError, match="-g 2: 2 CUDA devices are visible"):
        pick_device(None, local_rank=2)


@pytest.mark.parametrize(("size", "batch", "pieces"), [(1, 6, 1), (2, 6, 1), (3, 12, 2), (2, 12, 3)])
def test_shares_are_a_partition_and_so_are_those_of_every_piece(size, batch, pieces):
    everything = torch.arange(batch)
    shares = [everything[Ranks(rank, size).places(batch, pieces)] for rank in range(size)]
    assert {len(share) for share in shares} == {batch // size}
    for piece, whole in zip(zip(*(share.chunk(pieces) for share in shares)), everything.chunk(pieces), strict=True):
        assert torch.cat(piece).tolist() == whole.tolist()


def test_a_batch_that_processes_cannot_share_names_the_numbers_that_can():
    with pytest.raises(UserError, match="4 processes cannot share 6 clips equally; take 1, 2, 3, 6"):
        Ranks(0, 4).places(6)
    with pytest.raises(UserError, match=r"4 processes cannot share 6 clips in 3 pieces .* equally; take 1, 2"):
        Ranks(0, 4).places(6, 3)


@pytest.mark.parametrize(("size", "count"), [(1, 5), (2, 5), (3, 7), (4, 2)])
def test_batches_are_dealt_such_that_each_is_computed_and_all_take_as_many_turns(size, count):
    hands = [list(Ranks(rank, size).deal(range(count))) for rank in range(size)]
    assert len({len(hand) for hand in hands}) == 1
    assert set().union(*hands) == set(range(count))
    assert sum(map(len, hands)) - count < size


def test_every_process_draws_otherwise_and_the_first_goes_on():
    drawn = []
    for rank in range(4):
        torch.manual_seed(5)
        Ranks(rank, 4).seed_dropout(5)
        drawn.append(torch.rand(3).tolist())
    assert len(set(map(tuple, drawn))) == 4
    torch.manual_seed(5)
    assert drawn[0] == torch.rand(3).tolist()


def test_states_of_gpus_are_saved_for_every_process(monkeypatch):
    own = {"cpu": torch.arange(3, dtype=torch.uint8), "cuda": torch.arange(5, 7, dtype=torch.uint8)}
    monkeypatch.setattr(checkpoint, "random_state", lambda device: own)
    monkeypatch.setattr(Ranks, "rows", lambda ranks, row: torch.cat((row, row + 10)))
    found = Ranks(0, 2).random_states(torch.device("cuda"))
    states = [found["random"], *found["random_others"]]
    assert [each["cpu"].tolist() for each in states] == [[0, 1, 2], [10, 11, 12]]
    assert [each["cuda"].tolist() for each in states] == [[5, 6], [15, 16]]


@pytest.mark.parametrize("ranks", [ALONE, Ranks(0, 2), Ranks(1, 2)])
def test_on_another_kind_of_device_dropout_does_not_begin_anew(ranks):
    def drawn(step):
        torch.manual_seed(1)
        state = {"cpu": torch.get_rng_state(), "cuda": torch.zeros(2)}
        content = {"random": state, "config": {"train": {"seed": 1}}, "progress": {"step": step}}
        content |= {"random_others": [state]} if ranks.size > 1 else {}
        assert not ranks.restore_random_states(content, torch.device("cpu"))
        return tuple(torch.rand(3).tolist())

    torch.manual_seed(1)
    assert len({tuple(torch.rand(3).tolist()), drawn(7), drawn(8)}) == 3
    assert drawn(7) == drawn(7)


def test_a_clip_that_nobody_scored_has_no_figures(monkeypatch):
    monkeypatch.setattr(Ranks, "rows", lambda ranks, table: table)
    (found,) = Ranks(0, 2).in_order(torch.tensor([2, 0]), torch.tensor([[1.0], [2.0]]))
    assert found[[0, 2]].tolist() == [[2], [1]]
    assert found[1].isnan().all()


def test_alone_nothing_is_changed():
    table = torch.rand(3, 2)
    assert ALONE.highest(3, 1) == [3, 1]
    assert ALONE.rows(table) is table
    assert ALONE.from_first(lambda: "text") == "text"
    assert ALONE.in_order(torch.tensor([1, 0, 2]), table) == [table]
    model = nn.Linear(2, 2)
    assert ALONE.spread(model) is model
    assert list(pieces_of(model, [1, 2, 3])) == [1, 2, 3]


def test_a_normalisation_keeps_its_tensors_and_is_torchs_own_without_other_processes():
    torch.manual_seed(0)
    plain, other = nn.BatchNorm2d(3), nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.BatchNorm2d(3)))
    found = synchronise(other)
    norm = found[1][0]
    assert isinstance(norm, SyncBatchNorm)
    assert isinstance(norm, nn.BatchNorm2d)  # whoever folds normalisations knows it
    assert list(found.state_dict()) == list(
        nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sequential(nn.BatchNorm2d(3))).state_dict()
    )
    assert synchronise(plain).weight is plain.weight
    x = torch.randn(4, 3, 5, 6)
    assert torch.equal(norm(x), plain(x))
    assert torch.equal(norm.running_var, plain.running_var)
    assert torch.equal(norm.eval()(x), plain.eval()(x))
