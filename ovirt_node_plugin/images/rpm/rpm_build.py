"""Write an RPM again with another squashfs and another release, by rpmbuild(8)."""
from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Iterable, Iterator, List, Set

import rpm

from ...errors import BadImage, Refused, RolledBack
from ...system import source_date
from ...system.run import Runner, StrPath, explained
from ...system.signing import sign_rpms
from .package_spec import (
    DEPENDENCIES,
    FILES_MACRO,
    dependencies,
    is_own,
    own_evr,
    plain_word,
    spec_text,
)
from .rpm_file import opened_rpm

# Tags that a new build, another release or another squashfs changes, or that rpm computes from
# the content of files; see rpm's documentation, "Tags". The others have to stay the same.
_CHANGING = frozenset((
    "release", "buildtime", "size", "longsize", "archivesize", "longarchivesize",
    "rpmversion", "cookie", "optflags", "platform", "sourcerpm", "sourcepkgid", "encoding",
    "payloaddigest", "payloaddigestalgo", "payloaddigestalt", "fileinodes", "filedevices",
    "classdict", "fileclass", "filecolors", "dependsdict", "filedependsx", "filedependsn",
    "headeri18ntable", "headerimmutable", "headersignatures", "headerimage", "sigsize",
    "longsigsize", "siggpg", "sigpgp", "sigmd5", "rsaheader", "dsaheader", "sha1header",
    "sha256header", "openpgp", "veritysignatures", "veritysignaturealgo", "filesignatures",
    "filesignaturelength"))
# These are compared file by file
_COLUMNS = ("filesizes", "longfilesizes", "filedigests", "filemtimes")
# These are compared as a whole
_DEPENDENCY_TAGS = frozenset(
    f"{kind}{part}" for kind in DEPENDENCIES for part in ("name", "flags", "version"))
_BUILT = "built.rpm"
_UNSUPPORTED = "The RPM is not of the form of ovirt-node-ng-image-update."


@dataclass(frozen=True)
class NewRpm:
    """An RPM to write: ``source`` with another ``release`` and another squashfs.

    ``squashfs`` is the path of the squashfs in the package. ``sign_key`` is a secret key of
    GnuPG that signs it, empty for no signature.
    """

    source: Path
    squashfs: str
    release: str
    sign_key: str = ""

    def check(self, work: Path, *, run: Runner) -> None:
        """Write the RPM with an empty squashfs to the new folder ``work``, as a trial.

        Raises Refused for an RPM that cannot be written again or signed, and CommandError
        without the programs.
        """
        work.mkdir()
        empty = work / "empty"
        empty.touch()
        try:
            self.write(empty, work / "trial.rpm", work / "build", run=run)
        except RolledBack as exc:
            raise Refused(exc.message, hint=exc.hint) from exc

    def write(self, squashfs: Path, output: Path, work: Path, *, run: Runner) -> None:
        """Write the RPM to the new file ``output``; the file ``squashfs`` is moved.

        ``work`` is a new folder on the filesystem of ``squashfs``. Raises Refused for an RPM
        that cannot be written again, and RolledBack if a program fails.
        """
        files = work / "files"
        files.mkdir(parents=True)
        _unpack(self.source, files, self.squashfs, squashfs)
        with _plain_path(work) as folder, explained(
                f"{self.source} cannot be built again", hint=_UNSUPPORTED):
            run(self._rpmbuild(folder))
        shutil.move(work / _BUILT, output)
        self._compare(output)
        if self.sign_key:
            sign_rpms([output], self.sign_key, run=run)

    def _rpmbuild(self, work: Path) -> List[StrPath]:
        """Return the argument list for a build in the folder ``work``, and write its files."""
        spec, generators = work / "package.spec", work / "generators"
        with opened_rpm(self.source) as package:
            spec.write_text(spec_text(package.header, self.release), encoding="utf-8",
                            errors="surrogateescape")
            architecture = plain_word(package.header["arch"])
        generators.mkdir()
        # without any rule rpmbuild does not start; this one finds no dependencies of files
        (generators / "none.attr").write_text("%__none_path ^$\n", encoding="ascii")
        argv: List[StrPath] = ["rpmbuild", "-bb", "--quiet", "--nodeps",
                               f"--target={architecture}"]
        for name, value in (
                ("_topdir", work), ("_tmppath", work), ("_rpmdir", work),
                ("_build_name_fmt", _BUILT), ("_fileattrsdir", generators),
                (FILES_MACRO, work / "files")):
            argv += ["--define", f"{name} {value}"]
        return [*argv, spec]

    def _compare(self, output: Path) -> None:
        """Raise Refused if a field of the RPM at ``output`` is not that of the source."""
        with opened_rpm(self.source) as old_package, opened_rpm(output) as new_package:
            old, new = old_package.header, new_package.header
            changed = [*_changed_tags(old, new), *_changed_files(old, new, self.squashfs),
                       *_changed_dependencies(old, new, self.release)]
        if changed:
            raise Refused(f"{self.source} cannot be written again: {', '.join(changed)} would"
                          " change", hint=_UNSUPPORTED)


