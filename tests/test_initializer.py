"""From configurations to runs: data, networks, weights, devices."""

import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest
import torch

import config
import initializer
import processor
from dataset.layouts import load_layout
from initializer.data import count_classes, make_loader, open_data
from initializer.machine import pick_device
from initializer.network import build_model, build_optimizer, build_recipe
from loss import cb_focal, cross_entropy
from utils.checkpoint_import import read_own
from utils.errors import UserError
from utils.metrics import score
from utils.outputs import read_scores


@pytest.fixture
def machine(small_store, tmp_path):
    return initializer.Machine(small_store, tmp_path, device="cpu", show_progress=False, command="python main.py -c N")


@pytest.fixture
def load(small):
    return lambda *overrides, number="2001": config.load(number, [*small, *overrides])


def test_the_recipe_evaluates_when_the_original_does_and_after_the_last_epoch():
    recipe = build_recipe(config.load("2001"), steps_per_epoch=10)
    epochs = [epoch for epoch in range(1, 71) if recipe.evaluates(epoch)]
    assert epochs == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, *range(60, 71)]
    assert recipe.schedule(0) == 0.0
    assert recipe.schedule(50) == 0.5
    short = build_recipe(config.load("2001", ["train.epochs=3"]), steps_per_epoch=10)
    assert short.evaluates(3)


def test_the_optimizer_leaves_the_adjacency_alone(load):
    network = build_model(load(), 60)
    (group,) = build_optimizer(load().train.optimizer, network).param_groups
    assert sum(parameter.numel() for parameter in group["params"]) < sum(p.numel() for p in network.parameters())
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.1, 0.9, True, 1e-4)


@pytest.mark.parametrize("wanted", ["gpu", "-1", "cuda:0"])
def test_a_device_that_is_no_number_is_refused(wanted):
    with pytest.raises(UserError, match=f"-g {wanted}: expected cpu or the number of a CUDA device"):
        pick_device(wanted)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"-g 99: \d+ CUDA devices are visible"):
        pick_device("99")


def test_fewer_clips_than_expected_are_stated(machine, load):
    assert open_data(load(), machine).counts == "train 30 of 40091 expected, eval 18 of 16487 expected"


def test_a_part_that_is_missing_names_the_command(machine, load):
    with pytest.raises(UserError, match="ntu120: not generated yet; run: python main.py -c N -gd"):
        open_data(load(number="2003"), machine)


def test_a_variant_that_is_missing_names_the_command(machine, load):
    with pytest.raises(
        UserError, match=r"transformed: not generated yet \(the part has original\); run: python main.py -c N -gd"
    ):
        open_data(load(number="2002"), machine)


def test_a_label_beyond_the_classes_is_refused(machine, load, tmp_path):
    store = shutil.copytree(machine.store, tmp_path / "store")
    labels = np.load(store / "ntu60/labels.npy")
    labels[3] = 60
    np.save(store / "ntu60/labels.npy", labels)
    forge_checksum(store / "ntu60", "labels.npy")
    with pytest.raises(
        UserError, match=r"clip S001C001P002R001A034 has label 60, but ntu-xsub has the classes 0 to 59"
    ):
        open_data(load(), dataclasses.replace(machine, store=store))


def forge(folder, name, values):
    """Put other values of the same dtype into a part, checksum included."""
    np.save(folder / name, np.asarray(values, np.load(folder / name).dtype))
    forge_checksum(folder, name)


def forge_checksum(folder, name):
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def bare(machine, tmp_path):
    """Returns a machine whose store has no label for the clips that a function of labels and names marks."""

    def make(marks, name="bare"):
        store = shutil.copytree(machine.store, tmp_path / name)
        labels, names = (np.load(store / f"ntu60/{column}.npy") for column in ("labels", "names"))
        forge(store / "ntu60", "labels.npy", np.where([marks(clip) for clip in names.tolist()], -1, labels))
        return dataclasses.replace(machine, store=store)

    return make


def in_eval(name):
    return name[9:12] in ("003", "006", "007")


