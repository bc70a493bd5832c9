"""Paths of a plugin whose content is kept when the image is replaced.

Each is a line in a file of its own in /etc/statetab.d, as in RHEL and Fedora: on a system
with a read-only or temporary root, the boot script of readonly-root (in initscripts, or the
package of that name) copies every path in it to the state partition once and mounts it from
there at every boot; it ignores lines that begin with #. Paths in rwtab.d would be writable
but lost. On other systems nothing reads the folder; other tools may read it, or the record:
imgbased keeps /etc and /var itself, and must be told the rest.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import PersistentPath, Setting
from ...system.differences import MISSING
from ...system.entries import read_entry
from ...system.path_sets import OF_ALL, OWN
from ...system.paths import is_inside_any, real_places, resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted, changed_since
from ..kit.placing import place_file

_FOLDER = "etc/statetab.d"
_MODE = 0o644


@dataclass(frozen=True)
class PersistentPaths:
    """The kind ``persistent-path``: key is the absolute path, value ``yes``."""

    name: str = "persistent-path"
    shared: bool = False
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, PersistentPath):
            return ()
        path = item.path
        known = _is_there(path, ctx) or ctx.brings(path) is not None or any(
            file.startswith(f"{path}/") for file in ctx.files)
        notes = () if known else (
            f"{path} has to be made by a scriptlet or by tmpfiles: neither the packages nor the"
            " root have it",)
        return (Wanted(kind=self.name, key=path, value="yes", text=f"keep {path} over new images",
                       item=item, notes=notes),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a path of others; packages and scriptlets may make the path later."""
        _refuse_others(wanted, ctx)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False  # two plugins may keep one path: each has a file of its own

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, "/".join(_place(wanted.key, ctx)), content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(*_place(wanted.key, ctx)),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Write the file. Raises Refused if the path does not exist, or leads to one of others."""
        if not _is_there(wanted.key, ctx):
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but after its packages were"
                " installed there is no such file or folder",
                hint="Its vendor has to have a package make it, or correct the path.")
        _refuse_others(wanted, ctx)
        text = (f"# Of the Node plugin {ctx.plugin}; dnf node-plugin remove takes it away.\n"
                f"{wanted.key}\n")
        place_file(ctx.root, *_place(wanted.key, ctx), text.encode(), mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        missing = () if _is_there(applied.key, ctx) else (
            SettingProblem(f"{applied.key}, to be kept, is missing", applied.key, (MISSING,)),)
        return (*changed_since(applied, ctx), *missing)


KIND = PersistentPaths()


def _is_there(path: str, ctx: Context) -> bool:
    return resolve_inside(ctx.root, path).exists()


def _refuse_others(wanted: Wanted, ctx: Context) -> None:
    """Raise Refused if the path, or its target if it has a link, is not the plugin's own."""
    resolve_inside(ctx.root, wanted.key)  # refuses a loop of links
    tops, tool = real_places(ctx.root, OF_ALL), real_places(ctx.root, OWN)
    for path in real_places(ctx.root, [wanted.key.strip("/")]):
        owner = ctx.facts.owner(path) if ctx.brings(path) is None else ""
        if path in tops or is_inside_any(path, tool):
            owner = "the system"
        if owner:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but {owner} has /{path}",
                hint="Its vendor has to name a path of the plugin's own, such as"
                     " /var/lib/NAME.")


def _place(path: str, ctx: Context) -> Tuple[str, str]:
    """Return folder and file name, one for each plugin and path.

    Names of plugins have no ``=``, and paths by the schema no ``,``. The suffix is none of
    those, such as .bak and .old, that readonly-root ignores.
    """
    stem = path.strip("/").replace("/", ",")
    return _FOLDER, f"node-plugin-{ctx.plugin}={stem}.state"
