"""Worker processes that read sources, a few at a time and in order."""

import atexit
import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

from dataset.writer import ReadSource
from generator.clips import read_source
from generator.parcels import shelf, unwrap, wrap
from utils.errors import UserError
from utils.recording import Reader, Source

CHUNK = 16  # sources a task: few, so that little is lost by a kill, and little in memory
LARGE_CHUNK = 192  # of many sources: handing a task over takes a turn of the main process, which is busy reading
CHUNK_BYTES = 1 << 26  # of the files that a task reads, where it reads more than one: long recordings go one by one
TASKS = 64  # a process, at least, if there are sources enough: so that all end together
QUEUED, MOST_PENDING = 3, 6  # chunks a worker: read, being read, and waiting for one before them
WRITING_SHARE = 0.05  # of the time that may go into writing, which ends with waiting for the disk, while ...
GATHERED_BYTES = 1 << 24  # ... no more than this is held back
ATTEMPTS = 9  # to remove a folder in which the main thread may just be putting something

ReadChunk = Callable[[list[Source]], list[ReadSource]]


def read_in_order(
    reader: Reader, sources: Sequence[Source], variants: tuple[str, ...], jobs: int
) -> Iterator[list[ReadSource]]:
    """Yield results, some at a time and in the sources' order, however many processes read them.

    As few as a task reads, or so many that what is done with them takes little of the time.
    """
    yield from _gather(_read_chunks(reader, sources, variants, jobs))


def _gather(chunks: Iterable[list[ReadSource]]) -> Iterator[list[ReadSource]]:
    """Join chunks until reading took long beside what was done with the last ones, or they hold much."""
    gathered, held, spent, since = list[ReadSource](), 0, 0.0, time.monotonic()
    for chunk in chunks:
        gathered += chunk
        held += sum(packed.rows.nbytes for source in chunk for clip in source.clips for packed in clip.packed.values())
        if held >= GATHERED_BYTES or time.monotonic() - since >= spent / WRITING_SHARE:
            before = time.monotonic()
            yield gathered
            since = time.monotonic()
            gathered, held, spent = [], 0, since - before
    if gathered:
        yield gathered


def _read_chunks(
    reader: Reader, sources: Sequence[Source], variants: tuple[str, ...], jobs: int
) -> Iterator[list[ReadSource]]:
    chunks = chunks_of(sources, min(LARGE_CHUNK, max(CHUNK, len(sources) // (TASKS * jobs))) if jobs > 1 else CHUNK)
    read = partial(_read_chunk, reader, variants=variants)
    if jobs == 1 or len(sources) <= CHUNK or not reader.parallel:
        yield from map(read, chunks)
    else:
        yield from _read_in_processes(read, chunks, jobs - 1)


def _read_in_processes(read: ReadChunk, chunks: Iterable[list[Source]], workers: int) -> Iterator[list[ReadSource]]:
    """Yield what is read of chunks by this process and so many workers."""
    context = get_context("spawn")  # the same on every system, and no copies of our threads and locks
    with shelf() as folder, ProcessPoolExecutor(workers, context, _live_and_die_with_parent, (folder,)) as pool:
        try:
            read_and_wrap = partial(_read_and_wrap, read, folder)
            yield from _share(lambda chunk: pool.submit(read_and_wrap, chunk), workers, chunks, read)
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process died (out of memory?); the same command goes on where it stopped"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _share(
    submit: Callable[[list[Source]], Future[Any]], workers: int, chunks: Iterable[list[Source]], read: ReadChunk
) -> Iterator[list[ReadSource]]:
    """Yield what is read of chunks, in order: by workers, and by this process while they have enough to do.

    One of so many jobs is this process itself: nothing has to be started for it, and half of two jobs' results need
    not go from one process to another. It goes on alone until each worker has read the first source, too: what they
    import for it takes as long as a hundred chunks, and no chunk waits for that.
    """
    starting = list[Future[Any]]()
    pending: deque[Future[Any]] = deque()
    for chunk in chunks:
        starting = starting or [submit(chunk[:1]) for _ in range(workers)]
        is_free = sum(not future.done() for future in pending) < QUEUED * workers
        if is_free and all(future.done() for future in starting):
            pending.append(submit(chunk))
        else:
            pending.append(Future())
            pending[-1].set_result(read(chunk))
        while pending and (pending[0].done() or len(pending) > MOST_PENDING * workers):  # bounds what is in memory
            yield unwrap(pending.popleft().result())
    while pending:
        yield unwrap(pending.popleft().result())


def chunks_of(sources: Iterable[Source], most: int = CHUNK) -> Iterator[list[Source]]:
    """Yield sources, at most so many at a time, of one file or of files of at most `CHUNK_BYTES` together."""
    chunk, files = list[Source](), dict[str, int]()
    for source in sources:
        files[str(source.path)] = source.size
        if len(chunk) == most or (len(files) > 1 and sum(files.values()) > CHUNK_BYTES):
            yield chunk
            chunk, files = [], {str(source.path): source.size}
        chunk.append(source)
    if chunk:
        yield chunk


def _live_and_die_with_parent(folder: Path | None) -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent is killed, which no longer removes `folder`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if folder:
        folder.mkdir(mode=0o700, exist_ok=True)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # if this thread misses it first
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        for _ in range(ATTEMPTS):
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read_chunk(reader: Reader, sources: Sequence[Source], variants: tuple[str, ...]) -> list[ReadSource]:
    return [read_source(reader, source, variants) for source in sources]


def _read_and_wrap(read: ReadChunk, folder: Path | None, sources: list[Source]) -> Any:
    return wrap(read(sources), folder)