@pytest.mark.parametrize(
    ("marks", "overrides", "line"),
    [
        (
            lambda name: name[9:12] == "001",
            (),
            "6 of 30 train clips of ntu-xsub, such as S001C001P001R001A001, have no label",
        ),
        (
            in_eval,
            (),
            "18 of 18 eval clips of ntu-xsub, such as S001C001P003R001A019, have no label, and training needs",
        ),
        (
            lambda name: name[9:12] == "008",
            ("data.validation={column: subject, values: [8]}",),
            "6 of 6 validation clips of ntu-xsub, such as S001C001P008R001A016, have no label",
        ),
    ],
)
def test_training_needs_labels_and_says_which_clips_have_none(bare, load, tmp_path, marks, overrides, line):
    with pytest.raises(UserError, match=line) as error:
        initializer.prepare_training(load(*overrides), bare(marks))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*_EfficientGCN*"))


def test_clips_without_a_label_may_be_scored_and_a_few_may_be_in_eval(bare, load):
    assert len(open_data(load(), bare(lambda name: True), ("train",)).splits["train"]) == 30
    some = open_data(load(), bare(lambda name: name[9:12] == "003", "some"))
    assert (some.splits["eval"].labels < 0).sum() == 6


def test_a_split_that_does_not_exist_names_those_that_do(machine, load):
    with pytest.raises(UserError, match="store: ntu-xsub has no test split here; it has eval, train$"):
        open_data(load(), machine, ("test",))


def test_more_persons_than_stored_are_refused(machine, load):
    with pytest.raises(UserError, match="2 persons a clip, but input.persons is 3"):
        open_data(load("input.persons=3"), machine)


def test_one_person_is_the_first_of_two(machine, load):
    index = torch.arange(5)
    both = open_data(load(), machine).splits["eval"].joints(index, torch.arange(16).expand(len(index), -1))[0]
    one = (
        open_data(load("input.persons=1"), machine)
        .splits["eval"]
        .joints(index, torch.arange(16).expand(len(index), -1))[0]
    )
    assert torch.equal(one, both[..., :1])


def test_debug_takes_the_first_clips_and_two_epochs_in_a_folder_of_its_own(machine, load):
    run = initializer.prepare_training(load("train.epochs=9"), dataclasses.replace(machine, debug=True))
    assert run.recipe.epochs == 2
    assert run.folder.path.parent.name == "debug_2001_EfficientGCN-B0_ntu-xsub"


def test_a_run_that_cannot_start_leaves_no_folder(machine, load, tmp_path):
    with pytest.raises(UserError, match="train.batch_size"):
        initializer.prepare_training(load("train.batch_size=31"), machine)
    with pytest.raises(UserError, match="no such file"):
        initializer.prepare_training(load(), machine, tmp_path / "gone.pt")
    assert not list(tmp_path.glob("*/*"))


# --- weights --------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(machine, load):
    run = initializer.prepare_training(load("train.epochs=1"), machine)
    processor.train(run)
    return run


def test_without_a_checkpoint_the_newest_runs_best_is_taken(machine, load, trained):
    run = initializer.prepare_evaluation(load(), machine, None)
    assert f"Pretrained model: {trained.folder.best} (form gesta)" in run.folder.log.read_text()
    assert same(run.model, read_own(trained.folder.best)["model"])


def same(model, state):
    return all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_without_any_run_evaluation_says_what_to_type(machine, load):
    with pytest.raises(
        UserError,
        match="no run of 2001 has a best checkpoint yet; train one with: python main.py -c N; or give one with -pp FILE",
    ):
        initializer.prepare_evaluation(load(), machine, None)


def test_a_folder_is_no_checkpoint_but_may_hold_one(machine, load, trained, tmp_path):
    with pytest.raises(UserError, match=f"is a folder; give a checkpoint, such as {trained.folder.best}"):
        initializer.prepare_evaluation(load(), machine, trained.folder.path)
    with pytest.raises(UserError, match="is a folder; give a checkpoint$"):
        initializer.prepare_evaluation(load(), machine, tmp_path)


