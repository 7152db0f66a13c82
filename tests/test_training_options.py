"""How training is computed: precision, compilation, optimizers of a GPU; and what the epoch's line says of it."""

import dataclasses
import re
from functools import partial

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

import config
import initializer
import main
import processor
from arguments import build_parser
from initializer.network import build_optimizer, compiled
from utils.errors import UserError
from utils.run_state import restore, state_of


@pytest.fixture
def machine(small_store, tmp_path):
    return initializer.Machine(small_store, tmp_path, device="cpu", show_progress=False)


def test_every_precision_of_the_command_line_is_one_of_the_configuration():
    for name, value in main.PRECISIONS.items():
        options = build_parser().parse_args(["-c", "2001", "--precision", name])
        assert config.load("2001", [f"train.precision={main.PRECISIONS[options.precision]}"]).train.precision == value


def test_the_precision_of_the_command_line_counts_over_set(monkeypatch):
    seen = []
    monkeypatch.setattr(main, "_run", lambda config, options: seen.append(config.train.precision) or 0)
    main.main(["-c", "2001", "--set", "train.precision=float32", "--precision", "tf32"])
    assert seen == ["tf32"]


@pytest.mark.parametrize(("precision", "allowed"), [("tf32", True), ("float32", False)])
def test_tf32_is_for_training_only(machine, small, precision, allowed):
    run = initializer.prepare_training(
        config.load("2001", [*small, "train.epochs=1", f"train.precision={precision}"]), machine
    )
    seen, ready = set(), run.ready

    def note(*_):
        seen.add((run.model.training, torch.backends.cuda.matmul.allow_tf32))

    run.model.register_forward_hook(note)
    run.ready = lambda network: note() or ready(network)
    processor.train(run)
    assert seen == {(True, allowed), (False, False)}


def test_the_epochs_line_tells_speed_and_shares(machine, small):
    run = initializer.prepare_training(config.load("2001", [*small, "train.epochs=2"]), machine)
    processor.train(run)
    lines = re.findall(
        r"Training time: (\S+)s, Speed: (\S+) clips/s \(data (\d+)%, compute (\d+)%, evaluation (\d+)%\)",
        run.folder.log.read_text(),
    )
    assert len(lines) == 2
    for seconds, speed, *shares in lines:
        assert float(speed) == pytest.approx(30 / float(seconds), rel=0.2)  # 5 batches of 6 clips; seconds are rounded
        assert sum(map(int, shares)) == pytest.approx(100, abs=2)
    assert int(lines[1][4]) > 0


def test_optimizers_are_fused_on_a_gpu_only(small, monkeypatch):
    experiment, seen = config.load("2001", small), []
    monkeypatch.setattr(torch.optim, "SGD", lambda parameters, **options: seen.append(options))
    model = torch.nn.Linear(2, 2)
    build_optimizer(experiment.train.optimizer, model)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    build_optimizer(experiment.train.optimizer, model)
    assert ["fused" in options for options in seen] == [False, True]


@pytest.mark.parametrize(
    ("on_gpu", "accumulate", "mode"), [(True, 1, "reduce-overhead"), (True, 2, None), (False, 1, None)]
)
def test_only_whole_batches_on_a_gpu_are_captured_as_a_graph(monkeypatch, on_gpu, accumulate, mode):
    seen = []
    monkeypatch.setattr(torch, "compile", lambda model, **options: seen.append(options))
    monkeypatch.setattr(torch.Tensor, "is_cuda", on_gpu)
    compiled(torch.nn.Linear(2, 2), accumulate)
    assert seen == [{"dynamic": False, "mode": mode}]


def test_pieces_of_a_batch_are_known_where_the_network_is_compiled(machine, small, monkeypatch):
    seen = []
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    monkeypatch.setattr(initializer, "compiled", lambda model, accumulate: seen.append(accumulate) or model)
    run = initializer.prepare_training(
        config.load("2001", [*small, "train.accumulate=2"]), dataclasses.replace(machine, compiles=True)
    )
    assert seen == [2]
    assert "--compile: on a CPU training is slower with it" in run.folder.log.read_text()


def test_without_a_compiler_a_run_is_refused_and_leaves_no_folder(machine, small, monkeypatch, tmp_path):
    def fail(*_):
        raise BackendCompilerFailed(fail, RuntimeError("No working C++ compiler found\nin 118 lines"), None)

    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    message = r"^--compile: no C\+\+ compiler that works here \(No working C\+\+ compiler found\); leave it out$"
    with pytest.raises(UserError, match=message):
        initializer.prepare_training(config.load("2001", small), dataclasses.replace(machine, compiles=True))
    assert not list(tmp_path.iterdir())


def test_an_optimizer_is_fused_as_this_device_has_it_not_as_it_was_saved(machine, small):
    run = initializer.prepare_training(config.load("2001", small), machine)
    content = state_of(run)
    for group in content["optimizer"]["param_groups"]:
        group["fused"] = "as on a GPU"
    restore(run, content)
    assert {group["fused"] for group in run.optimizer.param_groups} == {None}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the compiler
def test_a_compiled_network_trains_alike(machine, small, monkeypatch):
    """The graphs are captured and differentiated, not turned into C++: that takes minutes on a CPU."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    losses = []
    for compiles in (False, True):
        run = initializer.prepare_training(
            config.load("2001", [*small, "model.drop_prob=0", "train.schedule.warmup_epochs=0"]),
            dataclasses.replace(machine, compiles=compiles),
        )
        run.model.train()
        assert (run.network is run.model) is not compiles
        losses.append(torch.stack([processor.train_step(run, batch)[0] for batch in run.train_batches]))
        assert list(run.model.state_dict()) == list(state_of(run)["model"])
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-4)
