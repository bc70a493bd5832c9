"""The needs of plugins in the initramfs, each in a file of dracut.conf(5).

A need is a kernel module, which dracut calls driver, or a dracut module. The kind
``initramfs`` rebuilds the initramfs.
"""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, List, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import DracutModule, InitramfsDriver, Setting
from ...system.entries import read_entry, read_text
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted, changed_since
from ..kit.placing import place_file
from ..kit.programs import brings_program, has_program
from ..modules.module_index import FILE as _FILE
from ..modules.module_index import module_names
from .initramfs_images import images

FOLDER = "etc/dracut.conf.d"
DRIVER, MODULE = "initramfs-driver", "dracut-module"
KIND_NAMES = (DRIVER, MODULE)
_MODULES = "usr/lib/dracut/modules.d"
_MODE = 0o644
_EARLY, _YES = "load", "yes"
# Each variable is a list of names, with blanks around each (dracut.conf(5)).
_LINE = re.compile(r'(add_drivers|force_drivers|add_dracutmodules)\+=" (\S+) "')
_DRACUT_FILE = re.compile(r"/usr/lib/dracut/modules\.d/[0-9]{2}([^/]+)/.+")


@dataclass(frozen=True)
class DracutFiles:
    """The kinds ``initramfs-driver`` and ``dracut-module``.

    Key is the name, for a driver with ``_`` for ``-``; value is ``yes``, or ``load`` for a
    driver that the initramfs loads.
    """

    name: str
    shared: bool = False
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if isinstance(item, InitramfsDriver) and self.name == DRIVER:
            key, value = item.name.replace("-", "_"), _EARLY if item.load else _YES
            text = f"have driver {item.name} in the initramfs" + (
                ", and loaded by it" if item.load else "")
        elif isinstance(item, DracutModule) and self.name == MODULE:
            key, value = item.name, _YES
            text = f"have dracut module {item.name} in the initramfs"
        else:
            return ()
        return (Wanted(kind=self.name, key=key, value=value, text=text, item=item,
                       notes=_notes(key, self.name, ctx)),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without dracut, and an unknown name."""
        if not has_program("dracut", ctx) and not brings_program("dracut", ctx):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has no dracut",
                          hint="Its package dracut has to be there first.")
        if not _is_known(wanted, ctx):
            what = "kernel module" if self.name == DRIVER else "module of dracut"
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but neither the root nor the"
                f" plugin's packages have a {what} of that name",
                hint="Its vendor has to correct the name, or bring it.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False  # each has a file of its own, and dracut accepts a name twice

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, "/".join(_place(wanted, ctx.plugin)), content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(*_place(wanted, ctx.plugin)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        variable = ("add_dracutmodules" if self.name == MODULE else
                    "force_drivers" if wanted.value == _EARLY else "add_drivers")
        text = (f"# Of the Node plugin {ctx.plugin}; dnf node-plugin remove takes it away.\n"
                f'{variable}+=" {wanted.key} "\n')
        place_file(ctx.root, *_place(wanted, ctx.plugin), text.encode(), mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return changed_since(applied, ctx)


KINDS = (DracutFiles(DRIVER), DracutFiles(MODULE))


def need_text(need: str) -> str:
    """Return a need, such as ``initramfs-driver:isv_foo``, as text to show."""
    kind, _, name = need.partition(":")
    return f"driver {name}" if kind == DRIVER else f"dracut module {name}"


def needs_of(plugin: str, root: Path) -> List[str]:
    """Return the needs in a plugin's files in the root."""
    folder = resolve_inside(root, FOLDER)
    needs = []
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        kind = next((kind for kind in KIND_NAMES
                     if name.startswith(f"node-plugin-{plugin}={kind}=")), "")
        content = read_text(root, f"{FOLDER}/{name}") if kind else None
        if content is not None:
            match = _LINE.search(content.decode(errors="replace"))
            needs += [f"{kind}:{match.group(2)}"] if match else []
    return needs


def loadable(version: str, root: Path) -> FrozenSet[str]:
    """Return the loadable modules of a kernel by depmod's index, with ``_`` for ``-``."""
    return frozenset(module_names(version, root, builtin=False))


def modules_there(root: Path) -> FrozenSet[str]:
    """Return the names of the dracut modules in the root."""
    folder = resolve_inside(root, _MODULES)
    return frozenset(name[2:] for name in (os.listdir(folder) if folder.is_dir() else ()))


def serves(path: str, version: str, needs: Sequence[str]) -> bool:
    """Return whether a package's file is of a kernel or dracut module in ``needs``."""
    dracut_module = _DRACUT_FILE.fullmatch(path)
    if dracut_module:
        return f"{MODULE}:{dracut_module.group(1)}" in needs
    match = _FILE.search(path)
    return (match is not None and path.endswith(match.group(0))
            and f"/lib/modules/{version}/" in path
            and f"{DRIVER}:{match.group(1).replace('-', '_')}" in needs)


def _is_known(wanted: Wanted, ctx: Context) -> bool:
    if wanted.kind == MODULE:
        return wanted.key in modules_there(ctx.root) or any(
            match is not None and match.group(1) == wanted.key
            for match in map(_DRACUT_FILE.fullmatch, ctx.files))
    modules = resolve_inside(ctx.root, "lib/modules")
    versions = os.listdir(modules) if modules.is_dir() else ()
    return any(serves(path, path.partition("/lib/modules/")[2].partition("/")[0],
                      [f"{DRIVER}:{wanted.key}"]) for path in ctx.files) or any(
        wanted.key in module_names(version, ctx.root)
        for version in versions)


def _notes(name: str, kind: str, ctx: Context) -> Tuple[str, ...]:
    """Return a note for each kernel of the root that does not have the module."""
    versions = images(ctx.root)
    if not versions:
        return (f"no kernel of the root has an initramfs: {need_text(f'{kind}:{name}')} will be in"
                " those that are made from now on",)
    if kind == MODULE:
        return ()
    lacking = [version for version in versions
               if name not in module_names(version, ctx.root)
               and not any(serves(path, version, [f"{DRIVER}:{name}"]) for path in ctx.files)]
    return tuple(f"kernel {version} has no module {name}" for version in lacking)


def _place(wanted: Wanted, plugin: str) -> Tuple[str, str]:
    """Return folder and file name; names of plugins have no ``=``."""
    return FOLDER, f"node-plugin-{plugin}={wanted.kind}={wanted.key}.conf"
