"""`python -m tools.compare RUN_A RUN_B...`: what differs between runs on the same clips, and how sure that is.

An operand is a run folder, a number (its newest run that was evaluated), or an .npz of scores (of -e --out, or of
tools.fuse). Clips are joined by name. All others are compared with the first one: differences in top-1 with McNemar's
exact test and a bootstrap interval, classes, and the clips that only one of two gets right (docs/compare.md).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

import config
from tools.compare.comparison import Comparison, compare, joined, mean_class, right
from tools.compare.page import Names, Side, points, write
from tools.operands import Operand, class_names, find_operand, read_operand
from utils.command_line import Parser, guarded
from utils.errors import UserError
from utils.fusion import ClipScores
from utils.run_folder import LAST_SCORES, SCORES
from utils.statistics import p_words
from utils.tables import table

PAGE = "compare.html"
SHOWN = 8  # classes in the terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.compare", __doc__)
    add = parser.add_argument
    add("operands", nargs="+", metavar="RUN|NUMBER|FILE")
    add("--last", action="store_true", help="compare the runs' last epochs, not the epochs that were best")
    add("--out", type=Path, metavar="FILE", help=f"the page (an .html; {PAGE} in the work directory)")
    add("-w", "--work_dir", type=Path, metavar="DIR", help="the runs (workdir)")
    return guarded(lambda: _main(parser.parse_args(arguments)), config.ConfigError)


def _main(options: argparse.Namespace) -> int:
    if not 2 <= len(options.operands) <= len(ascii_uppercase):
        raise UserError(f"give 2 to {len(ascii_uppercase)} runs; the first one is what the others are compared with")
    if options.out and options.out.suffix != ".html":
        raise UserError(f"--out {options.out}: the page is an .html")
    work_dir = config.work_folder(options.work_dir)
    wanted = LAST_SCORES if options.last else SCORES
    operands = [find_operand(each, work_dir, wanted) for each in options.operands]
    _refuse_twice([each.file for each in operands])
    scores = joined([_read(each) for each in operands])
    sides = [_side(*each) for each in zip(ascii_uppercase, operands, scores, strict=False)]
    found = [compare(scores[0], other) for other in scores[1:]]
    names = Names(_class_names(operands, scores[0].num_classes))
    out = options.out or work_dir / PAGE
    epochs = f"{'last' if options.last else 'best'} epochs"
    write(out, sides, found, names, epochs if any(each.run for each in operands) else "files of scores")
    _say(sides, found, names)
    print(f"\nPage: {out}")
    return 0


def _refuse_twice(files: Sequence[Path]) -> None:
    places = [file.resolve() for file in files]
    twice = next((file for file, place in zip(files, places, strict=True) if places.count(place) > 1), None)
    if twice:
        raise UserError(f"{twice}: named twice, and nothing differs from itself; name another run")


def _read(operand: Operand) -> ClipScores:
    if operand.file.suffix == ".pkl":
        raise UserError(f"{operand.file}: holds no clip names, by which clips are joined; give a run or an .npz")
    return read_operand(operand.file)


def _side(letter: str, operand: Operand, scores: ClipScores) -> Side:
    return Side(
        letter, _title(operand), str(operand.run or operand.file), float(right(scores).mean()), mean_class(scores)
    )


def _title(operand: Operand) -> str:
    known = operand.config
    if known is None:
        return operand.file.name
    return f"{known.number} {known.model.label}, {known.data.label} {known.input.streams}, seed {known.train.seed}"


def _class_names(operands: Sequence[Operand], count: int) -> tuple[str, ...]:
    """Return the names that the first run that knows them has."""
    for run in [each.run for each in operands if each.run]:
        try:
            names = class_names(run, count)
        except UserError as error:  # of a damaged checkpoint: names are an extra
            print(f"{error}: its names of the classes are not shown")
            continue
        if names:
            return names
    return ()


# --- what is printed


def _say(sides: Sequence[Side], found: Sequence[Comparison], names: Names) -> None:
    first, *others = sides
    print(f"{found[0].clips} clips of {len(found[0].classes)} classes; differences in points, less {first.letter}\n")
    header = ("", "top-1", "mean class", "difference", "95% interval", "p", "gained", "lost", "run")
    rows = [_row(side, each) for side, each in zip(others, found, strict=True)]
    print(table([header, _row(first, None), *rows]))
    for side, each in zip(others, found, strict=True):
        print(f"\nClasses, {side.letter} less {first.letter}:\n{_classes(each, first.letter, side.letter, names)}")


def _row(side: Side, found: Comparison | None) -> tuple[str, ...]:
    figures = (side.letter, f"{side.top1:.2%}", f"{side.mean_class:.2%}")
    if found is None:
        return (*figures, *"-----", side.source)
    interval = " to ".join(map(points, found.interval))
    flipped = (str(len(found.gained)), str(len(found.lost)))
    return (*figures, points(found.delta), interval, p_words(found.p), *flipped, side.source)


def _classes(found: Comparison, one: str, two: str, names: Names) -> str:
    """Return the classes that changed most, as a table."""
    changed = found.most_changed
    rows = [
        (
            names[each.label],
            str(each.clips),
            f"{each.first:.1%}",
            f"{each.second:.1%}",
            points(each.delta),
            p_words(each.q),
        )
        for each in changed[:SHOWN]
    ]
    more = f"\nand {len(changed) - SHOWN} more, which changed less" if len(changed) > SHOWN else ""
    return table([("class", "clips", one, two, "difference", "q"), *rows]) + more


if __name__ == "__main__":
    sys.exit(main())
