"""The module index of each kernel for which a plugin has modules, rebuilt by depmod(8).

It is implied by the plugin's files. The links to modules that were built for other kernels are
part of it.
"""
from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Sequence, Set

from ...errors import OutsideRoot, Refused
from ...plugin.settings import Setting
from ...system.differences import MISSING
from ...system.limits import MODULE_INDEX_BYTES
from ...system.paths import resolve_inside
from ...system.regular_files import TooLarge, read_regular
from ...undo.changes import Applied, Watch
from ..kit.model import Context, DerivedRemoval, SettingProblem, Wanted
from . import module_trees
from .depmod import WRITTEN, base_of, folder_of, rebuild

# depmod(8) reads its argument as a version only if it begins with two numbers.
_VERSION = r"[0-9]+\.[0-9]+[A-Za-z0-9._+~-]*"
MODULE = re.compile(rf"/(?:usr/)?lib/modules/({_VERSION})/.+\.ko(?:\.(?:gz|xz|zst))?")
# The file name of a module at the end of a path.
FILE = re.compile(r"/([^/]+)\.ko(?:\.(?:gz|xz|zst))?")
_PLACE = re.compile(r"(?:usr/)?lib/modules/[^/]+/(?:.+/)?([^/]+)\.ko(?:\.(?:gz|xz|zst))?")
WEAK_LINKS = "weak-updates"
"""The folder in a module tree with links to modules that were built for other kernels."""


