"""Programs of a root by their names."""
from __future__ import annotations

from typing import Sequence

from ...system.paths import resolve_inside
from .model import Context

_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


def has_program(name: str, ctx: Context) -> bool:
    """Return whether the root has the program ``name``, a name or an absolute path."""
    return any(resolve_inside(ctx.root, path).is_file() for path in _paths(name))


def brings_program(name: str, ctx: Context) -> bool:
    """Return whether the plugin's packages bring the program ``name``."""
    return any(ctx.brings(path) is not None for path in _paths(name))


def _paths(name: str) -> Sequence[str]:
    return [name] if name.startswith("/") else [f"{folder}/{name}" for folder in _FOLDERS]
