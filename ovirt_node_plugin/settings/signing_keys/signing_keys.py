"""Certificates of keys by which kernel modules are signed, for the enrolment by a person.

With Secure Boot, the kernel loads a module of a vendor only if its key is enrolled in the
firmware as a machine owner key. Only a person at the console of each host can confirm that, so
the certificate is put into a known place, and the command is said.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Optional, Sequence

from ...errors import Refused
from ...plugin.settings import ModuleSigningKey, Setting
from ...system import x509
from ...system.entries import read_entry
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted, changed_since
from ..kit.placing import check_place, check_source, place_file, read_source

FOLDER = "etc/pki/node-plugin-module-keys"
_MODE = 0o644


@dataclass(frozen=True)
class SigningKeys:
    """The kind ``module-signing-key``: key is the file name, value the source."""

    name: str = "module-signing-key"
    shared: bool = False
    follows_content: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, ModuleSigningKey):
            return ()
        return (Wanted(kind=self.name, key=item.name, value=item.source,
                       text=f"keep the certificate {item.source}, of a key that signs kernel"
                            f" modules, as /{FOLDER}/{item.name}", item=item,
                       notes=(_advice(item.name, ctx.planned(item.source)),)),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse what is no certificate in DER, as far as it is known yet."""
        check_source(wanted, wanted.value, ctx)
        check_place(wanted, f"{FOLDER}/{wanted.key}", ctx, installed=installed)
        data = ctx.planned(wanted.value)
        if data is not None:
            _refuse_others(wanted, data, ctx)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, f"{FOLDER}/{wanted.key}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(FOLDER, wanted.key),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        data = read_source(wanted, wanted.value, ctx)
        _refuse_others(wanted, data, ctx)
        place_file(ctx.root, FOLDER, wanted.key, data, mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return changed_since(applied, ctx)

    def remarks(self, applied: Applied, ctx: Context) -> Sequence[str]:
        entry = read_entry(ctx.root, f"{FOLDER}/{applied.key}")
        return (_advice(applied.key, entry.content if entry is not None else None),)


KIND = SigningKeys()


def _refuse_others(wanted: Wanted, data: bytes, ctx: Context) -> None:
    problem = x509.problem(data)
    if problem:
        raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {problem}",
                      hint="Its vendor has to correct that file.")


def _advice(name: str, data: Optional[bytes]) -> str:
    """Return what a person has to do, with the fingerprint that mokutil shows."""
    digest = (hashlib.sha1(data, usedforsecurity=False).digest().hex(":")
              if data is not None else "")
    return ("with Secure Boot, modules that this key signs are loaded only after a person has"
            f" enrolled it on each host: mokutil --import /{FOLDER}/{name}, then restart and"
            " confirm at the console" + (f" (SHA1 fingerprint {digest})" if digest else ""))
