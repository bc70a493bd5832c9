"""The lists of checksums on an ISO: keep them correct when files on the ISO change.

A list is found by its name and form: ``.treeinfo`` of Fedora and EL, ``md5sum.txt`` of Debian,
``SHA256SUMS``, ``CHECKSUM``, or a file such as ``airootfs.sha512`` beside another one.
"""
from __future__ import annotations

import hashlib
import os
import posixpath
import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from ...errors import BadImage
from ...system.checksum_lists import ListedDigest, bare_digest, listed_digests, treeinfo_digests
from ...system.limits import CHECKSUM_LISTS_BYTES
from ...system.openpgp import SIGNATURE_SUFFIXES, is_clear_signed
from ...system.words import first_names
from .iso import Iso, IsoChanges, IsoFile, read_span, span_chunks

_NAMES = re.compile(r"\.?treeinfo|(md5|sha\d+)-?sums?(\.txt)?|(.*-)?checksums?(\.txt)?"
                    r"|.+\.(md5|sha\d+)(sums?)?(\.txt)?", re.IGNORECASE)
_CATALOG_PATH = re.compile(r"El Torito cat path\s*:\s*(/.*)")
_CATALOG_PLACE = re.compile(r"El Torito catalog\s*:\s*(\d+)\s+(\d+)")
_BLOCK = 2048
_MOST_NAMES = 5  # that a note has


@dataclass(frozen=True)
class ChecksumList:
    """A list of checksums on an ISO; ``path`` is absolute there.

    ``lines`` are its digests of files that are there, each with the path of the file.
    ``signatures`` are the paths of signatures of the list; its own if it is clear-signed.
    """

    path: str
    text: bytes
    lines: Tuple[Tuple[ListedDigest, str], ...]
    signatures: Tuple[str, ...]


@dataclass(frozen=True)
class CorrectedLists:
    """The correct texts of the lists of checksums on a new ISO, by their paths.

    ``notes`` name digests that were wrong before, which are kept, and signatures that do not
    match any more.
    """

    texts: Mapping[str, bytes] = field(default_factory=dict)
    notes: Tuple[str, ...] = ()


def checksum_lists(source: Path, iso: Iso) -> Tuple[ChecksumList, ...]:
    """Return the lists on the ISO ``source``, by path. Raises BadImage if they are too large."""
    files = _files(iso)
    candidates = [file for file in iso.files
                  if _NAMES.fullmatch(posixpath.basename(file.path))]
    if sum(file.size_bytes for file in candidates) > CHECKSUM_LISTS_BYTES:
        raise BadImage(f"the lists of checksums on {source} have more than {CHECKSUM_LISTS_BYTES}"
                       " bytes", hint="Compare the image with its published checksum.")
    lists = (_checksum_list(file.path, read_span(source, file), files) for file in candidates)
    return tuple(checksums for checksums in lists if checksums.lines)


def without_removed(lists: Collection[ChecksumList], removed: Collection[str],
                    work: Path) -> Dict[str, Path]:
    """Write the lists without the lines of ``removed`` files to ``work``; return what changes.

    The result has the host files by the paths of the lists.
    """
    files = {}
    for number, checksums in enumerate(lists):
        text = _without(checksums, removed)
        if text != checksums.text:
            files[checksums.path] = work / f"checksums-{number}"
            files[checksums.path].write_bytes(text)
    return files


def changing_paths(iso: Iso, changes: IsoChanges) -> Set[str]:
    """Return the paths of the files on ``iso`` that are written with other bytes.

    Among them are files into which xorriso(1) writes their position: the boot catalog, and boot
    images with a table; and the other names of these and of overwritten files.
    """
    written = {*changes.overwritten, *(image.name for image in iso.boot_images if image.options)}
    offsets = {span.offset for name, span in iso.spans.items() if name in written}
    return {*changes.files, *(file.path for file in _catalog(iso)),
            *(file.path for file in iso.files if file.offset in offsets)}


def _catalog(iso: Iso) -> Iterator[IsoFile]:
    """Yield the boot catalog if it is a file, which xorriso(1) does not list as one."""
    paths, places = ([match for line in iso.el_torito for match in [pattern.match(line)] if match]
                     for pattern in (_CATALOG_PATH, _CATALOG_PLACE))
    for path, place in zip(paths, places):
        yield IsoFile(path.group(1).strip(), int(place.group(1)), int(place.group(2)) * _BLOCK)


def _files(iso: Iso) -> Dict[str, IsoFile]:
    """Return the files on the ISO by path, with the boot catalog."""
    return {file.path: file for file in (*iso.files, *_catalog(iso))}


def signature_notes(checksums: ChecksumList) -> Iterator[str]:
    """Yield what happens to the signatures of a list whose digests change."""
    for signature in checksums.signatures:
        yield (f"The checksums in {checksums.path} on the ISO are changed with the files, so its"
               f" signature {'in it' if signature == checksums.path else signature} is not valid"
               " any more.")


