"""Callbacks for anyone's Lightning Trainer: `Trainer(callbacks=[KernelSymmetry()])`."""

from symscape.training.callbacks.symmetry import KernelSymmetry

__all__ = ["KernelSymmetry"]
