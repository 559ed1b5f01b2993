"""Importing this lets a signal end the process in a line from then on.

For the doors, which import it before all else: their imports take a moment, in which Ctrl-C would
give a traceback. `door.run_door` says what happens afterwards.
"""

import signal

from symscape.stopping import SIGNALS, end_at_once

for _each in SIGNALS:
    signal.signal(_each, end_at_once)
