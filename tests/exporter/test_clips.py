"""What a program is tried on."""

from dataclasses import replace

import numpy as np

import config
from dataset.layouts import load_layout
from dataset.memory import dense
from exporter.clips import generate, holds_parts, trial_of
from initializer.data import open_data


def test_generated_clips_have_all_lengths_and_numbers_of_persons():
    experiment = config.load("2001", ["input.frames=16"])
    trial = generate(experiment, load_layout("ntu"), longest=30, count=16)
    joints, frames = dense(trial.clips)
    assert joints.shape == (16, 2, 30, 25, 3)
    assert joints.dtype == np.float32
    assert {1, 15, 16, 17, 30} <= set(frames.tolist())
    assert {0, 1, 2} == set(joints.any(axis=(2, 3, 4)).sum(axis=1).tolist())
    assert not any(clip[:, count:].any() for clip, count in zip(joints, frames, strict=True))
    assert all(f"({count} frames" in name for name, count in zip(trial.names, frames.tolist(), strict=True))


def test_the_part_is_tried_where_the_store_holds_it(machine, small_store, small):
    experiment, layout = config.load("2001", small), load_layout("ntu")
    assert not holds_parts(experiment, machine)
    assert trial_of(experiment, machine, layout, 1024).source == "generated clips"
    machine = replace(machine, store=small_store)
    trial = trial_of(experiment, machine, layout, 1024)
    assert trial.source == "evaluation clips of ntu60"
    clips = open_data(experiment, machine, ("eval",)).splits["eval"]
    assert trial.names == clips.names.tolist()
    assert [clip.frames for clip in trial.clips] == clips.frames.tolist()
    few = trial_of(experiment, machine, layout, 1024, count=5).names
    assert (few[0], few[-1], len(set(few))) == (trial.names[0], trial.names[-1], 5)  # from all over the split
    assert set(few) < set(trial.names)
    short = [name for name, clip in zip(trial.names, trial.clips, strict=True) if clip.frames <= 12]
    assert trial_of(experiment, machine, layout, 12).names == short


def test_clips_of_the_part_are_what_evaluation_reads(machine, small_store, small):
    import torch

    experiment, layout = config.load("2001", small), load_layout("ntu")
    machine = replace(machine, store=small_store)
    joints, frames = dense(trial_of(experiment, machine, layout, 1024).clips)
    clips = open_data(experiment, machine, ("eval",)).splits["eval"]
    t = torch.arange(joints.shape[2]).expand(len(joints), -1)
    expected, _ = clips.joints(torch.arange(len(joints)), t)
    np.testing.assert_array_equal(joints, expected.permute(0, 4, 2, 3, 1).numpy())
    assert frames.tolist() == clips.frames.tolist()
