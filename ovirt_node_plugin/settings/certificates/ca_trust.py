"""The system's trust store, rebuilt by the root's own update-ca-trust(8).

It is implied by certificates of plugins. The program runs in the root, whose p11-kit writes
the formats that its libraries read. The store from before is kept in the undo data (about
1 MB, compressed half of it), as Java's key store has dates in it: a rebuilt one would differ.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence

from ...errors import Refused
from ...plugin.settings import Setting
from ...system.entries import read_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Watch
from ..kit.model import Context, DerivedRemoval, SettingProblem, Wanted
from ..kit.programs import brings_program, has_program
from . import pem

ANCHORS = "etc/pki/ca-trust/source/anchors"
_EXTRACTED = "etc/pki/ca-trust/extracted"
_BUNDLE = f"{_EXTRACTED}/pem/tls-ca-bundle.pem"
_PROGRAM = "update-ca-trust"
_KEY = "extracted"


@dataclass(frozen=True)
class CaTrust:
    """The kind ``ca-trust``: key is ``extracted``, value ``current``, parts are anchors."""

    name: str = "ca-trust"
    shared: bool = True
    follows_content: bool = True
    merged: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        return ()

    def implied(self, wanted: Sequence[Wanted], ctx: Context) -> Sequence[Wanted]:
        """Return the trust store if there are certificates among ``wanted``."""
        names = tuple(setting.key for setting in wanted if setting.kind == "ca-certificate")
        if not names:
            return ()
        return (Wanted(kind=self.name, key=_KEY, value="current",
                       text=f"make the trust store again, with {', '.join(names)}",
                       item=None, parts=names),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse a root without update-ca-trust."""
        if not has_program(_PROGRAM, ctx) and not brings_program(_PROGRAM, ctx):
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but the root has no {_PROGRAM}",
                hint="Its package ca-certificates has to be there first.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return "present" if resolve_inside(ctx.root, _BUNDLE).is_file() else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_EXTRACTED, "*", deep=True),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Rebuild the store, and refuse certificates that are not in it then."""
        _extract(ctx)
        missing = untrusted(wanted.parts, ctx.root)
        if missing:
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but update-ca-trust left out"
                f" {', '.join(missing)}",
                hint="Each must be the certificate of an authority (basicConstraints CA:TRUE).")

    def rebuild_without(self, removal: DerivedRemoval, ctx: Context) -> None:
        _extract(ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return ()  # the kind ca-certificate verifies each certificate


KIND = CaTrust()


def untrusted(names: Sequence[str], root: Path) -> List[str]:
    """Return those of the anchors ``names`` that have a certificate missing in the store."""
    if not names:
        return []
    bundle = read_entry(root, _BUNDLE)
    known = set(pem.blocks(bundle.content or b"")) if bundle is not None else set()
    missing = []
    for name in names:
        anchor = read_entry(root, f"{ANCHORS}/{name}")
        if anchor is None or not set(pem.blocks(anchor.content or b"")) <= known:
            missing.append(name)
    return missing


def _extract(ctx: Context) -> None:
    ctx.in_root(_PROGRAM, "extract")
