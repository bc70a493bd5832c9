"""The commands that repair plugins, which verify and plans name."""
from __future__ import annotations

import shlex
from pathlib import Path
from typing import Sequence

from ...policy.refusals import is_changed_by_images
from ...target import Target
from .results import Check

_RUN = "RUN"  # begins a line of a Containerfile


def repair_command(checks: Sequence[Check], target: Target, *, live_allowed: bool) -> str:
    """Return the command that repairs what ``checks`` found, empty if nothing can be.

    Records that are not the image's come first: a repair would take them for its own. A booted
    node gets a new image. That of a system in image mode is built again: the command is a line
    of its Containerfile. ``live_allowed`` is that of the configuration.
    """
    names = [check.name for check in checks if check.is_repairable]
    installroot = [] if target.live else [f"--installroot={target.root}"]
    if any(check.is_stale for check in checks):
        words = ["dnf", *installroot, "node-plugin", "verify", "--reconcile"]
    elif not names:
        return ""
    elif not is_changed_by_images(target, live_allowed=live_allowed):
        words = ["dnf", *installroot, "node-plugin", "repair", *names]
    elif target.deployed:
        words = [_RUN, "dnf", "-y", "node-plugin", "repair", *names]
    else:
        return merge_command(target.root)
    return shlex.join(words)


def merge_command(image: Path) -> str:
    """Return the command that writes an image with the plugins of ``image``, without damage."""
    return shlex.join(["ovirt-node-plugin", "merge", "IMAGE-WITHOUT-PLUGINS", "-o", "OUTPUT",
                       f"--plugins-from={image}"])


def repair_text(command: str) -> str:
    """Return the line for people about a ``command`` that repairs plugins."""
    if command.startswith(f"{_RUN} "):
        return f"To repair, in the Containerfile of the image: {command}"
    return f"To repair: {command}"
