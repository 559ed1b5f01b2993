"""Typed schemas of every config, with their checks: what doors share, then one file a door.

Hydra composes the yaml files of `cfg/` onto these dataclasses, so an unknown key or a value of the
wrong type never reaches a job. Each `__post_init__` checks what a type cannot say. This room
imports neither torch nor Hydra: `--help` and the skipping of finished runs stay fast.
"""
