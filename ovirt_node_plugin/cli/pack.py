"""The command ``pack``, for those who make plugins."""
from __future__ import annotations

from pathlib import Path

from ..authoring.pack.pack import PackOrder
from ..authoring.pack.pack import pack as pack_plugin
from ..report import packed_plugin
from .program import Invocation
from .signals import signals_exit


def pack(invocation: Invocation) -> int:
    """Make a repository and a tar of a plugin, to publish."""
    options = invocation.options
    order = PackOrder(bundle=options.bundle, output=options.folder or Path(),
                  complete=tuple(options.complete), key=options.sign, baseurl=options.baseurl,
                  force=options.force)
    with signals_exit():
        packed = pack_plugin(order, run=invocation.run, progress=invocation.progress)
    invocation.answer(packed_plugin.answer(packed), packed_plugin.lines(packed))
    return packed.report.status(strict=False)
