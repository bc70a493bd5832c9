"""Make of a plugin's folder what is published: a repository with the descriptor, and a tar."""
from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Sequence, Tuple

from ...config import Config
from ...errors import UsageError
from ...images import workspace
from ...packages.completion import Completion, complete
from ...plugin.bundle import read_bundle, repo_files_in
from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor, read_descriptor
from ...system.openpgp import PublicKey, read_keys
from ...system.progress import Progress
from ...system.run import Runner
from ...system.signing import SigningKey, find_key, sign_file, sign_rpms
from ..lint import bundle_checks
from ..lint.codes import Severity
from ..lint.findings import LintFinding
from ..lint.lint import Report, lint_on
from . import packed_files, packed_metadata, packed_outputs, packed_repo, packed_tar
from .packed_base import PackBase, opened
from .packed_files import KEYS, REPO
from .packed_names import stem

_KEY_FILE = "RPM-GPG-KEY-"
_ENDED = frozenset(("packages/unsigned", "packages/key"))  # what signing mends
_MADE_AGAIN = "repository/"  # codes about metadata, which are made again
_BLOCK = 1 << 20


@dataclass(frozen=True)
class PackOrder:
    """What to pack: the folder ``bundle``, and where to: the folder ``output``.

    ``complete`` are roots and repositories as in ``packed_base.opened``, ``key`` is a secret key
    of GnuPG or empty, ``baseurl`` the address at which ``repo/`` will be, or empty. ``force``
    replaces outputs. ``core_lists`` are folders with lists of core packages.
    """

    bundle: Path
    output: Path
    complete: Tuple[str, ...] = ()
    key: str = ""
    baseurl: str = ""
    force: bool = False
    core_lists: Tuple[Path, ...] = field(default_factory=lambda: Config().core_lists)


@dataclass(frozen=True)
class PackedPlugin:
    """A plugin that was packed, or was not because of its errors: then ``folder`` is None.

    ``report`` are the findings of lint; ``archive`` is the tar and ``signature`` that of it, None
    without one; ``sha256`` is the digest of the tar. ``packages`` are the RPMs by their paths in
    the folder. ``left_out`` are files of the bundle that were not packed. ``unchanged`` is
    whether all of it was there already.
    """

    report: Report
    vendor: str = ""
    folder: Optional[Path] = None
    archive: Optional[Path] = None
    signature: Optional[Path] = None
    sha256: str = ""
    size_bytes: int = 0
    key: Optional[PublicKey] = None
    packages: Tuple[str, ...] = ()
    completion: Completion = Completion((), ())
    left_out: Tuple[str, ...] = ()
    repo_id: str = ""
    baseurl: str = ""
    names_keys: bool = False
    unchanged: bool = False


def pack(order: PackOrder, *, run: Runner, progress: Progress) -> PackedPlugin:
    """Pack a plugin; if lint finds errors, return these and write nothing.

    The outputs appear together when they are complete. Raises UsageError for paths, keys and
    addresses that cannot be used, Refused for outputs that exist and have other content, and as
    ``complete``, ``sign_rpms`` and ``packed_metadata.make``.
    """
    _check_places(order)
    order = dataclasses.replace(order, baseurl=packed_repo.check_address(order.baseurl))
    key = find_key(order.key, run=run) if order.key else None
    with opened(order.complete, run=run) as base:
        report = _structure(order, base, run)
        if report is not None:
            return PackedPlugin(report)
        descriptor = read_descriptor(order.bundle.absolute() / DESCRIPTOR_NAME)
        names = _names(descriptor)
        if key is not None and not order.force:
            packed_outputs.refuse_existing(order.output, names)  # signatures are never the same
        with workspace.destination(order.output / names[0]) as place:
            return _Packing(order, base, key, run=run, progress=progress,
                            folder=place.target).packed(descriptor)


def _names(descriptor: Descriptor) -> Sequence[str]:
    """Return the names of the outputs: the folder, the tar, its signature."""
    name = stem(descriptor)
    return name, f"{name}.tar.zst", f"{name}.tar.zst.asc"


def _check_places(order: PackOrder) -> None:
    if not order.bundle.is_dir():
        raise UsageError(f"{order.bundle} is not a folder",
                         hint="Give the folder of a plugin, which has node-plugin.xml.")
    if not order.output.is_dir():
        raise UsageError(f"there is no folder {order.output} to write to",
                         hint="Create it, or give another one with -o.")
    inside, outside = order.output.resolve(), order.bundle.resolve()
    if outside in (inside, *inside.parents):
        raise UsageError(f"{order.output} is in the folder {order.bundle}, which is never written"
                         " to", hint="Give another folder with -o.")


def _structure(order: PackOrder, base: PackBase, run: Runner) -> Optional[Report]:
    """Return all findings if the bundle cannot be copied, else None.

    Errors of the metadata of ``repo/`` are none, as they are made again.
    """
    with bundle_checks.opened(order.bundle, run=run) as result:
        if all(finding.severity != Severity.ERROR or finding.code.startswith(_MADE_AGAIN)
               for finding in result.findings) and result.bundle is not None:
            return None
    return lint_on(order.bundle, base.known, run=run)


