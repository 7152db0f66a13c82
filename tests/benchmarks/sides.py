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