def test_weights_of_another_size_name_what_they_were_trained_with(machine, load, trained):
    with pytest.raises(UserError, match=r"trained with model.stem_channels=\d+ \(here 24\); take it with -c"):
        initializer.prepare_evaluation(load("model.stem_channels=24"), machine, trained.folder.best)


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_weights_are_neither_scored_nor_resumed_when_their_layout_has_changed(machine, load, trained, name):
    folder = trained.folder.path
    content = read_own(folder / name)
    assert content["layout"] == json.loads((folder / "environment.json").read_text())["layout"]
    content["layout"]["edges"][0] = [0, 24]
    torch.save(content | {"progress": content["progress"] | {"concluded": False}}, folder / name)
    with pytest.raises(UserError, match=f"{name}: trained before .*ntu.yaml got other edges; put it back"):
        if name == "best.pt":
            initializer.prepare_evaluation(load(), machine, folder / name)
        else:
            initializer.prepare_resume(load(), machine)


def test_a_missing_checkpoint_names_those_that_are_there(machine, load, trained, tmp_path):
    with pytest.raises(UserError, match=f"gone.pt: no such file; this experiment's own: {trained.folder.best}"):
        initializer.prepare_evaluation(load(), machine, tmp_path / "gone.pt")


def test_initial_weights_are_loaded_strictly(machine, load, trained):
    run = initializer.prepare_training(load("train.seed=9"), machine, trained.folder.best)
    assert same(run.model, read_own(trained.folder.best)["model"])
    log = run.folder.log.read_text()
    assert f"loaded: {len(run.model.state_dict())} tensors" in log
    assert "re-initialised: none" in log
    assert "ignored: nothing" in log
    assert "accuracy recorded in the file: " in log


def test_a_head_of_other_classes_needs_init_head(machine, load, trained, tmp_path):
    state = read_own(trained.folder.best)["model"]
    smaller = {key: value[:12] if key.startswith("classifier.fc") else value for key, value in state.items()}
    path = tmp_path / "twelve.pt"
    torch.save(smaller, path)
    with pytest.raises(
        UserError, match=r"does not fit 2001 \(2 of another shape: classifier.fc.weight .*; --init-head trains"
    ):
        initializer.prepare_training(load(), machine, path)
    run = initializer.prepare_training(load(), machine, path, init_head=True)
    found = run.model.state_dict()
    assert found["classifier.fc.weight"].shape[0] == 60
    assert all(torch.equal(found[key], value) for key, value in state.items() if not key.startswith("classifier"))
    assert "re-initialised: classifier.fc.weight, classifier.fc.bias" in run.folder.log.read_text()


def test_weights_are_not_scored_on_another_input_than_they_saw(machine, load, trained):
    with pytest.raises(UserError, match=r"trained with input.frames=16 \(here 20\); take it with -c .*config.yaml"):
        initializer.prepare_evaluation(load("input.frames=20"), machine, trained.folder.best)


@pytest.mark.parametrize("override", ["model.activation=relu", "data.benchmark=ntu-xview"])
def test_weights_are_not_scored_as_another_experiment(machine, load, trained, override):
    with pytest.raises(UserError, match=f"trained with {override.split('=')[0]}=.*; take it with -c"):
        initializer.prepare_evaluation(load(override), machine, trained.folder.best)


def test_a_finished_run_given_by_name_is_said_to_be_finished(machine, load, trained):
    with pytest.raises(UserError, match="of 2001 is finished; train anew with"):
        initializer.prepare_resume(load(), machine, trained.folder.path.name)


def test_sep_weights_are_refused_under_an_sg_number_naming_the_one_that_fits(machine, goldens):
    path = goldens / "pdparams/official_2013.pdparams.tar"
    with pytest.raises(UserError, match=r"has Sep layers, but 2001 has SG; it fits 2013$"):
        initializer.prepare_evaluation(config.load("2001"), machine, path)


def test_a_resumed_run_of_a_given_name_is_that_run(machine, load):
    runs = [initializer.prepare_training(load(), machine) for _ in range(2)]
    for run in runs:
        processor.save(run)
        run.close()
    resumed = initializer.prepare_resume(load(), machine, runs[0].folder.path.name)
    assert resumed.folder.path == runs[0].folder.path
    assert initializer.prepare_resume(load(), machine).folder.path == runs[1].folder.path
    with pytest.raises(UserError, match="run yesterday of 2001 does not exist"):
        initializer.prepare_resume(load(), machine, "yesterday")


