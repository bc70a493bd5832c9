"""CA certificates of plugins for the system to trust.

Each is copied to the anchors of update-ca-trust(8); the kind ``ca-trust`` rebuilds the trust
store.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Iterator, Sequence

from ...errors import Refused
from ...plugin.settings import CaCertificate, Setting
from ...system import x509
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
                       text=f"trust the certificates of {item.source} as {item.name}", item=item,
                       notes=tuple(_authorities(item, ctx)), danger=True),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an existing file, and a source that has other things, as far as that is known."""
        check_source(wanted, wanted.value, ctx)
        check_place(wanted, f"{ca_trust.ANCHORS}/{wanted.key}", ctx, installed=installed)
        data = ctx.planned(wanted.value)
        if data is not None:
            _refuse_others(wanted, data, ctx)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, f"{ca_trust.ANCHORS}/{wanted.key}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(ca_trust.ANCHORS, wanted.key),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        data = read_source(wanted, wanted.value, ctx)
        _refuse_others(wanted, data, ctx)
        place_file(ctx.root, ca_trust.ANCHORS, wanted.key, data, mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return (*changed_since(applied, ctx), *(
            SettingProblem(f"{applied.key} is not in the trust store", differences=(MISSING,))
            for name in ca_trust.untrusted([applied.key], ctx.root)))


KIND = CaCertificates()


def _refuse_others(wanted: Wanted, data: bytes, ctx: Context) -> None:
    problem = pem.problem(data)
    if problem:
        raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {problem}", hint=_HINT)


def _authorities(item: CaCertificate, ctx: Context) -> Iterator[str]:
    """Yield whom each certificate names, with its fingerprint, as far as that is known."""
    data = ctx.planned(item.source)
    if data is None:
        yield (f"whom {item.name} names is not known before its package is fetched; it is in"
               f" {item.source}")
    elif not pem.problem(data):
        for certificate in pem.certificates(data):
            name = x509.subject(certificate) or "no name"
            yield (f"{item.name} has the certificate of {name}, with the SHA-256 fingerprint"
                   f" {hashlib.sha256(certificate).digest().hex(':')}")
