"""The gate: an exported file is moved into place only if it says what evaluation says.

Letters: N clips, K classes.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from config import Config
from dataset.memory import dense
from dataset.packing import Packed
from exporter.clips import Trial
from initializer.clips import batches_of
from initializer.data import Data
from initializer.network import evaluator
from processor import over_test_clips
from utils.contract import Thresholds
from utils.deployed import Program
from utils.errors import UserError

BATCHES = (1, 3)  # sizes that are tried, beside all clips at once
REMEDY = (
    "nothing was written; install the tested versions (pip install -r requirements-export.txt -c constraints.txt), "
    "and report it if it stays"
)


@torch.inference_mode()
def evaluate(config: Config, data: Data, network: nn.Module, clips: Sequence[Packed]) -> np.ndarray:
    """Return the logits (N, K) float32 of clips by the path of evaluation, and by the plain network.

    The program is made of the folded one, as fast evaluation is: the two would agree even where both are wrong.
    """
    batches = batches_of(config, data, clips)
    scorer = evaluator(data.device, plain=True)(network)
    found = [over_test_clips(scorer(batch), len(batch), config.test.average) for batch in batches]
    return torch.cat(found).numpy()


def run(program: Program, clips: Sequence[Packed], size: int) -> np.ndarray:
    """Return the logits (N, K) of clips in batches of `size`."""
    pieces = [clips[first : first + size] for first in range(0, len(clips), size)]
    return np.concatenate([program(*dense(piece, program.contract.persons)) for piece in pieces])


def refuse_other(program: Program, trial: Trial, expected: np.ndarray, limit: float = Thresholds().parity) -> float:
    """Return the greatest difference of logits over all batch sizes; raises `UserError` where it is beyond `limit`.

    The highest class must be the same. Another one passes only where evaluation itself gives it a logit within `limit`
    of the highest: a tie, which rounding decides.
    """
    worst = 0.0
    for size in sorted({*BATCHES, len(trial.clips)}):
        found = run(program, trial.clips, size)
        difference = np.abs(found - expected).max(axis=1)  # (N,)
        clip = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
        where = f"{trial.names[clip]}, in batches of {size}"
        if not difference[clip] <= limit:
            what = f"differs from the evaluation by {difference[clip]:.1e} (at most {limit:g})"
            raise UserError(f"{program.path.name}: {what} for {where}; {REMEDY}")
        lost = expected.max(axis=1) - np.take_along_axis(expected, found.argmax(axis=1)[:, None], axis=1)[:, 0]
        if lost.max() > limit:
            where = f"{trial.names[int(lost.argmax())]}, in batches of {size}"
            raise UserError(f"{program.path.name}: another highest class than the evaluation's for {where}; {REMEDY}")
        worst = max(worst, float(difference[clip]))
    return worst
