"""Run depmod(8), which is not in a chroot, for a kernel of a root."""
from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import List

from ...errors import OutsideRoot, Refused
from ...system.entries import write_atomic
from ...system.limits import MODULE_INDEX_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular
from ...system.run import StrPath
from ..kit.model import Context, leads_inside
from .module_trees import ADDED

# What depmod of EL8 to EL10 writes
WRITTEN = ("alias", "alias.bin", "builtin.alias.bin", "builtin.bin", "dep", "dep.bin", "devname",
           "softdep", "symbols", "symbols.bin", "weakdep")
"""The files that depmod writes, each after ``modules.``."""
# depmod.d(5). Given as options, as depmod -b reads those of this machine. The first one wins.
_CONFIGURATION = ("etc/depmod.d", "usr/local/lib/depmod.d", "lib/depmod.d")


def rebuild(version: str, ctx: Context) -> None:
    """Run depmod for one kernel version of the root.

    Raises Refused if it would follow a link out of the root.
    """
    base = base_of(version, ctx.root)
    tree = base / "lib/modules" / version
    if ctx.root == Path("/") or not any(map(_has_absolute_link, _added(tree))):
        ctx.run([*_argv(base, ctx.root), version])
        return
    with tempfile.TemporaryDirectory(prefix="node-plugin-depmod-") as name:
        copy = Path(name, "lib/modules", version)
        _mirror(tree, copy, ctx.root)
        ctx.run([*_argv(Path(name), ctx.root), version])
        for file in sorted(copy.iterdir()):
            if file.is_file() and not file.is_symlink():
                _write(resolve_inside(ctx.root, f"{folder_of(version, ctx.root)}/{file.name}"),
                       file.read_bytes())


def folder_of(version: str, root: Path) -> str:
    """Return the folder of a kernel's modules, relative to ``root``; /lib may be no link."""
    for name in ("lib/modules", "usr/lib/modules"):
        if resolve_inside(root, f"{name}/{version}").is_dir():
            return f"{name}/{version}"
    return f"lib/modules/{version}"


def base_of(version: str, root: Path) -> Path:
    """Return the folder to give depmod as its base.

    Raises Refused if depmod would follow a link out of the root.
    """
    folder = resolve_inside(root, folder_of(version, root))
    for base in (root, root / "usr"):
        name = f"{base.relative_to(root).as_posix()}/lib/modules/{version}"
        if resolve_inside(root, name) == folder and leads_inside(root, name):
            return base
    raise Refused(
        f"/lib/modules/{version} in {root} leads elsewhere by a symbolic link; depmod would"
        " write outside the root", hint="Make /lib a relative link to usr/lib, or a folder.")


def _argv(base: Path, root: Path) -> List[StrPath]:
    argv: List[StrPath] = ["depmod", "-b", base]
    for folder in dict.fromkeys(resolve_inside(root, name) for name in _CONFIGURATION):
        if folder.is_dir() or not argv[3:]:
            argv += ["-C", folder]
    return argv


def _added(tree: Path) -> List[Path]:
    return [tree / name for name in ADDED if (tree / name).is_dir()]


def _has_absolute_link(folder: Path) -> bool:
    return any(os.path.islink(path) and os.readlink(path).startswith("/")
               for above, folders, names in os.walk(folder)
               for path in (os.path.join(above, name) for name in (*folders, *names)))


def _mirror(tree: Path, copy: Path, root: Path) -> None:
    """Fill ``copy`` with links to the content of a module tree.

    An absolute link in the tree, as weak-modules makes it, leads depmod to this machine's files.
    """
    copy.mkdir(parents=True)
    added = _added(tree)
    for entry in tree.iterdir():
        if entry not in added and entry.name not in [f"modules.{name}" for name in WRITTEN]:
            (copy / entry.name).symlink_to(entry)
    for folder in added:
        for above, _, names in os.walk(folder):
            below = copy / Path(above).relative_to(tree)
            below.mkdir()
            for name in names:
                with contextlib.suppress(OutsideRoot):  # a loop of links
                    module = resolve_inside(root, os.path.relpath(Path(above, name), root))
                    if module.is_file():
                        (below / name).symlink_to(module)


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or read_regular(path, max_bytes=MODULE_INDEX_BYTES) != data:
        write_atomic(path, data)
