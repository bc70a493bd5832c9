"""The record of one installed plugin."""
from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import Iterable, Optional, Tuple

from ..undo.changes import Applied
from .origin import Origin
from .rules import trust_of
from .trust_level import InstalledTrust

_REPO_SOURCE = "repo "
_ROUNDS = 600_000


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
class RecordedParameter:
    """The value that a plugin was installed with for one of its parameters.

    ``digest`` is that of a secret, as ``secret_digest`` returns it; its ``value`` is empty.
    ``default`` is true for a value that the descriptor gave.
    """

    name: str
    type: str
    value: str = ""
    digest: str = ""
    default: bool = False


@dataclass(frozen=True)
class Record:
    """One plugin as installed in a root.

    ``installed_at`` is ISO 8601 in UTC, such as ``2026-11-22T16:40:11Z``; ``tool`` is a name
    and version; ``mode`` is ``offline`` or ``online``; ``source`` is where the bundle came
    from; ``target_kind`` is ``node`` or ``host``; ``repos`` are the ids of the plugin's own
    repos. ``settings`` have no changes here: those are in the undo data. ``together`` are
    the plugins of the same transaction: the changes of its scriptlets are kept with one of
    them, as it is unknown whose they are. ``recorded_origin`` is None in records of versions
    that did not record it.
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
    recorded_origin: Optional[Origin] = None
    parameters: Tuple[RecordedParameter, ...] = ()
    installed_trust: InstalledTrust = InstalledTrust()

    @property
    def origin(self) -> Origin:
        """The plugin's origin; without a recorded one, as far as its packages and source tell."""
        if self.recorded_origin is not None:
            return self.recorded_origin
        return Origin(
            self.vendor, keys_of((package.signer, package.checked) for package in self._own),
            location_of(self.source))

    def accepts_origin(self, new: Origin, source: str) -> bool:
        """Return whether ``new`` is the same origin: that of a new version from ``source``.

        If signatures of the installed packages were not checked, checked signatures by the
        same keys are the same origin too.
        """
        if self.recorded_origin is None:  # the source tells no URL
            new = replace(new, location=location_of(source))
        signers = {package.signer for package in self._own}
        return self.origin.accepts(new) or (
            not self.origin.keys and bool(new.keys) and signers.issuperset(new.keys))

    @property
    def _own(self) -> Tuple[InstalledPackage, ...]:
        """Its packages from its own repositories."""
        return tuple(package for package in self.packages
                     if package.repo in (*self.repos, f"bundle:{self.name}"))

    @property
    def nevras(self) -> Tuple[str, ...]:
        """The NEVRAs of its packages."""
        return tuple(package.nevra for package in self.packages)

    @property
    def trust(self) -> str:
        """How far its packages can be trusted: a constant of ``registry.rules``."""
        return trust_of([(package.signer, package.checked) for package in self.packages])


def secret_digest(plugin: str, parameter: str, value: str) -> str:
    """Return the digest of a secret, by which another value is recognized.

    Every user can read it, so guessing takes long. The salt is the same in each run: the same
    plugins give the same image.
    """
    salt = f"ovirt-node-plugin:{plugin}:{parameter}".encode()
    made = hashlib.pbkdf2_hmac("sha256", value.encode(), salt, _ROUNDS)
    return f"pbkdf2-sha256:{_ROUNDS}:{made.hex()}"


def keys_of(packages: Iterable[Tuple[str, bool]]) -> Tuple[str, ...]:
    """Return the keys of an origin from the signer of each package and whether it is checked."""
    signers = [signer if checked else "" for signer, checked in packages]
    return tuple(sorted(set(signers))) if all(signers) else ()


def location_of(source: str) -> str:
    """Return the location of an origin from a plugin's source, as far as that tells."""
    return source if source_repo(source) else os.path.dirname(source)


def source_repo(source: str) -> str:
    """Return the repo id in the source of a plugin from a repository's metadata, else ``""``."""
    return source[len(_REPO_SOURCE):] if source.startswith(_REPO_SOURCE) else ""
