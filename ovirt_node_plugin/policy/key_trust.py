"""Which keys of packages are trusted without a question, as the command line says."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Iterable, List

from ..errors import UsageError
from ..system import openpgp
from ..system.openpgp import PublicKey


@dataclass(frozen=True)
class KeyTrust:
    """Which of the keys that repositories offer are trusted without a question.

    ``every`` are all keys of bundles, ``fingerprints`` single keys of any repository: then no
    other one is trusted. ``bound`` are keys that the site has bound to vendors.
    """

    every: bool = False
    fingerprints: FrozenSet[str] = field(default_factory=frozenset)
    bound: FrozenSet[str] = field(default_factory=frozenset)

    @property
    def options(self) -> List[str]:
        """The options of ``dnf node-plugin`` that say the same."""
        return [*(["--trust-keys"] if self.every else []),
                *(f"--trust-key={fingerprint}" for fingerprint in sorted(self.fingerprints))]

    def names(self, key: PublicKey) -> bool:
        """Return whether the fingerprint of ``key`` is given, not only that of a subkey."""
        return key.fingerprint in self.fingerprints | self.bound


NO_TRUST = KeyTrust()


def read_trust(fingerprints: Iterable[str], *, every: bool) -> KeyTrust:
    """Return the trust that the options --trust-key and --trust-keys say.

    Raises UsageError for what is not a whole fingerprint, and for both options.
    """
    try:
        single = frozenset(map(openpgp.read_fingerprint, fingerprints))
    except ValueError as exc:
        raise UsageError(f"--trust-key: {exc}",
                         hint="Take it from the vendor's web site: gpg --show-keys FILE prints"
                              " that of a key.") from exc
    if single and every:
        raise UsageError("--trust-key and --trust-keys exclude each other",
                         hint="--trust-keys trusts all keys that the bundles contain.")
    return KeyTrust(every, single)
