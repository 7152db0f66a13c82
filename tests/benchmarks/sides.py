"""Two sides of a contest that take known times."""

import time

import numpy as np


def slow(off=0.0, **_):
    return lambda: wait(0.06, off)


def fast(**_):
    return lambda: wait(0.02)


def wait(seconds, off=0.0):
    time.sleep(seconds)
    return {"sum": np.array([3.0 + off])}


def dies(**_):
    raise SystemExit("no")


def other_shape(**_):
    return lambda: {"sum": np.zeros(2)}


def warming(**_):
    """The first turn takes much longer."""
    turns = iter((0.6,))
    return lambda: wait(next(turns, 0.0))