class _Packing:
    """One plugin that is packed into the new folder ``folder``, beside which its tar is made."""

    def __init__(self, order: PackOrder, base: PackBase, key: Optional[SigningKey], *, run: Runner,
                 progress: Progress, folder: Path) -> None:
        self._order, self._source, self._key = order, base, key
        self._run, self._progress = run, progress
        self._folder, self._work = folder, folder.parent

    def packed(self, descriptor: Descriptor) -> PackedPlugin:
        """Make the outputs and place them."""
        with self._progress.step("copy", "Copying the plugin"):
            left_out = packed_files.copy(self._order.bundle.absolute(), self._folder)
        completion = self._complete(descriptor)
        self._add_key(descriptor)
        repo = packed_repo.published(self._folder, descriptor, repo_files_in(self._folder),
                                     self._order.baseurl)
        date = packed_metadata.date_of(packed_files.packages(self._folder))
        if self._has_repository(descriptor):
            self._make_metadata(date)
        keys = packed_files.copy_keys(self._folder) if (self._folder / REPO).is_dir() else []
        named = packed_repo.name_keys(repo, keys, signed=self._key is not None) if (
            self._order.baseurl or self._key) else False
        report = self._lint()
        result = PackedPlugin(
            report, vendor=descriptor.vendor, key=self._key.public if self._key else None,
            packages=tuple(str(path.relative_to(self._folder))
                           for path in packed_files.packages(self._folder)),
            completion=completion, left_out=left_out, repo_id=repo.id, baseurl=repo.baseurl,
            names_keys=named)
        if report.number(Severity.ERROR):
            return result
        self._finish_metadata(date)
        read_bundle(self._folder, source=self._folder.name)
        return self._outputs(result, _names(descriptor), date)

    def _complete(self, descriptor: Descriptor) -> Completion:
        """Add the packages that the plugin requires, if there is a base to take them from."""
        if not self._source.is_known or not descriptor.installs:
            return Completion((), ())
        packed_metadata.make(self._folder, 0, run=self._run)
        with self._progress.step("complete", "Adding the packages that the plugin requires"):
            return complete(descriptor, self._folder / REPO, repos=self._source.repos,
                            target=self._source.target, core_lists=self._order.core_lists,
                            progress=self._progress)

    def _has_repository(self, descriptor: Descriptor) -> bool:
        """Return whether there is a repository to make.

        A plugin without one takes its packages from others.
        """
        return (self._folder / REPO).is_dir() or not descriptor.installs

    def _make_metadata(self, date: int) -> None:
        with self._progress.step("metadata", "Making the repository"):
            packed_metadata.make(self._folder, date, run=self._run)

    def _add_key(self, descriptor: Descriptor) -> None:
        """Add the public key of the signatures to ``keys/``, if it is not there yet."""
        if self._key is None:
            return
        folder = self._folder / KEYS
        folder.mkdir(exist_ok=True)
        if not any(key.fingerprint == self._key.public.fingerprint for path in folder.iterdir()
                   for key in read_keys(path.read_bytes())):
            name = f"{_KEY_FILE}{descriptor.name}"
            if (folder / name).exists():
                name = f"{name}-{self._key.public.ids[0]}"
            (folder / name).write_bytes(self._key.armored)

    def _lint(self) -> Report:
        """Return the findings about what is packed, with the paths that were given."""
        with self._progress.step("lint", "Checking the plugin"):
            report = lint_on(self._folder, self._source.known, run=self._run)
        return dataclasses.replace(report, path=self._order.bundle, findings=tuple(
            self._renamed(finding) for finding in report.findings
            if self._key is None or finding.code not in _ENDED))

    def _renamed(self, finding: LintFinding) -> LintFinding:
        old, new = str(self._folder), str(self._order.bundle)
        return dataclasses.replace(
            finding, reason=finding.reason.replace(old, new),
            mend=finding.mend.replace(old, new).replace("--against", "--complete"))

    def _finish_metadata(self, date: int) -> None:
        """Sign the packages, add the descriptor to the metadata, and sign these."""
        if not (self._folder / REPO).is_dir():
            return
        rpms = packed_files.packages(self._folder)
        if self._key is not None and rpms:
            with self._progress.step("sign", "Signing the packages"):
                sign_rpms(rpms, self._key.name, run=self._run)
            self._make_metadata(date)
        packed_metadata.add_plugin(self._folder, date, run=self._run)
        if self._key is not None:
            index = self._folder / REPO / "repodata/repomd.xml"
            sign_file(index, index.with_name("repomd.xml.asc"), self._key, run=self._run)

    def _outputs(self, result: PackedPlugin, names: Sequence[str], date: int) -> PackedPlugin:
        order, work = self._order, self._work
        folder, archive, signature = names
        tar = work / "plain.tar"
        with self._progress.step("tar", "Writing the tar"):
            packed_tar.write_tar(self._folder, tar, name=folder, date=date)
            same = self._key is None and not (order.output / signature).exists() and (
                packed_outputs.is_same(order.output, folder, tar, work, date=date))
            if not same and not order.force:
                packed_outputs.refuse_existing(order.output, names)
            packed_tar.compress(tar, work / archive, run=self._run)
        sha256, size_bytes = _digest(work / archive)
        if self._key is not None:
            sign_file(work / archive, work / signature, self._key, run=self._run)
        if not same:
            packed_outputs.place(work, order.output, names, force=order.force)
        return dataclasses.replace(
            result, folder=order.output / folder, archive=order.output / archive,
            signature=order.output / signature if self._key is not None else None,
            sha256=sha256, size_bytes=size_bytes, unchanged=same)


def _digest(path: Path) -> Tuple[str, int]:
    """Return the SHA-256 of a file, which is written to the disk, and its size."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
        return digest.hexdigest(), stream.tell()
