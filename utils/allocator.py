"""The C library's allocator on Linux, told to keep the memory that torch gives back.

By default glibc returns every large tensor's memory to the system, which fills it with zeros, page by page, for the
next tensor. On a CPU that can take longer than the network itself. Kept memory costs room instead: docs/performance.md.
"""

import ctypes
import os
import platform
import sys

OFF = "GESTA_MALLOC"
OPTIONS = {  # of mallopt(3), from malloc.h
    -4: 0,  # M_MMAP_MAX: no block of memory of its own for a large tensor, which would go back with it
    -1: -1,  # M_TRIM_THRESHOLD: never give back what is free at the heap's end
    -2: 256 << 20,  # M_TOP_PAD: bytes; let the heap grow by so much at once
}


def keep_memory() -> bool:
    """Keep freed memory for what is allocated next; call it before the first tensor. Return whether it was done.

    Nothing is done without glibc, with GESTA_MALLOC=0, or where the user has set the allocator up: with one of glibc's
    own variables (MALLOC_..., GLIBC_TUNABLES), which win.
    """
    if os.environ.get(OFF) == "0" or any(map(_sets_allocator, os.environ)):
        return False
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return {mallopt(option, value) for option, value in OPTIONS.items()} == {1}


def _sets_allocator(name: str) -> bool:
    return name.startswith("MALLOC_") or (name == "GLIBC_TUNABLES" and "malloc" in os.environ[name])
