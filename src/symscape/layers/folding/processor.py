"""What kind of CPU this is, as far as it decides what a multiplication costs."""

from __future__ import annotations

from functools import cache

import torch

NATIVE_BFLOAT16 = ("amx_bf16", "avx512_bf16", "bf16", "arm_bf16")
"""PyTorch's names of what multiplies bfloat16 in hardware, the fastest first."""
OTHER = "other"


@cache
def processor() -> str:
    """Return the fastest way in which this CPU multiplies bfloat16: one of `NATIVE_BFLOAT16`.

    `other` where it has none. A kind rather than a model: runs of a seed repeat on all of a kind.
    """
    has = torch.cpu.get_capabilities()
    return next((name for name in NATIVE_BFLOAT16 if has.get(name)), OTHER)
