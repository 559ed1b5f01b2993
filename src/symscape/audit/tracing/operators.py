"""PyTorch's operators by name, with the rule that each follows."""

from __future__ import annotations

from typing import Any

import torch

from symscape.audit.tracing.rules import (
    Rule,
    adaptive,
    cat,
    convolution,
    cut,
    pad,
    permute,
    pointwise,
    pool,
    reduce,
    resize,
    same,
    select,
    split,
    squeeze,
    transpose,
    vector_norm,
    view,
)

RULES: dict[str, Rule] = {
    "convolution": convolution,
    "max_pool2d_with_indices": pool("max pool", True),
    "max_pool2d": pool("max pool", True),
    "avg_pool2d": pool("average pool", False),
    "_adaptive_avg_pool2d": adaptive,
    "adaptive_avg_pool2d": adaptive,
    "adaptive_max_pool2d": adaptive,
    "cat": cat,
    "linalg_vector_norm": vector_norm,
    "permute": permute,
    "select": select,
    "slice": cut,
}
RULES |= dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), pad)
RULES |= dict.fromkeys(("transpose", "t", "numpy_T"), transpose)
RULES |= dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze"), view)
RULES |= dict.fromkeys(("squeeze", "squeeze_", "flatten"), squeeze)
RULES |= dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "logsumexp"), reduce)
RULES |= dict.fromkeys(("split", "split_with_sizes", "unsafe_split", "chunk"), split)
RESIZES = (
    "upsample_bilinear2d",
    "_upsample_bilinear2d_aa",
    "upsample_bicubic2d",
    "upsample_nearest2d",
    "_upsample_nearest_exact2d",
)
RULES |= dict.fromkeys(RESIZES, resize)
RULES |= dict.fromkeys(
    (
        "native_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "cudnn_batch_norm",
        "native_group_norm",
        "native_layer_norm",
        "_softmax",
        "_log_softmax",
        "clone",
        "contiguous",
        "detach",
        "alias",
        "expand",
        "_to_copy",
        "lift_fresh",
        "native_dropout",
        "linear",
    ),
    same,
)


def rule_of(func: Any) -> Rule | None:
    """Return the rule of an operator; None where there is none."""
    name = func._schema.name.removeprefix("aten::")
    if name in RULES:
        return RULES[name]
    # Of those that work in place, some lack the tag of their twins; hardswish lacks it too.
    twin = getattr(torch.ops.aten, name.rstrip("_"), None)
    tags = {*func.tags, *getattr(getattr(twin, "default", None), "tags", ())}
    pixelwise = torch.Tag.pointwise in tags or name.rstrip("_") == "hardswish"
    return pointwise if pixelwise else None


def keeps_tokens(rule: Rule) -> bool:
    """Whether a rule holds for pixels in one dimension too."""
    return rule in (pointwise, same, reduce)
