"""The command ``new``, for those who make plugins."""
from __future__ import annotations

from pathlib import Path

from ..authoring.new import folder
from ..errors import Status
from ..report import new_plugin
from .program import Invocation


def new(invocation: Invocation) -> int:
    """Make the folder of a plugin."""
    options = invocation.options
    made = folder.make(options.name, options.rpms, options.folder or Path(options.name),
                       run=invocation.run)
    invocation.answer(new_plugin.answer(made), new_plugin.lines(made))
    return Status.DONE
