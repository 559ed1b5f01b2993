"""A signal takes effect at a safe point, and nowhere else."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from symscape import stopping
from symscape.stopping import SIGNALS, Interrupted, handling, safe_point, stoppable, waited_for


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_a_safe_point(number):
    reached = []
    with pytest.raises(KeyboardInterrupt, match=signal.Signals(number).name), stoppable():
        send(number)
        reached.append("after the signal")
        safe_point()
        reached.append("after the safe point")
    assert reached == ["after the signal"]


def test_a_safe_point_without_a_signal_does_nothing():
    safe_point()
    with stoppable():
        safe_point()


def test_what_is_done_before_a_safe_point_comes_is_done():
    with stoppable():
        send()
    safe_point()  # The signal was of that block.


def test_within_another_block_it_stays_what_lightning_does_not_swallow():
    with pytest.raises(KeyboardInterrupt), stoppable():
        with pytest.raises(Interrupted), stoppable():
            send()
            safe_point()
        safe_point()  # The outer block is asked to stop, too.


def test_handlers_that_the_block_sets_are_taken_back():
    before = [signal.getsignal(each) for each in SIGNALS]
    with stoppable():
        ours = signal.getsignal(signal.SIGTERM)
        with stoppable():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is ours
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_only_the_main_thread_stops():
    ended = []

    def work():
        with stoppable():
            safe_point()
            ended.append("in order")

    with pytest.raises(KeyboardInterrupt), stoppable():
        send()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        safe_point()
    assert ended == ["in order"]


def test_a_second_signal_of_the_same_stroke_changes_nothing():
    with pytest.raises(KeyboardInterrupt), stoppable():
        send(signal.SIGINT)
        send(signal.SIGINT)
        send(signal.SIGTERM)
        safe_point()


def test_an_impatient_second_ctrl_c_ends_the_process_at_once():
    code = f"""
import os, signal, time
from symscape import stopping
with stopping.stoppable():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep({stopping.IMPATIENT} + 0.1)
    os.kill(os.getpid(), signal.SIGTERM)  # A batch system's, which says it twice.
    print("patient", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("never reached")
"""
    end = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (end.returncode, end.stdout, end.stderr) == (130, "patient\n", "interrupted\n")


def test_work_that_nothing_cuts_short_is_left_behind():
    free = threading.Event()
    with pytest.raises(KeyboardInterrupt), stoppable():
        threading.Timer(0.2, send).start()
        waited_for(lambda: free.wait(60))
    free.set()


def test_work_in_the_background_returns_and_raises():
    assert waited_for(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        waited_for(lambda: 1 // 0)


def test_handlers_are_restored_even_where_the_block_fails():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), handling(signal.SIG_IGN):
        1 // 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is before
