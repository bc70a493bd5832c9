"""Hide modules from every Python that starts with this folder on its path.

A build on this machine then finds the modules of the packages that the spec requires, as
in a build root, and no others. The environment variable HIDDEN_MODULES lists the hidden
ones, separated by blanks.
"""
from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from typing import Optional

HIDDEN = frozenset(os.environ.get("HIDDEN_MODULES", "").split())


class Hider:
    """A finder that raises ModuleNotFoundError for hidden modules."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        """Raise ModuleNotFoundError for a hidden module; leave others to the next finder."""
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}: no BuildRequires has it",
                                      name=name)
        return None


sys.meta_path.insert(0, Hider)
