"""Log lines in the original's form, `[ 2026-11-20 14:03:22,801 ] message`, to the console and to a file."""

import logging
import sys
from pathlib import Path

LOGGER = "gesta"
FORMAT = "[ %(asctime)s ] %(message)s"


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
