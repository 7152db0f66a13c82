"""`python -m tools.show_layout NAME|FILE`: draw a skeleton layout with the numbers and names of its joints.

python -m tools.show_layout ntu                       layout_ntu.png, here
python -m tools.show_layout mine.yaml --out mine.pdf  a file of yours, somewhere else, as .png or .pdf

Joints have the colours of their parts; dashed edges are extra edges, a ring marks the centre.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dataset.layouts import Layout, layout_names, load_layout
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.files import disk_errors

FORMS = (".png", ".pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.show_layout", __doc__)
    parser.add_argument("layout", metavar="NAME|FILE", help=f"{', '.join(layout_names())}; or a .yaml file")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the picture, .png or .pdf (layout_NAME.png)")
    return guarded(lambda: _show(parser.parse_args(arguments)))


def _show(options: argparse.Namespace) -> int:
    layout = load_layout(options.layout)
    out = options.out or Path(f"layout_{layout.name}.png")
    if out.suffix not in FORMS:
        raise UserError(f"--out {out}: the name must end in {' or '.join(FORMS)}")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: no such folder {out.parent}")
    from visualizer.paper.canvas import save, style  # matplotlib takes half a second to import
    from visualizer.paper.layout import draw

    with style(), disk_errors(out, "free some space, or give another --out FILE"):
        save(draw(layout), out)
    print(_described(layout))
    print(f"Written: {out}")
    return 0


def _described(layout: Layout) -> str:
    lacks = [name for name in ("pairs", "parts", "spine", "shoulders", "units") if not getattr(layout, name)]
    said = (
        f"{layout.name}: {layout.num_joints} joints, {len(layout.edges)} edges, centre {layout.joints[layout.centre]}"
    )
    return f"{said}; not stated: {', '.join(lacks)}" if lacks else said


if __name__ == "__main__":
    sys.exit(main())
