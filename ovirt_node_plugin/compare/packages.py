"""The packages of two roots compared, as their rpm databases have them."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import BadImage
from ..system.nevra import make_evr, make_nevra
from ..system.run import Runner
from ..target import Target
from .trees import ADDED, CHANGED, REMOVED

# rpm(8), "--queryformat"; the digest is that of the header, which covers the whole package
_FORMAT = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SHA256HEADER}\n"
_FILES = r"[%{=SHA256HEADER}\t%{FILENAMES}\n]"
_NONE = "(none)"
_KEYS = "gpg-pubkey"  # of one name all, and none takes another's place


@dataclass(frozen=True)
class RootPackage:
    """A package in a root: ``evr`` is ``[epoch:]version-release``; a key has no ``arch``."""

    name: str
    evr: str
    arch: str
    digest: str

    @property
    def nevra(self) -> str:
        """The name as a record of a plugin has it."""
        return make_nevra(self.name, self.evr, self.arch)


@dataclass(frozen=True)
class PackageDifference:
    """A package that differs; None is absent. ``plugins`` are those that claim it, sorted.

    A package that was CHANGED and has the same NEVRA was built anew.
    """

    kind: str
    old: Optional[RootPackage]
    new: Optional[RootPackage]
    plugins: Tuple[str, ...] = ()


def read_packages(root: Path, target: Target, *, run: Runner) -> Tuple[RootPackage, ...]:
    """Return what is installed in ``root``, which may be an overlay of that of ``target``.

    Raises BadImage for a database that lists what cannot be.
    """
    text = run(["rpm", "--root", root, "--dbpath", f"/{target.rpmdb}", "--query", "--all",
                "--queryformat", _FORMAT])
    return tuple(_package(line, target) for line in text.splitlines())


def read_files(root: Path, target: Target, *, run: Runner) -> Iterator[Tuple[str, str]]:
    """Yield each absolute path that a package in ``root`` has, after its digest."""
    text = run(["rpm", "--root", root, "--dbpath", f"/{target.rpmdb}", "--query", "--all",
                "--queryformat", _FILES])
    for line in text.splitlines():
        digest, _, path = line.partition("\t")
        if path.startswith("/"):
            yield digest, path


def package_differences(old: Sequence[RootPackage], new: Sequence[RootPackage],
                        claims: Mapping[str, Sequence[str]]) -> Tuple[PackageDifference, ...]:
    """Return what differs, by name. ``claims`` are the plugins that brought it, by NEVRA."""
    left, right = _by_name(old), _by_name(new)
    return tuple(
        PackageDifference(
            REMOVED if other is None else ADDED if one is None else CHANGED, one, other,
            tuple(sorted({plugin for side in (one, other) if side is not None
                          for plugin in claims.get(side.nevra, ())})))
        for name in sorted({*left, *right})
        for one, other in _pairs(left.get(name, []), right.get(name, [])))


def _package(line: str, target: Target) -> RootPackage:
    words = ["" if word == _NONE else word for word in line.split("\t")]
    if len(words) != 6:
        raise BadImage(f"the rpm database in /{target.rpmdb} has a package of no valid name:"
                       f" {ascii(line)}", hint="rpm --rebuilddb in the root may mend it.")
    name, epoch, version, release, arch, digest = words
    return RootPackage(name, make_evr(epoch, version, release), arch, digest)


def _by_name(packages: Sequence[RootPackage]) -> Dict[str, List[RootPackage]]:
    found: Dict[str, List[RootPackage]] = {}
    for one in sorted(packages, key=lambda one: (one.name, one.arch, one.evr)):
        found.setdefault(one.name, []).append(one)
    return found


_Pair = Tuple[Optional[RootPackage], Optional[RootPackage]]


def _pairs(old: List[RootPackage], new: List[RootPackage]) -> Iterator[_Pair]:
    """Yield packages of one name that differ; two only if no other can be meant.

    Of a name there may be several architectures, and several kernels of one.
    """
    left, right = ({one.nevra: one for one in side} for side in (old, new))
    for nevra in sorted(left.keys() & right.keys()):
        one, other = left.pop(nevra), right.pop(nevra)
        if one.digest and other.digest and one.digest != other.digest:
            yield one, other
    for arch in sorted({one.arch for one in old} & {one.arch for one in new}):
        sides = [[one for one in side if one.arch == arch] for side in (old, new)]
        if [len(side) for side in sides] == [1, 1] and sides[0][0].name != _KEYS:
            one, other = sides[0][0], sides[1][0]
            if one.nevra in left and other.nevra in right:
                yield left.pop(one.nevra), right.pop(other.nevra)
    if len(old) == len(new) == len(left) == len(right) == 1 and old[0].name != _KEYS:
        yield left.popitem()[1], right.popitem()[1]  # of another architecture
    yield from ((one, None) for one in left.values())
    yield from ((None, other) for other in right.values())
