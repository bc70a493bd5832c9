"""Certificates of keys by which kernel modules are signed, for the enrolment by a person.

With Secure Boot, the kernel loads a module of a vendor only if its key is enrolled in the
firmware as a machine owner key. Only a person at the console of each host can confirm that, so
the certificate is put into a known place, and the command is said.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Optional, Sequence

from ...plugin.settings import ModuleSigningKey, Setting
from ...system import x509
from ...system.entries import read_entry
from ...undo.changes import Applied
from ..kit.model import Context, Wanted
from .certificate_files import CertificateFiles

FOLDER = "etc/pki/node-plugin-module-keys"


@dataclass(frozen=True)
class SigningKeys(CertificateFiles):
    """The kind ``module-signing-key``."""

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, ModuleSigningKey):
            return ()
        return (Wanted(kind=self.name, key=item.name, value=item.source,
                       text=f"keep the certificate {item.source}, of a key that signs kernel"
                            f" modules, as /{FOLDER}/{item.name}", item=item,
                       notes=(_advice(item.name, ctx.planned(item.source)),)),)

    def remarks(self, applied: Applied, ctx: Context) -> Sequence[str]:
        entry = read_entry(ctx.root, f"{FOLDER}/{applied.key}")
        return (_advice(applied.key, entry.content if entry is not None else None),)


KIND = SigningKeys("module-signing-key", FOLDER, x509.problem,
                   "Its vendor has to correct that file.")


def _advice(name: str, data: Optional[bytes]) -> str:
    """Return what a person has to do, with the fingerprint that mokutil shows."""
    digest = (hashlib.sha1(data, usedforsecurity=False).digest().hex(":")
              if data is not None else "")
    return ("with Secure Boot, modules that this key signs are loaded only after a person has"
            f" enrolled it on each host: mokutil --import /{FOLDER}/{name}, then restart and"
            " confirm at the console" + (f" (SHA1 fingerprint {digest})" if digest else ""))