def test_a_run_that_is_going_on_is_not_resumed(machine, load):
    run = initializer.prepare_training(load(), machine)
    processor.save(run)
    with pytest.raises(UserError, match="this run is going on in another process; stop that one first"):
        initializer.prepare_resume(load(), machine)
    run.close()
    assert initializer.prepare_resume(load(), machine).folder.path == run.folder.path


def test_a_run_whose_name_was_changed_by_set_is_resumed_by_number_and_by_path(machine, load):
    run = initializer.prepare_training(load("model.size=B2"), machine)
    processor.save(run)
    run.close()
    for name in (None, str(run.folder.path)):
        resumed = initializer.prepare_resume(load(), machine, name)
        assert resumed.folder.path == run.folder.path
        resumed.close()


def test_a_run_is_not_resumed_on_other_data(machine, load, write_raw, generate, tmp_path):
    run = initializer.prepare_training(load(), machine)
    processor.save(run)
    run.close()
    generate("2001", tmp_path / "store", write_raw(tmp_path / "raw", 40, frames=12))
    with pytest.raises(UserError, match="trained on other data than .*store holds; give its own --store DIR"):
        initializer.prepare_resume(load(), dataclasses.replace(machine, store=tmp_path / "store"))


@pytest.mark.parametrize("override", ["model.reduct_ratio=1000", "model.attention=fa", "model.fusion_stage=2"])
def test_sizes_that_fit_no_network_are_one_line(machine, load, tmp_path, override):
    try:
        initializer.prepare_training(load(override), machine).close()
    except UserError as error:
        assert str(error).startswith("model: these values do not fit together (")
        assert not list(tmp_path.glob("*/*"))


def test_what_is_held_out_is_counted(machine, load):
    counts = open_data(load("data.validation={column: subject, values: [8]}"), machine).counts
    assert counts == "train 30 of 40091 expected, eval 18 of 16487 expected, 6 of train held out to validate"


# --- losses that count the clips of classes


def test_class_counts_are_of_the_clips_that_train_in_the_order_of_the_classes(machine, load):
    data = open_data(load("data.validation={column: subject, values: [8]}"), machine)
    labels = [int(name[-3:]) - 1 for name in data.splits["train"].names.tolist()]
    assert len(labels) == 24
    assert count_classes(data).tolist() == [labels.count(k) for k in range(60)]


def test_the_loss_is_weighted_by_the_counts_and_the_log_tells_them(machine, load):
    run = initializer.prepare_training(load("train.loss={name: cb_focal, gamma: 1.0}"), machine)
    log = run.folder.log.read_text()
    assert "Loss function: cb_focal {'beta': 0.9999, 'gamma': 1.0}" in log
    assert "Training clips of a class: 1 to 1; 30 of 60 classes have none (brushing teeth, pickup, throw, ...)\n" in log
    batch, logits = next(iter(run.train_batches)), torch.randn(6, 60)
    expected = cb_focal(logits, batch.labels, torch.ones(60), 1.0)  # one clip each: all classes weigh the same
    torch.testing.assert_close(run.train_loss(logits, batch.labels), expected)
    torch.testing.assert_close(run.loss(logits, batch.labels), cross_entropy(logits, batch.labels))
    plain = initializer.prepare_training(load(), machine)
    assert "Training clips of a class" not in plain.folder.log.read_text()


def test_a_run_goes_on_with_the_weights_of_its_classes(machine, load):
    run = initializer.prepare_training(load("train.loss={name: weighted_cross_entropy}"), machine)
    processor.save(run)
    run.close()
    logits, labels = torch.randn(30, 60), torch.arange(30)
    again = initializer.prepare_resume(load(), machine)
    assert torch.equal(again.train_loss(logits, labels), run.train_loss(logits, labels))


def test_weights_for_another_number_of_classes_are_one_line_and_leave_no_folder(machine, load, tmp_path):
    with pytest.raises(UserError, match=r"^train\.loss\.weights: 2 weights, but 60 classes$"):
        initializer.prepare_training(load("train.loss={name: weighted_cross_entropy, weights: [1, 2]}"), machine)
    assert not list(tmp_path.glob("*_EfficientGCN*"))


# --- graph networks on annotation files ------------------------------------------------------------------------


