"""The record of one installed plugin."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from ..undo.changes import Applied
from .rules import trust_of


@dataclass(frozen=True)
class InstalledPackage:
    """A package that a plugin brought or shares.

    ``nevra`` is ``name-[epoch:]version-release.arch``, without an epoch of 0; ``checksum``
    is ``sha256:HEX`` of the RPM file, empty if unknown; ``reason`` is ``requested`` or
    ``dependency``; ``repo`` is the id of the repository that it came from, empty if
    unknown. ``signer`` is the id of the key that signed it, 16 hexadecimal digits, empty
    without a signature; ``checked`` is true if the signature was checked with a key that
    was trusted then.
    """

    nevra: str
    checksum: str
    reason: str
    repo: str = ""
    signer: str = ""
    checked: bool = False


@dataclass(frozen=True)
class Record:
    """One plugin as installed in a root.

    ``installed_at`` is ISO 8601 in UTC, such as ``2026-11-22T16:40:11Z``; ``tool`` is a name
    and version; ``mode`` is ``offline`` or ``online``; ``source`` is where the bundle came
    from; ``target_kind`` is ``node`` or ``host``; ``repos`` are the ids of the plugin's own
    repos. ``settings`` have no changes here: those are in the undo data. ``together`` are
    the plugins of the same transaction: the changes of its scriptlets are kept with one of
    them, as it is unknown whose they are.
    """

    name: str
    version: str
    vendor: str
    summary: str
    installed_at: str
    tool: str
    mode: str
    source: str
    target_kind: str
    target_version: str
    repos: Tuple[str, ...]
    packages: Tuple[InstalledPackage, ...]
    settings: Tuple[Applied, ...]
    together: Tuple[str, ...] = ()

    @property
    def nevras(self) -> Tuple[str, ...]:
        """The NEVRAs of its packages."""
        return tuple(package.nevra for package in self.packages)

    @property
    def trust(self) -> str:
        """How far its packages can be trusted: a constant of ``registry.rules``."""
        return trust_of([(package.signer, package.checked) for package in self.packages])
