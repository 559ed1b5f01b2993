"""The training job: from a config to a run on disk. Finished runs return before torch is loaded."""

from __future__ import annotations

from symscape.config.train import TrainConfig
from symscape.data.content import content_key
from symscape.jobs.console import log, start_logging
from symscape.jobs.train.run import TrainResult, finished, train_run
from symscape.jobs.train.width import settled
from symscape.runs.identity import identify
from symscape.stopping import stoppable


def train(config: TrainConfig) -> TrainResult:
    """Train a run, resume it, or return at once if it is completed.

    Raises:
        SymscapeError: what a user can mend, in one line.
        KeyboardInterrupt: a signal asked for an end; the same config resumes the run.
    """
    start_logging()
    with stoppable():
        notes: list[str] = []
        config = settled(config, notes.append)
        identity = identify(config, content_key(config.data))
        if (result := finished(config, identity)) is not None:
            done = f"{result.folder} is completed: nothing to do (force=true trains it anew)"
            for line in (*notes, done):
                log.info(line)
            return result
        if config.trainer.name == "ddp":
            from symscape.jobs.train.launch import train_on_ranks

            for line in notes:
                log.info(line)
            return train_on_ranks(config, identity)
        return train_run(config, identity, notes=notes)