@dataclass(frozen=True)
class ModuleIndex:
    """The kind ``module-index``: key is the kernel version, value ``current``."""

    name: str = "module-index"
    shared: bool = True
    follows_content: bool = True
    merged: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the index of each kernel for which the plugin has modules, or gets links."""
        modules: Dict[str, List[str]] = {}
        links: Dict[str, List[str]] = {}
        for path in ctx.files:
            match = MODULE.fullmatch(path)
            if match:
                modules.setdefault(match.group(1), []).append(path)
            for kernel in ctx.modules[path].links if path in ctx.modules else ():
                links.setdefault(kernel, []).append(module_name(path.lstrip("/")))
        return tuple(
            replace(wanted_index(version, sorted(links.get(version, ()))),
                    notes=tuple(_fit_notes(sorted(modules.get(version, ())), ctx)))
            for version in sorted({*modules, *links}))

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a folder that leads depmod out of the root, and a missing depmod."""
        base_of(wanted.key, ctx.root)
        ctx.run(["depmod", "--version"])

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        index = resolve_inside(ctx.root, f"{folder_of(wanted.key, ctx.root)}/modules.dep")
        return "present" if index.is_file() else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return watches(wanted.key, ctx.root)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        rebuild(wanted.key, ctx)

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        _remove_dangling(folder_of(removal.key, ctx.root), removal, ctx.root)
        rebuild(removal.key, ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        """Return a problem for each link that is missing, and for the first missing module."""
        return (*_link_problems(applied, ctx.root), *self._index_problems(applied, ctx))

    def _index_problems(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        folder = folder_of(applied.key, ctx.root)
        index = resolve_inside(ctx.root, f"{folder}/modules.dep")
        if not index.is_file():
            return (SettingProblem(f"the module index of kernel {applied.key} is missing",
                                   f"/{folder}/modules.dep", (MISSING,)),)
        missing = [name for name in _listed(index) if name.startswith("..") or not resolve_inside(
            ctx.root, name if name.startswith("/") else f"{folder}/{name}").exists()]
        return tuple(
            SettingProblem(f"the module index of kernel {applied.key} names {name}, which is not"
                           " there", name if name.startswith("/") else f"/{folder}/{name}",
                           (MISSING,))
            for name in missing[:1])


KIND = ModuleIndex()


def wanted_index(version: str, linked: Sequence[str] = ()) -> Wanted:
    """Return the setting that keeps the module index of the kernel ``version``.

    ``linked`` are the modules to link below it.
    """
    text = f"rebuild the module index of kernel {version}"
    if linked:
        text = (f"link {', '.join(linked)} into weak-updates of kernel {version}, and rebuild its"
                " module index")
    return Wanted(kind=KIND.name, key=version, value="current", text=text, item=None)


def _fit_notes(paths: Iterable[str], ctx: Context) -> Iterator[str]:
    """Yield a line for each module that no kernel of the root loads."""
    for path in paths:
        fit = ctx.modules.get(path)
        if fit is not None and not fit.loads:
            yield f"no kernel of the root would load {path}: {fit.reasons_text}"


def carried(wanted: Sequence[Wanted], old: Iterable[Applied], root: Path) -> Sequence[Wanted]:
    """Return the indexes of kernels to keep from the old version, besides those ``wanted``.

    Scriptlets of the old version changed them, and those of the new version may do so too.
    """
    kept = module_trees.kernels(root).keys() - {item.key for item in wanted
                                                if item.kind == KIND.name}
    return [wanted_index(applied.key) for applied in old
            if applied.kind == KIND.name and applied.key in kept]


def is_version(version: str) -> bool:
    """Return whether depmod takes ``version`` for one of a kernel."""
    return bool(re.fullmatch(_VERSION, version))


def watches(version: str, root: Path) -> Sequence[Watch]:
    """Return the paths of which the index of a kernel consists."""
    folder = folder_of(version, root)
    return Watch(folder, "modules.*"), Watch(folder, WEAK_LINKS, deep=True)


def covers(path: str, version: str) -> bool:
    """Return whether ``path``, in the module tree of ``version``, is among ``watches``."""
    name = path.partition(f"/{version}/")[2]
    return name.partition("/")[0] == WEAK_LINKS or (
        "/" not in name and name.startswith("modules."))


def index_paths(paths: Iterable[str], versions: Iterable[str]) -> List[str]:
    """Return the files that depmod may write, relative to the root, for any version of kmod.

    ``paths`` are the files of packages that change, ``versions`` more kernels.
    """
    kernels = set(versions)
    for path in paths:
        parts = path.split("/")
        if "modules" in parts[1:4] and ".ko" in parts[-1]:
            kernels.add(parts[parts.index("modules") + 1])
    return [f"lib/modules/{kernel}/modules.{name}" for kernel in sorted(kernels)
            for name in WRITTEN]


def module_name(path: str) -> str:
    """Return the name of the module at ``path``, with ``_`` for ``-``; empty if it is none.

    ``path`` is relative to the root, with links resolved.
    """
    match = _PLACE.fullmatch(path)
    return match.group(1).replace("-", "_") if match else ""


def module_names(version: str, root: Path, *, builtin: bool = True) -> Set[str]:
    """Return the modules in depmod's index of a kernel, with ``_`` for ``-``.

    ``builtin`` includes modules that are built into the kernel.
    """
    matches = (FILE.search(f"/{path}")
               for name in (("modules.dep", "modules.builtin") if builtin else ("modules.dep",))
               for path in _listed(resolve_inside(root, f"lib/modules/{version}/{name}")))
    return {match.group(1).replace("-", "_") for match in matches if match}


def kernel_modules(root: Path) -> FrozenSet[str]:
    """Return the names of the modules that belong to the kernels of ``root`` themselves.

    The index of depmod alone does not have those that other modules override.
    """
    names: Set[str] = set()
    with contextlib.suppress(OSError, OutsideRoot):
        for kernel in resolve_inside(root, "usr/lib/modules").iterdir():
            for name in ("modules.order", "modules.builtin", "modules.dep"):
                with contextlib.suppress(OSError):
                    path = resolve_inside(root, f"usr/lib/modules/{kernel.name}/{name}")
                    names.update(module_name(f"usr/lib/modules/x/{module}")
                                 for module in _listed(path) if module.startswith("kernel/"))
    return frozenset(names - {""})


def _listed(path: Path) -> List[str]:
    """Return the paths in a list of modules, relative to the folder of their kernel."""
    if not path.is_file():
        return []
    try:
        text = read_regular(path, max_bytes=MODULE_INDEX_BYTES).decode(errors="replace")
    except TooLarge as exc:
        raise Refused(f"{path} is {exc.strerror}",
                      hint="depmod makes it again, as it should be.") from exc
    return [line.partition(":")[0].strip() for line in text.splitlines()]


def _link_problems(applied: Applied, root: Path) -> Iterator[SettingProblem]:
    """Yield a problem for each link to a module that is missing or leads to nothing."""
    for change in applied.changes:
        if change.after is not None and change.after.kind == "link":
            path = f"/{change.path}"
            if not os.path.islink(root / change.path):
                yield SettingProblem(f"{path} is missing", path, (MISSING,))
            elif not resolve_inside(root, change.path).exists():
                yield SettingProblem(f"{path} leads to a file that is missing", path)


def _remove_dangling(folder: str, removal: DerivedRemoval, root: Path) -> None:
    """Remove links to modules that are gone, and folders that were made for them."""
    top = resolve_inside(root, f"{folder}/{WEAK_LINKS}")
    for where, _, names in os.walk(top, topdown=False):
        for path in (Path(where, name) for name in names):
            if path.is_symlink() and not resolve_inside(
                    root, path.relative_to(root).as_posix()).exists():
                path.unlink()
        relative = Path(where).relative_to(root).as_posix()
        if not os.listdir(where) and removal.bases.get(relative, removal) is None:
            os.rmdir(where)
