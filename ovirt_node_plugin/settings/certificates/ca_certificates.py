"""CA certificates of plugins for the system to trust.

Each is copied to the anchors of update-ca-trust(8); the kind ``ca-trust`` rebuilds the trust
store.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ...errors import Refused
from ...plugin.settings import CaCertificate, Setting
from ...system.differences import MISSING
from ...system.entries import read_entry
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted, changed_since
from ..kit.placing import check_place, check_source, place_file, read_source
from . import ca_trust, pem

_MODE = 0o644
_HINT = "Its vendor has to give certificates only, in PEM."


@dataclass(frozen=True)
class CaCertificates:
    """The kind ``ca-certificate``: key is the file name, value the source's absolute path."""

    name: str = "ca-certificate"
    shared: bool = False
    follows_content: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, CaCertificate):
            return ()
        return (Wanted(kind=self.name, key=item.name, value=item.source,
                       text=f"trust the certificates of {item.source} as {item.name}", item=item),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a source that no package has, and an existing file."""
        check_source(wanted, wanted.value, ctx)
        check_place(wanted, f"{ca_trust.ANCHORS}/{wanted.key}", ctx, installed=installed)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, f"{ca_trust.ANCHORS}/{wanted.key}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(ca_trust.ANCHORS, wanted.key),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        data = read_source(wanted, wanted.value, ctx)
        problem = pem.problem(data)
        if problem:
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {problem}",
                          hint=_HINT)
        place_file(ctx.root, ca_trust.ANCHORS, wanted.key, data, mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return (*changed_since(applied, ctx), *(
            SettingProblem(f"{applied.key} is not in the trust store", differences=(MISSING,))
            for name in ca_trust.untrusted([applied.key], ctx.root)))


KIND = CaCertificates()
