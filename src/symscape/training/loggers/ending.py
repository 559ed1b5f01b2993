"""The end of a record of Weights & Biases, also where nothing outlives the job: on Ray."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from symscape.errors import SymscapeError

if TYPE_CHECKING:
    import wandb


def end_record(run: wandb.Run, exit_code: int = 0) -> None:
    """Finish a run of W&B, and W&B's own process with it, unless other runs need that.

    `finish` returns before that process has closed the file of the record, whose last 32 KiB (all
    of a short run) it may still hold in memory; a worker of Ray that ends kills its children. The
    next run of this process starts another, for a tenth of a second.

    Raises:
        SymscapeError: W&B's process died before it had written all.
    """
    import wandb
    from wandb.sdk import wandb_setup

    try:
        run.finish(exit_code=exit_code)
        if wandb_setup.singleton().most_recent_active_run is None:
            wandb.teardown()
    except (OSError, SystemExit) as error:  # An exit says that the process had another status.
        with suppress(OSError, SystemExit):
            wandb.teardown()  # So that the next run starts another.
        raise SymscapeError(
            f"logger=wandb: its process died ({error}); the record may lack its end"
        ) from error