def corrected_lists(old: Tuple[Path, Iso], new: Tuple[Path, Iso],
                    changes: IsoChanges) -> CorrectedLists:
    """Return the correct lists for the ISO ``new``, which was written from ``old``.

    The digests of files in ``changes`` are replaced by the new ones, if they were correct before;
    lines of removed files are left out. Raises BadImage if the lists are too large.
    """
    correction = _Correction(old, new, changes)
    return CorrectedLists(
        correction.texts, tuple(correction.notes()))


class _Correction:
    """Computes the correct lists; a list of lists after those that it contains."""

    def __init__(self, old: Tuple[Path, Iso], new: Tuple[Path, Iso], changes: IsoChanges) -> None:
        self.lists = {checksums.path: checksums for checksums in checksum_lists(*old)
                      if checksums.path not in changes.removed}
        self._old = (old[0], _files(old[1]))
        self._new = (new[0], _files(new[1]))
        self._removed = changes.removed
        self._changing = changing_paths(old[1], changes) if self.lists else set()
        self.texts: Dict[str, bytes] = {}
        self._wrong: Dict[str, List[str]] = {}
        self._digests: Dict[Tuple[Path, str, str], str] = {}
        for path in self._order():
            self.texts[path] = self._corrected(self.lists[path])

    def _order(self) -> Tuple[str, ...]:
        """Return the paths of the lists, each after the lists that it contains.

        Lists that contain each other, or themselves, cannot be correct.
        """
        graph = {path: {name for _, name in checksums.lines if name in self.lists} - {path}
                 for path, checksums in self.lists.items()}
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError:
            return tuple(sorted(self.lists))

    def notes(self) -> Iterator[str]:
        """Yield the notes on all lists."""
        for path, names in sorted(self._wrong.items()):
            yield (f"{path} on the ISO had wrong checksums before, which are kept:"
                   f" {first_names(sorted(names), _MOST_NAMES)}.")
        for path, checksums in sorted(self.lists.items()):
            if self.texts[path] != checksums.text:
                yield from signature_notes(checksums)

    def _corrected(self, checksums: ChecksumList) -> bytes:
        text = bytearray(checksums.text)
        for listed, path in checksums.lines:
            if not self._changes(path) or path in self._removed:
                continue
            if self._digest(self._old, path, listed.algorithm) != listed.digest.lower():
                self._wrong.setdefault(checksums.path, []).append(path)
                continue
            digest = self._new_digest(path, listed.algorithm)
            digest = digest.upper() if listed.digest.isupper() else digest
            text[listed.start:listed.start + len(digest)] = digest.encode()
        return _without(checksums, self._removed, bytes(text))

    def _changes(self, path: str) -> bool:
        """Return whether the file ``path`` has other bytes than before."""
        if path in self.lists:
            return path in self.texts and self.texts[path] != self.lists[path].text
        return path in self._changing

    def _new_digest(self, path: str, algorithm: str) -> str:
        if path in self.lists:
            return hashlib.new(algorithm, self.texts[path], usedforsecurity=False).hexdigest()
        return self._digest(self._new, path, algorithm)

    def _digest(self, side: Tuple[Path, Mapping[str, IsoFile]], path: str, algorithm: str) -> str:
        """Return the digest of a file on one of the ISOs, empty if it is not there."""
        image, files = side
        if path not in files:
            return ""
        key = (image, path, algorithm)
        if key not in self._digests:
            digest = hashlib.new(algorithm, usedforsecurity=False)
            for chunk in span_chunks(image, files[path]):
                digest.update(chunk)
            self._digests[key] = digest.hexdigest()
        return self._digests[key]


def _checksum_list(path: str, text: bytes, files: Mapping[str, IsoFile]) -> ChecksumList:
    lines = []
    for listed in _digests(path, text):
        name = _path_of(os.fsdecode(listed.name), posixpath.dirname(path), files)
        if name is not None:
            lines.append((listed, name))
    signatures = [path + suffix for suffix in SIGNATURE_SUFFIXES if path + suffix in files]
    return ChecksumList(path, text, tuple(lines), tuple(
        [path] if is_clear_signed(text) else signatures))


def _digests(path: str, text: bytes) -> Iterator[ListedDigest]:
    if path.lower().endswith("treeinfo"):
        return treeinfo_digests(text)
    single = bare_digest(text, os.fsencode(posixpath.basename(posixpath.splitext(path)[0])))
    return iter([single]) if single is not None else listed_digests(text)


def _path_of(name: str, folder: str, files: Mapping[str, IsoFile]) -> Optional[str]:
    """Return the path of the file that a list in ``folder`` calls ``name``, if it is there.

    Names are relative to the folder of the list, or to the top of the ISO.
    """
    for top in (folder, "/"):
        path = posixpath.normpath(posixpath.join(top, name))
        if path in files:
            return files[path].path  # one text for all lines of the file
    return None


def _without(checksums: ChecksumList, removed: Collection[str],
             text: Optional[bytes] = None) -> bytes:
    """Return the text, that of the list or a corrected one, without lines of removed files."""
    text = checksums.text if text is None else text
    parts, kept = [], 0
    for listed, path in checksums.lines:
        if path in removed:
            parts.append(text[kept:text.rfind(b"\n", 0, listed.start) + 1])
            end = text.find(b"\n", listed.start)
            kept = end + 1 if end >= 0 else len(text)
    return b"".join([*parts, text[kept:]])