GRAPH = ("model.base_channels=8", "train.batch_size=2", "train.epochs=1", "train.repeat=1", "test.clips=1")


@pytest.fixture(scope="module")
def graph_store(tmp_path_factory, generate):
    """A store with the parts of 3001 (3D) and 3005 (2D), six clips each."""
    folder, rng = tmp_path_factory.mktemp("graph"), np.random.default_rng(3)
    names = [f"S001C001P{n + 1:03d}R001A{n + 1:03d}" for n in range(6)]
    for number, joints, channels in (("3001", 25, 3), ("3005", 17, 2)):
        items = [
            {
                "frame_dir": name,
                "label": n,
                "total_frames": 7 + n,
                "keypoint": rng.normal(size=(1 + n % 2, 7 + n, joints, channels)).astype(np.float16),
                "keypoint_score": rng.uniform(size=(1 + n % 2, 7 + n, joints)).astype(np.float16),
                "img_shape": (1080, 1920),
            }
            for n, name in enumerate(names)
        ]
        if number == "3001":
            items = [{key: item[key] for key in ("frame_dir", "label", "total_frames", "keypoint")} for item in items]
        split = {f"{rule}_{kind}": names[kind == "val" :: 2] for rule in ("xsub", "xview") for kind in ("train", "val")}
        (folder / f"{number}.pkl").write_bytes(pickle.dumps({"split": split, "annotations": items}))
        generate(number, folder / "store", folder / f"{number}.pkl")
    return folder / "store"


@pytest.fixture
def graphs(machine, graph_store):
    return dataclasses.replace(machine, store=graph_store)


@pytest.mark.parametrize(("batch", "rate"), [(2, 0.1 * 2 / 128), (3, 0.1 * 3 / 128)])
def test_the_rate_scales_with_the_batch_and_is_logged(graphs, batch, rate):
    run = initializer.prepare_training(config.load("3001", [*GRAPH, f"train.batch_size={batch}"]), graphs)
    assert run.recipe.base_lr == pytest.approx(rate)
    assert f"Base learning rate: {rate:g} (0.1 for 128 clips a batch)" in run.folder.log.read_text()
    processor.train_step(run, next(iter(run.train_batches)))
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def test_without_a_reference_batch_the_rate_is_as_it_stands(machine, load):
    run = initializer.prepare_training(load("train.batch_size=3"), machine)
    assert run.recipe.base_lr == 0.1
    assert "Base learning rate" not in run.folder.log.read_text()


@pytest.mark.parametrize("layout", ["ntu-pyskl", "ntu-stgcn"])
def test_a_part_serves_every_convention_of_its_joints(machine, load, layout):
    data = open_data(load(f"data.layout={layout}"), machine)
    assert data.layout.name == layout
    graph = f"data={{form: ntu, parts: [ntu60], benchmark: ntu-xsub, variant: original, layout: {layout}}}"
    run = initializer.prepare_training(config.load("3001", [*GRAPH, graph]), machine)
    processor.train_step(run, next(iter(run.train_batches)))


COCO = (
    "data={form: annotations, parts: [ntu60], benchmark: ntu-xsub, variant: original, layout: coco-17, channels: xys}"
)


def test_a_part_of_other_joints_is_refused_naming_both_and_the_remedy(machine, graphs):
    with pytest.raises(
        UserError, match="ntu60: layout ntu, but the experiment needs coco-17; .* anew: python main.py -c N -gd --force"
    ):
        open_data(config.load("3005", [COCO]), machine)
    wrong = ["data.parts=[ntu60-hrnet]", "data.variant=original"]  # 17 joints in an experiment on 25
    with pytest.raises(
        UserError, match="ntu60-hrnet: layout coco-17, but the experiment needs ntu-pyskl; take"
    ) as error:
        open_data(config.load("3001", wrong), graphs)
    assert "\n" not in str(error.value)


def test_a_part_of_other_channels_is_refused(graphs):
    with pytest.raises(UserError, match="ntu60-hrnet: joints of x, y, score, but the experiment needs x, y, z; take"):
        open_data(config.load("3005", ["data.channels=xyz", "data.variant=original"]), graphs)


