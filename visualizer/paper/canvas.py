"""Paper to draw on: one style for all pictures, without pyplot and its state, so without a display.

matplotlib takes half a second to import: what imports this is imported when something is to be drawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from utils.files import write_atomic

INK, MUTED, FAINT = "#1f2430", "#6b7280", "#dfe3e8"
BLUE, ORANGE, VERMILLION, SKY = "#0072B2", "#E69F00", "#D55E00", "#56B4E9"  # Okabe & Ito 2008: for any eye
SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#cfe3f1", "#6aaed6", "#1f77b4", "#08306b"])
ACTIVATION = LinearSegmentedColormap.from_list("activation", ["#c3ccd8", "#f0c04a", "#e07b1a", VERMILLION, "#7a1d00"])
DPI = 200
NAME = 30  # characters of a name beside a picture
FONTS = (  # the first has Latin, Greek and Cyrillic; one of the others, if it is there, what that lacks
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei",
    "PingFang SC", "Hiragino Sans", "Malgun Gothic", "Noto Sans",
)  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Draw and save in the house's style; what matplotlib is otherwise set to comes back after it."""
    installed = set(font_manager.get_font_names())
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": [name for name in FONTS if name in installed],
                "font.size": 9,
                "text.parse_math": False,  # a dollar in a name is a dollar
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.edgecolor": MUTED,
                "axes.titlesize": 10,
                "axes.titlelocation": "left",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "grid.color": FAINT,
                "grid.linewidth": 0.6,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "xtick.labelcolor": INK,
                "ytick.labelcolor": INK,
                "legend.frameon": False,
                "pdf.fonttype": 42,  # letters stay letters in a paper
            }
        )
        yield


def sheet(width: float, height: float) -> Figure:
    """Return an empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, *paths: Path) -> list[Path]:
    """Write a figure, in the form that each path's suffix says, atomically and the same bytes every time."""
    for path in paths:
        form = path.suffix.removeprefix(".")
        metadata = {"CreationDate": None} if form == "pdf" else None
        options: dict[str, Any] = {"format": form, "dpi": DPI, "bbox_inches": "tight", "metadata": metadata}
        write_atomic(path, lambda file, options=options: figure.savefig(file, **options))  # type: ignore[misc]
    return list(paths)


def colour_bar(figure: Figure, axes: Any, colours: Any, words: Mapping[float, str], shrink: float = 0.6) -> Any:
    """Draw what the colours beside `axes` mean, in words at some values, `shrink` as high; return the bar."""
    bar = figure.colorbar(colours, ax=axes, shrink=shrink, aspect=20, pad=0.015)
    bar.set_ticks(list(words), labels=list(words.values()))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    return bar


def short(name: str, most: int = NAME) -> str:
    """Return a name in one line of at most `most` characters, its middle left out where it is longer."""
    plain = " ".join(name.split())
    if len(plain) <= most:
        return plain
    tail = most // 3
    return f"{plain[: most - tail - 1]}…{plain[-tail:]}"


def width_of(names: Sequence[str], size: float) -> float:
    """Return about how many inches the longest name takes in a font of `size` points."""
    return max((len(name) for name in names), default=0) * size * 0.55 / 72


def panels(count: int) -> int:
    """Return into how many columns `count` rows are parted to stand on a page."""
    return 1 if count <= 40 else 2 if count <= 120 else -(-count // 80)
