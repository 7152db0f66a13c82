"""Clips that are in no store, as evaluation takes them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from config import Config
from dataset.frame_table import FrameTable
from dataset.layouts import Layout
from dataset.loader import Clips, Loader
from dataset.memory import part_of
from dataset.packing import Packed
from dataset.splits import OWN, Benchmark
from initializer.data import Data, make_loader


def bare_data(layout: Layout, classes: Sequence[str], device: torch.device) -> Data:
    """Return data without a split: what `batches_of` asks beside the clips."""
    benchmark = Benchmark(
        OWN, column=None, train=frozenset(), stated=OWN, classes=tuple(classes), expected={}, source="clips in no store"
    )
    return Data(benchmark, layout, device, splits={}, counts="", checksums={})


def batches_of(config: Config, data: Data, clips: Sequence[Packed]) -> Loader:
    """Return the batches that evaluation would make of stored clips, at least one, with all their test clips."""
    seen, part = config.input, part_of(clips, config.input.persons)
    held = Clips(FrameTable([part], data.device), [part], [np.arange(len(clips))], seen.persons, seen.person_padding)
    return make_loader(config, replace(data, splits={"eval": held}), "eval", trains=False, clips=config.test.clips)
