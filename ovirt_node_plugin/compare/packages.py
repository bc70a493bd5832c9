"""Compare the packages in the rpm databases of two roots."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import BadImage
from ..system.nevra import make_evr, make_nevra
from ..system.run import Runner
from ..target import Target
from .trees import ADDED, CHANGED, REMOVED

# rpm(8), "--queryformat"; the digest of the header covers the whole package
_FORMAT = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SHA256HEADER}\n"
_FILES = r"[%{=SHA256HEADER}\t%{FILENAMES}\n]"
_NONE = "(none)"
_KEYS = "gpg-pubkey"  # the name of all keys; a key never replaces another


@dataclass(frozen=True)
class RootPackage:
    """A package in a root; ``evr`` is ``[epoch:]version-release``, ``arch`` empty for a key."""

    name: str
    evr: str
    arch: str
    digest: str

    @property
    def nevra(self) -> str:
        """The NEVRA as in a plugin's record."""
        return make_nevra(self.name, self.evr, self.arch)


@dataclass(frozen=True)
class PackageDifference:
    """A package that differs; None is absent. ``plugins`` have it in their records, sorted.

    A CHANGED package with the same NEVRA is another build.
    """

    kind: str
    old: Optional[RootPackage]
    new: Optional[RootPackage]
    plugins: Tuple[str, ...] = ()


def read_packages(root: Path, target: Target, *, run: Runner) -> Tuple[RootPackage, ...]:
    """Return the packages in ``root``, which may be an overlay of the root of ``target``.

    Raises BadImage for a damaged database.
    """
    text = run(["rpm", "--root", root, "--dbpath", f"/{target.rpmdb}", "--query", "--all",
                "--queryformat", _FORMAT])
    return tuple(_package(line, target) for line in text.splitlines())


def read_files(root: Path, target: Target, *, run: Runner) -> Iterator[Tuple[str, str]]:
    """Yield the digest and an absolute path for each file of each package in ``root``."""
    text = run(["rpm", "--root", root, "--dbpath", f"/{target.rpmdb}", "--query", "--all",
                "--queryformat", _FILES])
    for line in text.splitlines():
        digest, _, path = line.partition("\t")
        if path.startswith("/"):
            yield digest, path


def package_differences(old: Sequence[RootPackage], new: Sequence[RootPackage],
                        claims: Mapping[str, Sequence[str]]) -> Tuple[PackageDifference, ...]:
    """Return the differences by name; ``claims`` are the plugins of packages by NEVRA."""
    old_packages, new_packages = _by_name(old), _by_name(new)
    return tuple(
        PackageDifference(
            REMOVED if after is None else ADDED if before is None else CHANGED, before, after,
            tuple(sorted({plugin for package in (before, after) if package is not None
                          for plugin in claims.get(package.nevra, ())})))
        for name in sorted({*old_packages, *new_packages})
        for before, after in _pairs(old_packages.get(name, []), new_packages.get(name, [])))


def _package(line: str, target: Target) -> RootPackage:
    words = ["" if word == _NONE else word for word in line.split("\t")]
    if len(words) != 6:
        raise BadImage(f"the rpm database in /{target.rpmdb} has a package of no valid name:"
                       f" {ascii(line)}", hint="rpm --rebuilddb in the root may repair it.")
    name, epoch, version, release, arch, digest = words
    return RootPackage(name, make_evr(epoch, version, release), arch, digest)


def _by_name(packages: Sequence[RootPackage]) -> Dict[str, List[RootPackage]]:
    by_name: Dict[str, List[RootPackage]] = {}
    for package in sorted(packages, key=lambda package: (package.name, package.arch, package.evr)):
        by_name.setdefault(package.name, []).append(package)
    return by_name


_Pair = Tuple[Optional[RootPackage], Optional[RootPackage]]


def _pairs(old: List[RootPackage], new: List[RootPackage]) -> Iterator[_Pair]:
    """Yield packages of one name that differ, as a pair only if the pairing is unambiguous.

    A name may have several architectures, and several versions of one, such as kernels.
    """
    removed, added = ({package.nevra: package for package in side} for side in (old, new))
    for nevra in sorted(removed.keys() & added.keys()):
        before, after = removed.pop(nevra), added.pop(nevra)
        if before.digest and after.digest and before.digest != after.digest:
            yield before, after
    for arch in sorted({package.arch for package in old} & {package.arch for package in new}):
        sides = [[package for package in side if package.arch == arch] for side in (old, new)]
        if [len(side) for side in sides] == [1, 1] and sides[0][0].name != _KEYS:
            before, after = sides[0][0], sides[1][0]
            if before.nevra in removed and after.nevra in added:
                yield removed.pop(before.nevra), added.pop(after.nevra)
    if len(old) == len(new) == len(removed) == len(added) == 1 and old[0].name != _KEYS:
        yield removed.popitem()[1], added.popitem()[1]  # of another architecture
    yield from ((package, None) for package in removed.values())
    yield from ((None, package) for package in added.values())
