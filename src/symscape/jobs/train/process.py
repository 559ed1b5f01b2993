"""One of the processes that train one network, started by `launch`.

The first line of its standard input says what to do; the end of that input says that whoever
started it is gone. What came of it goes, as JSON, to the file descriptor that the line names.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symscape.config.train import TrainConfig
from symscape.data.content import content_key
from symscape.errors import SymscapeError
from symscape.jobs.console import start_logging
from symscape.jobs.train.run import TrainResult, train_run
from symscape.runs.configs import parse_config
from symscape.runs.identity import identify
from symscape.stopping import STATUS, Interrupted, handling, stoppable, waited_for
from symscape.training.ranks.place import Place

if TYPE_CHECKING:
    from symscape.training.ranks.meeting import Meeting
    from symscape.training.setup import Setup

TIDYING = 60.0
"""Seconds that the first rank has to stop in good order once nobody waits for it."""


def train_rank(config: TrainConfig, meeting: Meeting) -> TrainResult:
    """Do one rank's part of a run; all return the same result.

    Raises:
        SymscapeError: what a user can mend, in one line; the first rank's is raised by all.
    """
    meeting.begin_run()
    return _follow(config, meeting) if meeting.place.rank else _lead(config, meeting)


def _lead(config: TrainConfig, meeting: Meeting) -> TrainResult:
    """Train as one process would, and bring the others in for the steps."""
    told = False

    @contextmanager
    def together(setup: Setup) -> Iterator[Place]:
        nonlocal told
        told = True
        order = {
            "hardware": setup.hardware.as_dict(),
            "pixels": setup.data.content,
            "content": setup.identity.content,
        }
        meeting.tell("start", order)
        with meeting.connected(setup.hardware.accelerator):
            yield meeting.place

    end: dict[str, Any] = {"stopped": "the first rank was stopped"}
    try:
        result = train_run(config, identify(config, content_key(config.data)), together)
        end = {"folder": str(result.folder), "figures": result.figures, "trained": result.trained}
        return result
    except Exception as error:
        end = {"error": str(error) if isinstance(error, SymscapeError) else repr(error)}
        raise
    finally:
        if not told:
            meeting.tell("start", {})
        meeting.tell("end", end)
        if not told or "figures" in end:  # Else others may be gone, and not worth waiting for.
            meeting.leave_run()


def _follow(config: TrainConfig, meeting: Meeting) -> TrainResult:
    """Take part in the steps, and hear how the run ended; nothing is written."""
    # Signals are left to the first rank, whose end ends this one.
    with handling(lambda *_: None):
        if order := meeting.hear("start"):
            _take_part(config, meeting, order)
        end = meeting.hear("end")
        meeting.leave_run()
    if "stopped" in end:
        raise Interrupted(end["stopped"])
    if "error" in end:
        raise SymscapeError(end["error"])
    return TrainResult(Path(end["folder"]), end["figures"], end["trained"])


def _take_part(config: TrainConfig, meeting: Meeting, order: dict[str, Any]) -> None:
    from symscape.data.load import load_data
    from symscape.training.fit import follow
    from symscape.training.hardware import Hardware
    from symscape.training.setup import Setup

    data = load_data(config.data, order["content"])
    if data.content != order["pixels"]:
        raise SymscapeError("the images are not those of the first rank")
    identity, hardware = identify(config, order["content"]), Hardware(**order["hardware"])
    with meeting.connected(hardware.accelerator):
        follow(Setup(config, identity, data, hardware, meeting.place))


def main() -> int:
    """Be one rank; return the exit status."""
    order = json.loads(sys.stdin.buffer.readline())
    os.set_inheritable(order["report"], False)
    place = Place(**order["place"])
    if place.rank == 0:
        start_logging()
    else:
        logging.getLogger("symscape").addHandler(logging.NullHandler())
    with stoppable():
        threading.Thread(target=_end_with_parent, args=(place.rank,), daemon=True).start()
        report, status = _reported(parse_config(order["config"]), place)
    # Whoever started it may be gone, and nobody left to report to.
    with suppress(BrokenPipeError), os.fdopen(order["report"], "w") as file:
        json.dump(report, file)
    return status


def _reported(config: TrainConfig, place: Place) -> tuple[dict[str, Any], int]:
    from symscape.training.ranks.meeting import LostRanksError, Meeting

    try:
        result = train_rank(config, waited_for(partial(Meeting, place)))
    except LostRanksError as error:
        return {"error": str(error), "lost": True}, 1
    except SymscapeError as error:
        return {"error": str(error)}, 1
    except (Interrupted, KeyboardInterrupt):
        return {}, STATUS
    except Exception as error:
        return {"error": repr(error), "traceback": traceback.format_exc()}, 1
    return {"figures": result.figures, "trained": result.trained}, 0


def _end_with_parent(rank: int) -> None:
    """Wait for the end of standard input: then nobody is left to end this process.

    The first rank stops in good order, or at once where it was at that already: Ctrl-C for a second
    time. The others end when they lose it.
    """
    sys.stdin.buffer.read()
    if rank == 0:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(TIDYING)
    os._exit(1)


if __name__ == "__main__":
    # Taking the interpreter down with a cut-off backward pass in its threads may crash.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
