"""Hide modules from every Python that is started with this folder on its path.

So a build on this machine sees what a build root has: the modules of the packages
that the spec asks for, and no others that happen to be here. The environment variable
HIDDEN_MODULES names them, with blanks between.
"""
from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from typing import Optional

HIDDEN = frozenset(os.environ.get("HIDDEN_MODULES", "").split())


class Hider:
    """A finder that answers for the hidden modules: there is none."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        """Raise ModuleNotFoundError for a hidden module; leave others to the next finder."""
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}: no BuildRequires has it",
                                      name=name)
        return None


sys.meta_path.insert(0, Hider)
