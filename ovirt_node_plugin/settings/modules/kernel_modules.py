"""Kernel modules to load at boot, give options, or blacklist.

They are written to files of modules-load.d(5) and modprobe.d(5), one for each plugin,
module and effect, so that each is undone separately.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from ...errors import CommandError, Refused
from ...plugin.settings import KernelModule, Setting
from ...system.differences import PropertyDifference
from ...system.entries import read_entry
from ...system.paths import resolve_inside
from ...undo import live_log
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Stage, Wanted, changed_since
from ..kit.placing import place_file
from .module_index import FILE, kernel_modules, module_name, module_names

_LOAD, _OPTIONS, _BLACKLIST = "load", "options", "blacklist"
_LOADED, _ABSENT = "loaded", "absent"


@dataclass(frozen=True)
class KernelModules:
    """The kind ``kernel-module``: key is ``MODULE:EFFECT``, value ``yes`` or the options.

    EFFECT is ``load``, ``options`` or ``blacklist``; MODULE has ``_`` for ``-``, which are
    equal for the kernel (modprobe(8)).
    """

    name: str = "kernel-module"
    shared: bool = False
    follows_content: bool = False
    on: str = _LOADED
    off: str = _ABSENT

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, KernelModule):
            return ()
        module = item.name.replace("-", "_")
        settings: List[Wanted] = []
        if item.load:
            settings.append(Wanted(kind=self.name, key=f"{module}:{_LOAD}", value="yes",
                                text=f"load kernel module {item.name} at boot", item=item,
                                   notes=_notes(module, ctx)))
        if item.options:
            settings.append(Wanted(
                kind=self.name, key=f"{module}:{_OPTIONS}", value=item.options,
                text=f"set options of kernel module {item.name}: {item.options}", item=item))
        if item.blacklist:
            settings.append(Wanted(kind=self.name, key=f"{module}:{_BLACKLIST}", value="yes",
                                   text=f"blacklist kernel module {item.name}", item=item))
        return settings

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a module to load that the plugin brings, and that no kernel of the root loads."""
        module, effect = _split(wanted.key)
        fits = {path: fit for path, fit in ctx.modules.items()
                if module_name(path.lstrip("/")) == module}
        if effect != _LOAD or not fits or any(fit.loads for fit in fits.values()) or (
                module in kernel_modules(ctx.root)):
            return
        path, fit = next(iter(fits.items()))
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but no kernel of the root would load"
            f" {path}: {fit.reasons_text}",
            hint="Ask its vendor for a version with modules for a kernel of this root.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        module, effect = _split(wanted.key)
        other_module, other_effect = _split(other.key)
        if module != other_module:
            return False
        if effect == other_effect:
            return wanted.value != other.value
        return {effect, other_effect} == {_LOAD, _BLACKLIST}

    def state(self, wanted: Wanted, ctx: Context) -> str:
        folder, name = _place(wanted.key, ctx)
        entry = read_entry(ctx.root, f"{folder}/{name}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(*_place(wanted.key, ctx)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        place_file(ctx.root, *_place(wanted.key, ctx), _content(wanted, ctx.plugin), mode=0o644)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        problems = changed_since(applied, ctx)
        loaded = applied.outcome.get(live_log.LEFT) == _LOADED
        if ctx.live and loaded and self.running(applied.key, ctx) == _ABSENT:
            problems += (SettingProblem(
                f"kernel module {_split(applied.key)[0]} is not loaded",
                differences=(PropertyDifference("live", _LOADED, _ABSENT),)),)
        return problems

    def goal(self, key: str, value: str) -> str:
        return _LOADED if _split(key)[1] == _LOAD else ""

    def stage(self, goal: str) -> Stage:
        return Stage.MODULES

    def running(self, key: str, ctx: Context) -> Optional[str]:
        return _LOADED if (ctx.root / "sys/module" / _split(key)[0]).is_dir() else _ABSENT

    def doing(self, key: str, state: str) -> str:
        return f"{'load' if state == _LOADED else 'unload'} kernel module {_split(key)[0]}"

    def bring(self, key: str, state: str, ctx: Context) -> None:
        ctx.run(["modprobe", *(["--remove"] if state == _ABSENT else []), "--", _split(key)[0]])

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        """Unload it; a module that is in use stays until the next boot."""
        try:
            self.bring(key, was, ctx)
        except CommandError as exc:
            return (f"kernel module {_split(key)[0]} stays until the next boot: {exc.message}",)
        return ()


KIND = KernelModules()


def _notes(module: str, ctx: Context) -> Tuple[str, ...]:
    """Return a note for a module that does not exist; modules-load.d(5) also takes aliases."""
    folder = resolve_inside(ctx.root, "lib/modules")
    versions = os.listdir(folder) if folder.is_dir() else ()
    matches = (FILE.search(path) for path in ctx.files)
    if any(match and match.group(1).replace("-", "_") == module for match in matches) or any(
            module in module_names(version, ctx.root) for version in versions):
        return ()
    return (f"neither the packages nor a kernel of the root have a module {module}: nothing is"
            " loaded unless it is an alias, or a scriptlet makes it",)


def _split(key: str) -> Tuple[str, str]:
    module, _, effect = key.partition(":")
    return module, effect


def _place(key: str, ctx: Context) -> Tuple[str, str]:
    """Return folder and file name.

    The name is unique: a module has no ``-`` and no ``.`` here, so it begins after the last
    ``-`` of the name.
    """
    module, effect = _split(key)
    stem = f"node-plugin-{ctx.plugin}-{module}"
    if effect == _LOAD:
        return "etc/modules-load.d", f"{stem}.conf"
    if effect == _OPTIONS:
        return "etc/modprobe.d", f"{stem}.conf"
    return "etc/modprobe.d", f"{stem}.{_BLACKLIST}.conf"


def _content(wanted: Wanted, plugin: str) -> bytes:
    module, effect = _split(wanted.key)
    line = {_LOAD: module, _OPTIONS: f"options {module} {wanted.value}",
            _BLACKLIST: f"blacklist {module}"}[effect]
    text = f"# Of the Node plugin {plugin}; dnf node-plugin remove takes it away.\n{line}\n"
    return text.encode()