@contextlib.contextmanager
def _plain_path(folder: Path) -> Iterator[Path]:
    """Yield another path of ``folder``; rpmbuild fails in a path with a blank or ``%``."""
    with tempfile.TemporaryDirectory(prefix="node-plugin-", dir="/tmp") as name:
        link = Path(name, "rpm")
        link.symlink_to(folder)
        yield link


def _unpack(source: Path, folder: Path, squashfs: str, new: Path) -> None:
    """Unpack the files of the RPM ``source`` into ``folder``.

    The file ``new`` is moved to the place of the ``squashfs``.
    """
    with opened_rpm(source) as package:
        header = package.header
        for path, mode, target in zip(*(header[tag] or [] for tag in (
                "filenames", "filemodes", "filelinktos"))):
            place = _place(source, folder, path)
            is_folder = stat.S_ISDIR(mode)
            # a second file of the same path would be written where the first, a link, leads to
            if place.is_symlink() or (place.exists() and not (is_folder and place.is_dir())):
                raise _invalid(source, path)
            if is_folder:
                place.mkdir(parents=True, exist_ok=True)
            elif stat.S_ISLNK(mode):
                place.symlink_to(target)
            elif stat.S_ISREG(mode):
                place.touch()  # a %ghost file is not in the payload
            else:
                raise Refused(f"{source} cannot be written again: {path} is a device or a fifo",
                              hint=_UNSUPPORTED)
        for file in package.archive:
            if stat.S_ISREG(file.mode) and file.name != squashfs:
                package.copy(file, _place(source, folder, file.name))
        os.replace(new, _place(source, folder, squashfs))
        for path, moment in zip(header["filenames"], header["filemtimes"]):
            moment = source_date.now() if path == squashfs else moment
            os.utime(_place(source, folder, path), (moment, moment), follow_symlinks=False)


def _place(source: Path, folder: Path, path: str) -> Path:
    """Return the place of a file of an RPM below ``folder``, and make the folders above it."""
    parts = PurePosixPath(path.lstrip("/"))
    place = folder / parts
    if ".." in parts.parts or place.parent.resolve() != place.parent:
        raise _invalid(source, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _invalid(source: Path, path: str) -> BadImage:
    return BadImage(f"the RPM {source} has the invalid path {path}",
                    hint="Do not use it: no build of a package writes such a path.")


def _changed_tags(old: rpm.hdr, new: rpm.hdr) -> Iterator[str]:
    changing = _numbers((*_CHANGING, *_COLUMNS, *_DEPENDENCY_TAGS))
    for number in sorted({*old.keys(), *new.keys()} - changing):
        if old[number] != new[number]:
            yield rpm.tagnames.get(number, f"tag {number}").lower()


def _numbers(names: Iterable[str]) -> Set[int]:
    """Return the numbers of tags; those that this version of rpm does not know are left out."""
    numbers = {getattr(rpm, f"RPMTAG_{name.upper()}", None) for name in names}
    return {number for number in numbers if isinstance(number, int)}


def _changed_files(old: rpm.hdr, new: rpm.hdr, squashfs: str) -> Iterator[str]:
    columns = [tag for tag in _COLUMNS if old[tag] and new[tag]]
    for number, path in enumerate(old["filenames"]):
        if path != squashfs and any(old[tag][number] != new[tag][number] for tag in columns):
            yield path


def _changed_dependencies(old: rpm.hdr, new: rpm.hdr, release: str) -> Iterator[str]:
    own, future = (own_evr(old, release_) for release_ in (old["release"], release))
    expected = {(kind, name, flags, future if version == own and (
        kind == "obsolete" or is_own(old, name)) else version)
        for kind, name, flags, version in dependencies(old)}
    for kind, name, _, version in sorted(expected ^ set(dependencies(new))):
        yield f"{kind}s {name} {version}".strip()
