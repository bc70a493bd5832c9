"""GRUB's own parser of scripts, as a check of what is written for GRUB."""
from __future__ import annotations

import shutil
import subprocess

from .rpms import FixtureError

_PROGRAMS = ("grub-script-check", "grub2-script-check")  # Debian's and EL's name


def accepted(script: str) -> bool:
    """Return whether GRUB's parser accepts ``script``."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise FixtureError("there is no grub-script-check", hint="Run tools/setup run.")
    return subprocess.run([program], input=script.encode("latin-1"), check=False,
                          capture_output=True).returncode == 0
