"""CA certificates of plugins for the system to trust.

Each is copied to the anchors of update-ca-trust(8); the kind ``ca-trust`` rebuilds the trust
store.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Iterator, Sequence

from ...plugin.settings import CaCertificate, Setting
from ...system import x509
from ...system.differences import MISSING
from ...undo.changes import Applied
from ..kit.model import Context, SettingProblem, Wanted
from . import ca_trust, pem
from .certificate_files import CertificateFiles


@dataclass(frozen=True)
class CaCertificates(CertificateFiles):
    """The kind ``ca-certificate``."""

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, CaCertificate):
            return ()
        return (Wanted(kind=self.name, key=item.name, value=item.source,
                       text=f"trust the certificates of {item.source} as {item.name}", item=item,
                       notes=tuple(_authorities(item, ctx)), danger=True),)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return (*super().verify(applied, ctx), *(
            SettingProblem(f"{applied.key} is not in the trust store", differences=(MISSING,))
            for name in ca_trust.untrusted([applied.key], ctx.root)))


KIND = CaCertificates("ca-certificate", ca_trust.ANCHORS, pem.problem,
                      "Its vendor has to give certificates only, in PEM.")


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
