"""What a catalog lists of a bundle: its descriptor, and the keys that signed its packages."""
from __future__ import annotations

from typing import Iterable, List, Sequence, Tuple

from ...catalog.editing import NewVersion
from ...errors import UsageError
from ...packages import alone
from ...plugin.bundle import Bundle
from ...system.openpgp import PublicKey, read_keys
from ...system.regular_files import read_regular
from ...system.words import first_names

_MOST_NAMED = 5


def entry_of(bundle: Bundle, keys: Sequence[PublicKey]) -> NewVersion:
    """Return what a catalog lists of ``bundle``; ``keys`` are known besides those in it.

    The fingerprints are those of the keys that signed the packages in repo/; without repo/, of
    all keys of the bundle.

    Raises UsageError for a package that is not signed, or by a key that is not known.
    """
    known = [*keys, *(key for path in bundle.keys
                      for key in read_keys(read_regular(path, follow=True)))]
    if bundle.repository is None:
        found = known if bundle.descriptor.installs else []
        return NewVersion(bundle.descriptor, _fingerprints(found))
    descriptor = bundle.descriptor
    with alone.opened(descriptor.name, bundle.repository) as offered:
        packed = offered.packed(offered.needed(descriptor.installs, descriptor.excludes))
    for package in packed:
        if package.problem is not None:
            raise package.problem
    signers = {package.change.signer: package.nevra for package in packed
               if package.change is not None}
    unknown: List[str] = []
    found = []
    for signer, nevra in sorted(signers.items()):
        matching = [key for key in known if signer and key.is_named(signer)]
        found += matching
        if not matching:
            unknown.append(f"{nevra} is signed by {signer}" if signer else f"{nevra} is not signed")
    if unknown:
        raise UsageError(
            f"{bundle.source}: the keys of its packages are not known:"
            f" {first_names(unknown, _MOST_NAMED)}",
            hint="Sign the packages, and put the public key into keys/ of the bundle or name its"
                 " file with --key.")
    return NewVersion(descriptor, _fingerprints(found))


def _fingerprints(keys: Iterable[PublicKey]) -> Tuple[str, ...]:
    return tuple(sorted({key.fingerprint for key in keys}))
