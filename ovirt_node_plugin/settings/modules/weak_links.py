"""Links to the modules of a plugin below the kernels that load them, as weak-modules makes them."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Tuple

from ...system.paths import resolve_inside
from ...undo.changes import Change, capture, difference
from ..kit.model import Context
from . import module_index, module_trees
from .module_fits import link_paths

_PROGRAM = "usr/sbin/weak-modules"


def make_links(ctx: Context) -> Tuple[Change, ...]:
    """Make the links for the modules of a plugin whose packages are installed.

    The root's own weak-modules does it if there is one. Returns the changes of module indexes.
    """
    paths = [path for path in ctx.files if module_index.MODULE.fullmatch(path)
             and resolve_inside(ctx.root, path).is_file()]
    kernels = module_trees.kernels(ctx.root)
    foreign = [path for path in paths for kernel in kernels if f"/{kernel}/" not in path]
    program = resolve_inside(ctx.root, _PROGRAM).is_file()
    if not (foreign if program else any(fit.links for fit in ctx.modules.values())):
        return ()
    watches = [watch for kernel in kernels for watch in module_index.watches(kernel, ctx.root)]
    before = capture(ctx.root, watches)
    if program:
        ctx.in_root(f"/{_PROGRAM}", "--add-modules", "--no-initramfs",
                    stdin="".join(f"{path}\n" for path in paths).encode())
    else:
        for place, target in link_paths(ctx.modules, ctx.root):
            _make_link(resolve_inside(ctx.root, place, follow_last=False), target)
    return difference(before, capture(ctx.root, watches))


def _make_link(where: Path, target: str) -> None:
    for folder in reversed(where.parents):
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)  # whatever the umask
    if where.is_symlink():
        if os.readlink(where) == target:
            return
        where.unlink()
    where.symlink_to(target)
