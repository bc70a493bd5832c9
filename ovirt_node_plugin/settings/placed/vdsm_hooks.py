"""VDSM hooks: files of a plugin that are copied to the folders of VDSM's hooks."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import Setting, VdsmHook
from ...system.entries import read_entry
from ...system.path_sets import VDSM_HOOKS
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, Wanted, changed_since
from ..kit.placing import check_place, check_source, place_file, read_source

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
                       text=f"install VDSM hook {key} from {item.source}", item=item),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without VDSM, a source that no package has, and an existing hook."""
        if not resolve_inside(ctx.root, VDSM_HOOKS).is_dir() and not _brings_hooks(ctx):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has no"
                          f" VDSM: /{VDSM_HOOKS} is not there",
                          hint="This plugin is for oVirt Nodes and hosts; install vdsm first.")
        check_source(wanted, wanted.value, ctx)
        check_place(wanted, f"{VDSM_HOOKS}/{wanted.key}", ctx, installed=installed)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, f"{VDSM_HOOKS}/{wanted.key}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(*_place(wanted.key)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        place_file(ctx.root, *_place(wanted.key), read_source(wanted, wanted.value, ctx),
                   mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        return changed_since(applied, ctx)


KIND = VdsmHooks()


def _place(key: str) -> Tuple[str, str]:
    point, _, name = key.partition("/")
    return f"{VDSM_HOOKS}/{point}", name


def _brings_hooks(ctx: Context) -> bool:
    return any(path.startswith(f"/{VDSM_HOOKS}/") for path in ctx.files)
