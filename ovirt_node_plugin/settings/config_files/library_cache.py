"""The cache of the dynamic loader, built again by the root's own ldconfig(8).

It is implied by files in ld.so.conf.d. The cache from before is kept in the undo data; if
something else wrote it since, it is built again without the files.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ...errors import Refused
from ...plugin.settings import Setting
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, DerivedRemoval, SettingProblem, Wanted
from ..kit.programs import has_program
from ..selinux import selinux_labels

FOLDER_ID = "ld.so"
"""The id of ld.so.conf.d in the list of drop-in folders."""

_ETC, _CACHE = "etc", "ld.so.cache"
_KEY = "current"


@dataclass(frozen=True)
class LibraryCache:
    """The kind ``library-cache``: key and value are ``current``, parts the files."""

    name: str = "library-cache"
    shared: bool = True
    follows_content: bool = True
    merged: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the cache if there are files for ld.so.conf.d among ``wanted``."""
        names = tuple(setting.key.partition("/")[2] for setting in wanted
                      if setting.kind == "config-file"
                      and setting.key.partition("/")[0] == FOLDER_ID)
        if not names:
            return ()
        return (Wanted(kind=self.name, key=_KEY, value=_KEY,
                       text=f"make the library cache again, with {', '.join(names)}",
                       item=None, parts=names),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without ldconfig."""
        if not has_program("ldconfig", ctx):
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but the root has no"
                          " ldconfig", hint="Its package glibc has to be there first.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if resolve_inside(ctx.root, f"{_ETC}/{_CACHE}").is_file() else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_ETC, _CACHE),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        _build(ctx)

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        _build(ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return ()  # each ldconfig writes it again, with the files that are there


KIND = LibraryCache()


def _build(ctx: Context) -> None:
    with selinux_labels.kept([resolve_inside(ctx.root, f"{_ETC}/{_CACHE}")]):
        # -X: without links in the folders of libraries, which nothing would remove
        ctx.in_root("ldconfig", "-X")
