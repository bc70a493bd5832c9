"""NEVRAs as DNF and records write them: ``NAME-[EPOCH:]VERSION-RELEASE.ARCH``."""
from __future__ import annotations


def make_evr(epoch: object, version: object, release: object) -> str:
    """Return the version of a package. An ``epoch`` of 0, ``"0"`` or None is left out."""
    return ("" if str(epoch or 0) == "0" else f"{epoch}:") + f"{version}-{release}"


def make_nevra(name: object, evr: str, arch: object) -> str:
    """Return the NEVRA of a package. An empty ``arch`` is left out; keys have none."""
    return f"{name}-{evr}" + (f".{arch}" if arch else "")


def name_of(nevra: str) -> str:
    """Return the name in a NEVRA; the whole text if it is none."""
    return nevra.rsplit("-", 2)[0]
