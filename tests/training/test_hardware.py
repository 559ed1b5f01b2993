"""What a process is set to when it resolves its hardware."""

import subprocess
import sys

import pytest

CODE = """
import resource
import torch
from symscape.config.groups import TrainerConfig
from symscape.training.hardware import resolve_hardware
resolve_hardware(TrainerConfig(accelerator="cpu"), {})
for _ in range(8):
    torch.zeros(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.zeros(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_memory_of_large_activations_is_taken_again():
    def faults(**environment: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, capture_output=True, check=True
        )
        return int(done.stdout)

    assert faults() < 2000
    # What the user sets stays: every tensor of 64 MiB is taken from the system, page by page.
    assert faults(MALLOC_MMAP_THRESHOLD_="1000000") > 10_000
