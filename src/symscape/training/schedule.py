"""Learning-rate schedules as factors of the base rate: pure functions of the step."""

from __future__ import annotations

import math

from symscape.config.groups import SchedulerConfig

# Where the one-cycle ramp starts (Smith & Topin 2018 start at 1/10 to 1/25 of the peak).
ONECYCLE_START = 0.04


def learning_rate_factor(step: int, total: int, config: SchedulerConfig) -> float:
    """Return the factor for optimiser step `step` in 0 .. total-1.

    steps: gamma for each milestone (a share of `total`) that has passed. cosine: half a cosine
    from 1 to 0. onecycle: linear up to 1 over the share `warmup`, then linear down to 0.
    """
    if config.name == "steps":
        passed = sum(step >= round(share * total) for share in config.milestones)
        return float(config.gamma**passed)
    if config.name == "cosine":
        return (1 + math.cos(math.pi * step / total)) / 2
    peak = min(round(config.warmup * total), total - 1)
    if step < peak:
        return ONECYCLE_START + (1 - ONECYCLE_START) * step / peak
    return (total - step) / (total - peak)
