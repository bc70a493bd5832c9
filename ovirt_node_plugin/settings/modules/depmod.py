"""Run depmod(8), which is not in a chroot, for a kernel of a root."""
from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import List, Sequence, Set, Tuple

from ...errors import OutsideRoot, Refused
from ...system.entries import write_atomic
from ...system.limits import MODULE_INDEX_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular
from ...system.run import StrPath
from ..kit.model import Context, leads_inside

# What depmod of EL8 to EL10 writes
WRITTEN = ("alias", "alias.bin", "builtin.alias.bin", "builtin.bin", "dep", "dep.bin", "devname",
           "softdep", "symbols", "symbols.bin", "weakdep")
"""The files that depmod writes, each after ``modules.``."""
# depmod(8) does not enter these links of a kernel's tree; kmod, tools/depmod.c
_NOT_ENTERED = ("build", "source")
# depmod.d(5). Given as options, as depmod -b reads those of this machine. The first one wins.
_CONFIGURATION = ("etc/depmod.d", "usr/local/lib/depmod.d", "lib/depmod.d")


def rebuild(version: str, ctx: Context) -> None:
    """Run depmod for one kernel version of the root.

    Raises Refused if it would follow a link out of the root.
    """
    base = base_of(version, ctx.root)
    tree = base / "lib/modules" / version
    linking = _linking(tree)
    if ctx.root == Path("/") or not linking:
        ctx.run([*_argv(base, ctx.root), version])
        return
    with tempfile.TemporaryDirectory(prefix="node-plugin-depmod-") as name:
        copy = Path(name, "lib/modules", version)
        _mirror(tree, copy, linking, ctx.root)
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


def _linking(tree: Path) -> List[Path]:
    """Return the entries of a module tree that are links, or folders with links.

    From outside of the root, depmod would follow them to this machine's files: weak-modules makes
    absolute ones, and so do the scriptlets of vendors.
    """
    return [path for path in tree.iterdir() if path.name not in _NOT_ENTERED
            and (path.is_symlink() or path.is_dir() and _has_link(path))]


def _has_link(folder: Path) -> bool:
    return any(os.path.islink(os.path.join(above, name))
               for above, folders, names in os.walk(folder) for name in (*folders, *names))


def _mirror(tree: Path, copy: Path, linking: Sequence[Path], root: Path) -> None:
    """Fill ``copy`` with links to the content of a module tree, with all links resolved.

    ``linking`` are its entries that are links or have some. A link to a folder is followed only
    if that is in another module tree, and to each folder once.
    """
    copy.mkdir(parents=True)
    written = [f"modules.{name}" for name in WRITTEN]
    for path in tree.iterdir():
        if path not in linking and path.name not in written:
            (copy / path.name).symlink_to(path)
    own = resolve_inside(root, os.path.relpath(tree, root))
    left: List[Tuple[Path, Path]] = [(path, copy / path.name) for path in linking
                                     if path.name not in written]
    seen: Set[Path] = set()
    while left:
        source, target = left.pop()
        with contextlib.suppress(OutsideRoot):  # a loop of links
            place = resolve_inside(root, os.path.relpath(source, root))
            if place.is_file():
                target.symlink_to(place)
            elif place.is_dir() and place not in seen and own.parent in place.parents and (
                    not source.is_symlink() or own not in (place, *place.parents)):
                seen.add(place)
                target.mkdir()
                left += [(path, target / path.name) for path in place.iterdir()]


def _write(path: Path, data: bytes) -> None:
    if not path.is_file() or read_regular(path, max_bytes=MODULE_INDEX_BYTES) != data:
        write_atomic(path, data)
