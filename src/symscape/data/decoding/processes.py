"""Decoding in parallel, in processes that share nothing with this one.

Threads do not help: for small images Pillow holds the interpreter's lock most of the time
(10,000 CIFAR JPEGs take 0.76 s in one thread and 0.93 s in two). The processes are plain children
with two pipes, not multiprocessing's: they inherit no file descriptors, do not import the user's
main script again, and work from notebooks and from daemonic workers.
"""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, cast

from symscape.data.decoding.decode import Decoded, decode_all
from symscape.errors import SymscapeError
from symscape.stopping import PAUSE, SIGNALS, safe_point

INLINE = 4
"""Chunks decoded here before processes are worth their start."""
MOST = 16
"""Processes; this one reads the source for all of them."""

Chunk = list[tuple[str, bytes]]
Answer = list[Decoded] | tuple[int, str]


def decode_chunks(
    chunks: Iterable[Chunk], image_size: int | None
) -> Generator[tuple[Chunk, list[Decoded]], None, None]:
    """Yield each chunk of (path, file bytes) with its decoded images, in order.

    Raises:
        SymscapeError: an image is broken; the first one is named.
    """
    chunks = iter(chunks)
    for _, chunk in zip(range(INLINE), chunks, strict=False):
        yield chunk, whole(chunk, decode_all([data for _, data in chunk], image_size))
    if (first := next(chunks, None)) is None:
        return
    with Processes(image_size) as processes:
        waiting = deque([(first, processes.submit(first))])
        for chunk in chunks:
            waiting.append((chunk, processes.submit(chunk)))
            if len(waiting) > 3 * processes.count:  # Bounds the memory.
                done, answer = waiting.popleft()
                yield done, whole(done, result_of(answer))
        for done, answer in waiting:
            yield done, whole(done, result_of(answer))


def result_of(answer: Future[Answer]) -> Answer:
    """Wait for an answer, between which and the last one there may be many large images."""
    while not answer.done():
        safe_point()
        wait((answer,), timeout=PAUSE)
    return answer.result()


def whole(chunk: Chunk, answer: Answer) -> list[Decoded]:
    """Return the decoded images, or raise a SymscapeError that names the broken one."""
    if isinstance(answer, tuple):
        position, why = answer
        raise SymscapeError(f"broken image {chunk[position][0]}: {why}")
    return answer


class Processes:
    """Decoding processes, a thread each that feeds it; an error in the block kills them."""

    def __init__(self, image_size: int | None) -> None:
        self.image_size = image_size
        self.count = min(MOST, cores())
        self.children = [start() for _ in range(self.count)]
        self.idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for child in self.children:
            self.idle.put(child)
        self.threads = ThreadPoolExecutor(self.count)

    def submit(self, chunk: Chunk) -> Future[Answer]:
        """Decode a chunk as soon as a process is idle."""
        return self.threads.submit(self._decode, chunk)

    def _decode(self, chunk: Chunk) -> Answer:
        child = self.idle.get()
        try:
            stdin, stdout = cast(IO[bytes], child.stdin), cast(IO[bytes], child.stdout)
            marshal.dump(([data for _, data in chunk], self.image_size), stdin)
            stdin.flush()
            return cast(Answer, marshal.load(stdout))
        except (EOFError, OSError) as error:
            names = f"{chunk[0][0]} ... {chunk[-1][0]}"
            raise SymscapeError(f"a decoding process died at one of {names}") from error
        finally:
            self.idle.put(child)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for child in self.children if kind else ():
            child.kill()  # What it decodes is not needed any more.
        self.threads.shutdown(cancel_futures=True)
        for child in self.children:
            with suppress(OSError):  # A killed one does not take what is left in the pipe.
                cast(IO[bytes], child.stdin).close()  # Its end is the sign to stop.
            cast(IO[bytes], child.stdout).close()
            child.wait()


def cores() -> int:
    """Return how many cores this process may use; systems other than Linux tell only all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start() -> subprocess.Popen[bytes]:
    """Start one decoding process, which finds the same packages as this one.

    It never sees a signal, for those are its parent's to handle: it inherits what this thread
    blocks. The parent's end closes the pipes, which ends it.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "symscape.data.decoding.decode"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
