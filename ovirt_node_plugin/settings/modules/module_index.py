"""The index of a kernel's modules, made again by depmod(8) where a plugin brings some.

No descriptor asks for it: the plugin's files do.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Set

from ...errors import Refused
from ...plugin.settings import Setting
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular
from ...system.run import StrPath
from ...undo.changes import Applied, Watch
from ..kit.model import Context, Remnant, Wanted, leads_inside

# depmod(8) takes its argument for a version only if it begins with two numbers.
_MODULE = re.compile(
    r"/(?:usr/)?lib/modules/([0-9]+\.[0-9]+[A-Za-z0-9._+~-]*)/.+\.ko(?:\.(?:gz|xz|zst))?")
# The file of a module at the end of a path; a plain search finds its name.
FILE = re.compile(r"/([^/]+)\.ko(?:\.(?:gz|xz|zst))?")
_INDEX_BYTES = 16 << 20
# depmod.d(5). Named by hand, for depmod -b reads those of this machine. Earlier ones win.
_CONFIGURATION = ("etc/depmod.d", "usr/local/lib/depmod.d", "lib/depmod.d")


@dataclass(frozen=True)
class ModuleIndex:
    """The kind ``module-index``: key the kernel version, value ``current``."""

    name: str = "module-index"
    shared: bool = True
    follows_content: bool = True
    merged: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the indexes of all kernels for which the plugin's files hold modules."""
        found = (_MODULE.fullmatch(path) for path in ctx.files)
        return tuple(
            Wanted(kind=self.name, key=version, value="current",
                   text=f"rebuild the module index of kernel {version}", item=None)
            for version in sorted({match.group(1) for match in found if match}))

    def check(self, wanted: Wanted, ctx: Context, *, mine: bool) -> None:
        """Refuse a folder that depmod would follow out of the root; see that depmod is there."""
        _base(wanted.key, ctx.root)
        ctx.run(["depmod", "--version"])

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        index = resolve_inside(ctx.root, f"{_folder(wanted.key, ctx.root)}/modules.dep")
        return "present" if index.is_file() else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_folder(wanted.key, ctx.root), "modules.*"),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        rebuild(wanted.key, ctx)

    def remake(self, last: Remnant, ctx: Context) -> None:
        rebuild(last.key, ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        """Say which modules the index names that are not there."""
        folder = _folder(applied.key, ctx.root)
        index = resolve_inside(ctx.root, f"{folder}/modules.dep")
        if not index.is_file():
            return (f"the module index of kernel {applied.key} is missing",)
        named = [line.partition(":")[0] for line in
                 read_regular(index, max_bytes=_INDEX_BYTES).decode(errors="replace").splitlines()]
        gone = [name for name in named if name.startswith("..") or not resolve_inside(
            ctx.root, name if name.startswith("/") else f"{folder}/{name}").exists()]
        return tuple(f"the module index of kernel {applied.key} names {name}, which is not there"
                     for name in gone[:1])


KIND = ModuleIndex()


def module_names(version: str, root: Path, *, builtin: bool = True) -> Set[str]:
    """Return the modules of a kernel by depmod's index, with ``_`` for ``-``.

    With ``builtin`` those too that are a part of it.
    """
    found = set()
    for name in ("modules.dep", "modules.builtin") if builtin else ("modules.dep",):
        path = resolve_inside(root, f"lib/modules/{version}/{name}")
        if path.is_file():
            text = read_regular(path, max_bytes=_INDEX_BYTES).decode(errors="replace")
            for line in text.splitlines():
                match = FILE.search("/" + line.partition(":")[0])
                if match:
                    found.add(match.group(1).replace("-", "_"))
    return found


def rebuild(version: str, ctx: Context) -> None:
    """Run depmod for one kernel version of the root.

    Raises Refused if it would follow a link out of the root.
    """
    base = _base(version, ctx.root)
    argv: List[StrPath] = ["depmod", "-b", base]
    for folder in dict.fromkeys(resolve_inside(ctx.root, name) for name in _CONFIGURATION):
        if folder.is_dir() or not argv[3:]:
            argv += ["-C", folder]
    ctx.run([*argv, version])


def _folder(version: str, root: Path) -> str:
    """Return where the modules are, relative to ``root``: a root may have no /lib link."""
    for name in ("lib/modules", "usr/lib/modules"):
        if resolve_inside(root, f"{name}/{version}").is_dir():
            return f"{name}/{version}"
    return f"lib/modules/{version}"


def _base(version: str, root: Path) -> Path:
    """Return the folder below which depmod, which is not chrooted, finds lib/modules."""
    where = resolve_inside(root, _folder(version, root))
    for base in (root, root / "usr"):
        name = f"{base.relative_to(root).as_posix()}/lib/modules/{version}"
        if resolve_inside(root, name) == where and leads_inside(root, name):
            return base
    raise Refused(
        f"/lib/modules/{version} in {root} leads elsewhere by a symbolic link; depmod would"
        " write outside the root", hint="Make /lib a relative link to usr/lib, or a folder.")
