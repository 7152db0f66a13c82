"""What a live session may be told, and what it takes from the experiment where it is told nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from config import Config
from dataset.normalise import FrameSize
from dataset.variants import VARIANTS
from predictor.classifier import Classifier
from utils.errors import UserError

LONGEST_DEFAULT = 150  # frames: five seconds of NTU, of whose clips few last longer
LONGEST = 100_000  # frames: an hour, and what still fits into memory
HOPS = 8  # decisions while a window passes, where no hop is given
COUNTED = ("hop", "max_line", "max_persons", "max_rate", "queue", "clients")
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {  # that no NaN passes
    **dict.fromkeys(COUNTED, (lambda value: value >= 1, "give at least 1")),
    "window": (lambda frames: 1 <= frames <= LONGEST, f"give 1 to {LONGEST} frames"),
    **dict.fromkeys(("threshold", "margin"), (lambda value: 0 <= value <= 1, "a probability is from 0 to 1")),
    "smoothing": (lambda share: 0 <= share < 1, "give 0 (none) to less than 1 (1 would never change)"),
    "forget": (lambda seconds: seconds > 0, "give seconds, more than 0"),
    "frame_size": (lambda size: min(size) >= 1, "height and width are pixels, at least 1"),
}
IN_ORDER = ("first", "loop", "window")  # sampling that sees so many frames in a row and none behind them


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How live frames become decisions, and what is too much.

    Attributes:
        window: frames that a decision rests on at most; None: see `fitted`.
        hop: frames from one decision on a person to the next; None: an eighth of the window.
        together: a clip holds the other persons of the window, too, behind the one it is about.
        threshold: probability below which no class is decided on.
        margin: by how much a class has to be more probable than the one decided on to take its place.
        smoothing: share that the earlier probabilities keep in the new ones; 0: none.
        forget: seconds after which a person who is not seen, and after which a stream that pauses, starts anew.
        frame_size: height and width of the picture in pixels, for variants that need it.
        max_line: bytes of a line.
        max_persons: persons in a frame.
        max_rate: lines a second, and as many at once; what comes faster is dropped.
        queue: frames that wait; then the oldest is dropped.
        lossless: drop nothing, but let who sends wait; always so where the source is a file.
        clients: connections at a time.
        open_to_network: may listen on an address that other machines reach.
        source_joints: joints of a person in a line; None: the layout's.
        map_joints: makes the layout's joints (V, C) of those of a line (source_joints, C).
    """

    window: int | None = None
    hop: int | None = None
    together: bool = False
    threshold: float = 0.5
    margin: float = 0.1
    smoothing: float = 0.5
    forget: float = 2.0
    frame_size: FrameSize | None = None
    max_line: int = 1 << 18
    max_persons: int = 16
    max_rate: float = 240.0
    queue: int = 64
    lossless: bool = False
    clients: int = 4
    open_to_network: bool = False
    source_joints: int | None = None
    map_joints: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense, by the name of its flag."""
        for name, (fits, remedy) in RULES.items():
            value = getattr(self, name)
            if value is not None and not fits(value):
                raise UserError(f"--{name} {value}: {remedy}")

    def fitted(self, classifier: Classifier) -> "Settings":
        """Return the same with window and hop stated.

        Without a window it is what the network was trained on: the frames that it takes of a clip (of DeepLabCut's
        tracks, the clips' own length), at most `LONGEST_DEFAULT`: networks with 288 or 300 frames take them so that
        every clip fits, and most of what they saw behind a clip's end was zeros.

        Raises:
            UserError: if the network does not see so many frames: it would overlook the newest ones; if a setting has
                no effect on this experiment.
        """
        config, most = classifier.config, most_frames(classifier)
        usual = min(config.input.frames, getattr(config.data, "window", LONGEST_DEFAULT), LONGEST_DEFAULT)
        window = self.window or min(usual, most or usual)
        if most is not None and window > most:
            raise UserError(f"--window {window}: this network sees {most} frames of a clip; give at most so many")
        self._refuse_useless(config)
        return replace(self, window=window, hop=self.hop or max(1, window // HOPS))

    def _refuse_useless(self, config: Config) -> None:
        if self.together and config.input.persons == 1:
            raise UserError("--together has no effect: this network sees one person")
        if self.frame_size and not config.data.variant.startswith("prenormalized-2d"):
            raise UserError(f"--frame_size has no effect: {config.data.variant} data are not scaled by the picture")


def most_frames(classifier: Classifier) -> int | None:
    """Return how many frames a clip may have such that none is overlooked; None: any number."""
    config = classifier.config
    cut = VARIANTS[config.data.variant].options.get("frames")
    seen = config.frames(trains=False) if config.input.sampling.name in IN_ORDER else None
    return min((int(each) for each in (cut, seen, classifier.longest) if each is not None), default=None)