def test_a_test_without_labels_is_scored_and_has_no_accuracy(graphs, tmp_path):
    store = shutil.copytree(graphs.store, tmp_path / "store")
    (part,) = [path.parent for path in store.glob("*/manifest.json") if path.parent.name.endswith("3d")]
    forge(part, "labels.npy", [0, 1, 2, -1, 4, -1])
    (file,) = part.glob("split_*xsub.npy")
    forge(part, file.name, ["train", "eval", "train", "test", "train", "test"])
    machine, experiment = dataclasses.replace(graphs, store=store), config.load("3001", GRAPH)
    trained = initializer.prepare_training(experiment, machine)
    processor.train(trained)
    run = initializer.prepare_evaluation(experiment, machine, None, "test")
    found = processor.run_evaluation(run, tmp_path / "out.npz", "test")
    log = run.folder.log.read_text()
    assert "2 clips scored, none labelled: no accuracy" in log
    assert "ccuracy:" not in log.partition("2 clips scored")[2]
    assert run.folder.metrics() == [
        {"epoch": 0, "checkpoint": str(trained.folder.best), "test": {"clips": 0, "unlabelled": 2}}
    ]
    for path in (run.folder.path / "scores.npz", tmp_path / "out.npz"):
        scores = read_scores(path)
        assert scores["labels"].tolist() == [-1, -1]
        assert np.array_equal(scores["logits"], found.columns["logits"])
    assert processor.extract(run, "test")["labels"].tolist() == [-1, -1]
    with pytest.raises(UserError, match="ntu-xview has no test split here; it has eval, train$"):
        open_data(config.load("3001", ["data.benchmark=ntu-xview"]), machine, ("test",))


def test_scale_shift_counts_in_the_pixels_of_the_data(graphs, tmp_path):
    experiment = config.load("3005", [*GRAPH, "input.augment=[{name: scale_shift}]"])
    with pytest.raises(UserError, match="scale_shift counts in pixels; set data.frame_size"):
        initializer.prepare_training(experiment, graphs)
    assert not list(tmp_path.glob("3005*"))
    stated = experiment.data.model_copy(update={"frame_size": (340, 256)})  # as the forms of images state it
    data, sized = open_data(experiment, graphs), experiment.model_copy(update={"data": stated})
    assert make_loader(sized, data, "train", trains=True).pipeline.augment[0].frame_size == (340, 256)
    assert make_loader(sized, data, "eval", trains=False).pipeline.augment == []


def test_paddles_st_gcn_pp_is_evaluated_under_3041_with_the_layouts_adjacency(graphs, shared, tmp_path):
    with np.load(shared / "goldens/stgcn/paddle_stgcnpp_ntu60_hrnet.npz") as golden:
        state = {key: golden[key].astype(np.float32) for key in golden if key.startswith("state_dict/")}
        seen, expected, adjacency = (torch.from_numpy(golden[key]) for key in ("input", "logits", "A"))
    path = tmp_path / "STGCN_PlusPlus_best.pdparams"
    path.write_bytes(pickle.dumps({key.removeprefix("state_dict/"): value for key, value in state.items()}))
    run = initializer.prepare_evaluation(config.load("3041", ["test.clips=2"]), graphs, path)
    log = run.folder.log.read_text()
    assert f"Pretrained model: {path} (form paddle)" in log
    assert "  not in this form, taken from the layout: backbone.gcn.0.gcn.A, backbone.gcn.1.gcn.A, " in log
    assert torch.allclose(run.model.state_dict()["backbone.gcn.9.gcn.A"], adjacency.float(), atol=1e-6)
    with torch.inference_mode():
        logits = run.model.eval()(seen.permute(0, 1, 5, 3, 4, 2))  # (N, 1, M, T, V, C) -> (N, 1, C, T, V, M)
    assert (logits - expected).abs().max() < 1e-4
    found = processor.run_evaluation(run)
    assert found.scores.count == 3
    assert np.isfinite(found.columns["logits"]).all()


def mmcv_file(path, model, **heads):
    """Write a network of ours as PYSKL writes it, with other tensors where given."""
    torch.save({"meta": {"epoch": 16}, "state_dict": model.state_dict() | heads}, path)
    return path


