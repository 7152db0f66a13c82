"""Log lines in the original's form, `[ 2026-11-20 14:03:22,801 ] message`, to the console and to a file."""

import logging
import re
import sys
from pathlib import Path

LOGGER = "gesta"
FORMAT = "[ %(asctime)s ] %(message)s"
TOTAL = re.compile(rb"Total time: (\d+)d-(\d+)h-(\d+)m-(\d+)s")  # of `duration`
UNITS = (86400, 3600, 60, 1)


def share(part: int, whole: int) -> str:
    """Return `37300/37632(99.12%)`: the percentage is derived from the counts beside it."""
    return f"{part}/{whole}({part / whole:.2%})"


def duration(seconds: float) -> str:
    """Return `00d-13h-15m-32s`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02d}d-{hours:02d}h-{minutes:02d}m-{rest:02d}s"


def total_seconds(log: bytes) -> int | None:
    """Return the time of training, resumptions included, that a run's log states last; None where it states none."""
    stated = TOTAL.findall(log)
    return sum(int(part) * unit for part, unit in zip(stated[-1], UNITS, strict=True)) if stated else None


def start(path: Path | None = None) -> logging.Logger:
    """Return the logger, writing to stdout and, where given, appending to `path`; earlier targets are closed."""
    logger = logging.getLogger(LOGGER)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if path is not None:
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
