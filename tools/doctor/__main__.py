"""`python -m tools.doctor 2001`: look at machine, parts and experiment before hours are spent on them.

python -m tools.doctor 2001              an experiment: environment, its parts, splits, memory, time
python -m tools.doctor ntu60             a part of the store, or the path of one: what shows without an experiment
python -m tools.doctor 2001 --json       the same for machines

Exit code 1 when a run would be spoilt (any error), 2 when there is no such experiment or part, else 0.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import config as configs
from tools.doctor.findings import LEVELS
from utils.allocator import keep_memory
from utils.command_line import Parser, guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return the exit code."""
    parser = Parser("python -m tools.doctor", __doc__)
    parser.add_argument("what", metavar="NUMBER|PART", help="an experiment, a part of the store, or the path of either")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any config key, repeatable")
    parser.add_argument("--store", type=Path, metavar="DIR", help="the parts (or GESTA_STORE; data/npy_dataset)")
    parser.add_argument("-g", "--gpus", metavar="DEVICE", help="cpu, or a CUDA device's number (the first, else cpu)")
    parser.add_argument("--json", action="store_true", help="a list of findings, machine readable")
    parser.add_argument("--no-timing", action="store_true", help="take no training steps")
    return guarded(lambda: _report(parser.parse_args(arguments)), configs.ConfigError)


def _report(options: argparse.Namespace) -> int:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as main.py does, before torch is imported: steps are timed
    keep_memory()
    from tools.doctor.examination import Request, examine

    request = Request(options.what, options.set, options.store, options.gpus, timing=not options.no_timing)
    found = []
    for finding in examine(request):
        found.append(finding)
        if not options.json:
            print(finding.text(), flush=True)
    counts = Counter(finding.level for finding in found)
    if options.json:
        print(json.dumps([finding.row() for finding in found], indent=1))
    else:
        verdict = ", ".join(counted(counts[level], level) for level in reversed(LEVELS) if counts[level])
        print(f"\n{verdict}: {'a run would be spoilt' if counts['error'] else 'nothing speaks against a run'}")
    return 1 if counts["error"] else 0


def counted(count: int, level: str) -> str:
    """Return how many findings there are of a level, in words."""
    return f"{count} {level}{'s' if count > 1 and level != 'ok' else ''}"


if __name__ == "__main__":
    sys.exit(main())