def test_weights_of_another_skeleton_name_the_numbers_that_they_fit(graphs, tmp_path):
    path = mmcv_file(tmp_path / "j.pth", build_model(config.load("3001"), 60))
    with pytest.raises(UserError, match=r"j.pth: does not fit 3005; it fits 3001, 3002, 3003, 3004$"):
        initializer.prepare_evaluation(config.load("3005"), graphs, path)


def test_a_new_head_is_offered_where_only_the_head_differs(graphs, tmp_path):
    path = mmcv_file(tmp_path / "j.pth", build_model(config.load("3001"), 120))
    offer = "; --init-head trains a new head for other classes"
    with pytest.raises(UserError, match=f"does not fit 3001; it fits 3017, .*{offer}$"):
        initializer.prepare_training(config.load("3001", ["train.batch_size=2"]), graphs, path)
    with pytest.raises(UserError, match="does not fit 3001; it fits 3017, [^-]*$"):  # a new head scores nothing
        initializer.prepare_evaluation(config.load("3001"), graphs, path)


def test_published_weights_are_trained_on_with_another_skeleton_by_the_names_of_its_joints(graphs, tmp_path):
    theirs = build_model(config.load("3017"), 120)
    path = mmcv_file(tmp_path / "j.pth", theirs)
    run = initializer.prepare_training(config.load("3005", ["train.batch_size=2"]), graphs, path, init_head=True)
    assert (
        "  joints matched by name: 12; new here: nose, left_eye, right_eye, left_ear, right_ear"
        in run.folder.log.read_text()
    )
    weight, elbow = "backbone.data_bn.weight", "left_elbow"
    old, new = (model.state_dict()[weight].view(-1, 3) for model in (theirs, run.model))
    there, here = (load_layout(name).joints.index(elbow) for name in ("ntu-pyskl", "coco-17"))
    assert torch.equal(new[here], old[there])


def test_a_new_head_is_trained_on_the_body_of_a_graph_network(graphs, tmp_path):
    experiment = config.load("3001", GRAPH)
    theirs = build_model(experiment, 7)
    path = mmcv_file(tmp_path / "seven.pth", theirs)
    run = initializer.prepare_training(experiment, graphs, path, init_head=True)
    found, body = run.model.state_dict(), theirs.state_dict()
    assert found["cls_head.fc_cls.weight"].shape[0] == 60
    assert all(torch.equal(found[key], value) for key, value in body.items() if not key.startswith("cls_head."))
    assert "re-initialised: cls_head.fc_cls.weight, cls_head.fc_cls.bias" in run.folder.log.read_text()
    processor.train(run)


# --- the published weights, through the whole house -----------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "file", "golden"),
    [
        ("2001", "seed_xsub_2001.pdparams", "real_seed_xsub_2001"),
        ("2013", "official_2013.pdparams.tar", "real_official_2013"),
    ],
)
def test_padded_arrays_and_paddle_weights_give_the_originals_logits(tmp_path, goldens, generate, number, file, golden):
    expected = np.load(goldens / f"models/{golden}.npz")["logits"]
    raw = np.load(goldens / "models/input_realistic_n4.npz")["raw"]
    frames = [int(np.flatnonzero(clip.any(axis=(0, 2, 3)))[-1]) + 1 for clip in raw]
    paths = [f"/raw/S001C001P003R001A{n + 1:03d}.skeleton" for n in range(len(raw))]
    labels = expected.argmax(axis=1).tolist()
    np.save(tmp_path / "eval_data.npy", raw)
    (tmp_path / "eval_label.pkl").write_bytes(pickle.dumps((paths, labels, frames)))

    generate(number, tmp_path / "store", from_padded=tmp_path)
    machine = initializer.Machine(tmp_path / "store", tmp_path / "work", device="cpu", show_progress=False)
    run = initializer.prepare_evaluation(config.load(number), machine, goldens / "pdparams" / file)
    found = processor.evaluate(run, "eval")
    assert np.abs(found.columns["logits"] - expected).max() < 1e-4
    assert found.scores.top1 == 4
    assert score(torch.from_numpy(expected), torch.tensor(labels), torch.zeros(4)).top1 == 4
    assert "accuracy recorded in the file: 148" in run.folder.log.read_text()
