"""VDSM hooks: files of a plugin that are copied to the folders of VDSM's hooks."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from ...errors import Refused
from ...plugin.bundle_files import is_bundle_file
from ...plugin.settings import Setting, VdsmHook
from ...plugin.vdsm_points import STATUS_IGNORED
from ...system.entries import read_entry
from ...system.path_sets import VDSM_HOOKS
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted, changed_since
from ..kit.placing import check_own, check_place, place_file, read_source, unsigned
from .hook_start import start_problem

_MODE = 0o755


@dataclass(frozen=True)
class VdsmHooks:
    """The kind ``vdsm-hook``: key is ``POINT/NN_NAME``, value the source's absolute path."""

    name: str = "vdsm-hook"
    shared: bool = False
    follows_content: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, VdsmHook):
            return ()
        key = f"{item.point}/{item.order:02d}_{item.name}"
        return (Wanted(kind=self.name, key=key, value=item.source,
                       text=f"install VDSM hook {key} from {item.source}{unsigned(item.source)}",
                       item=item, danger=is_bundle_file(item.source)),)

    def check_alone(self, wanted: Wanted, ctx: Context) -> None:
        """Refuse a source that no package has, and a hook that a package has, too."""
        check_own(wanted, wanted.value, f"{VDSM_HOOKS}/{wanted.key}", ctx,
                  exposed="VDSM runs hooks as its own user")

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without VDSM, and an existing hook."""
        if not resolve_inside(ctx.root, VDSM_HOOKS).is_dir() and not _brings_hooks(ctx):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has no"
                          f" VDSM: /{VDSM_HOOKS} is not there",
                          hint="This plugin is for oVirt Nodes and hosts; install vdsm first.")
        check_place(wanted, f"{VDSM_HOOKS}/{wanted.key}", ctx, installed=installed)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, f"{VDSM_HOOKS}/{wanted.key}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(*_place(wanted.key)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Refuse a hook that cannot be started where its failure fails the operation of VDSM."""
        data = read_source(wanted, wanted.value, ctx)
        point, problem = wanted.key.partition("/")[0], start_problem(data, ctx.root)
        if problem and point not in STATUS_IGNORED:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but VDSM could not start it, and"
                f" every {_operation(point)} would fail: {problem}",
                hint="Its vendor has to correct the first line of the hook, or require the"
                     " package of the interpreter.")
        place_file(ctx.root, *_place(wanted.key), data, mode=_MODE)

    def remarks(self, applied: Applied, ctx: Context) -> Sequence[str]:
        """Return a line about a hook that cannot be started, where VDSM ignores that."""
        entry = read_entry(ctx.root, f"{VDSM_HOOKS}/{applied.key}")
        if entry is None or entry.content is None:
            return ()
        problem = start_problem(entry.content, ctx.root)
        return [f"VDSM cannot start the hook {applied.key} of plugin {ctx.plugin}, and goes on"
                f" without it: {problem}"] if problem else ()

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return changed_since(applied, ctx)


KIND = VdsmHooks()


def _place(key: str) -> Tuple[str, str]:
    point, _, name = key.partition("/")
    return f"{VDSM_HOOKS}/{point}", name


def _operation(point: str) -> str:
    """Return the operation at a hook point, such as ``vm_start``."""
    return point.partition("_")[2]


def _brings_hooks(ctx: Context) -> bool:
    return any(path.startswith(f"/{VDSM_HOOKS}/") for path in ctx.files)
