"""RPM files as their vendor sees them: descriptions, dependencies, scriptlets, some files."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Tuple

import rpm

from ..errors import NodePluginError, UsageError
from ..system.limits import SCRIPTLET_CHARACTERS
from .dnf_types import RpmHeader
from .headers import UNSHOWN, Header, numbers_of, read_header, texts_of
from .payload import read_files

_SCRIPTLETS = ("pretrans", "prein", "postin", "preun", "postun", "posttrans")
_LISTS = ("triggerscripts", "filetriggerscripts", "transfiletriggerscripts")
_AT_LEAST = rpm.RPMSENSE_GREATER | rpm.RPMSENSE_EQUAL


@dataclass(frozen=True)
class DescribedPackage:
    """An RPM file: its ``header``, and what else its vendor wrote into it.

    Texts are as the header has them, empty where it has none. ``requires`` are names with the
    oldest version, empty without a bound; ``scripts`` the texts of scriptlets by their names;
    ``contents`` the files that were read, by their absolute paths.
    """

    path: Path
    header: Header
    name: str
    version: str
    vendor: str
    license: str
    url: str
    summary: str
    description: str
    requires: Tuple[Tuple[str, str], ...]
    scripts: Mapping[str, str]
    contents: Mapping[str, bytes]


def describe(path: Path, *, wanted: Callable[[str], bool], max_files: int,
             max_bytes: int) -> DescribedPackage:
    """Return the RPM file ``path`` with the content of the regular files that are ``wanted``.

    At most ``max_files`` of them are read, and none of more than ``max_bytes``; no signature is
    checked. Raises as ``read_header``, UsageError for a source package and NodePluginError for
    a payload that cannot be read.
    """
    header, raw = read_header(path), _raw_header(path)
    if raw["sourcepackage"]:
        raise UsageError(f"{path} is a source package", hint="Name the packages built from it.")
    paths = [file.path for file in header.files
             if file.is_regular and not file.ghost and wanted(file.path)][:max_files]
    contents = dict(read_files(path, paths, max_bytes=max_bytes)) if paths else {}

    def text(tag: str) -> str:
        value = raw[tag]
        return "" if value is None else str(value)

    return DescribedPackage(
        path=path, header=header, name=text("name"), version=text("version"),
        vendor=text("vendor"), license=text("license"), url=text("url"),
        summary=text("summary"), description=text("description"),
        requires=tuple(_requires(raw)), scripts=_scripts(raw), contents=contents)


def _raw_header(path: Path) -> RpmHeader:
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(-1)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            raw: RpmHeader = transaction.hdrFromFdno(handle)
            return raw
        finally:
            os.close(handle)
    except (OSError, rpm.error) as exc:
        raise NodePluginError(f"{path} cannot be read: {exc}") from exc


def _requires(raw: RpmHeader) -> Iterator[Tuple[str, str]]:
    """Yield the packages that are required by name, without rpmlib(...), files and the like."""
    rows = zip(texts_of(raw, "requirename"), texts_of(raw, "requireversion"),
               numbers_of(raw, "requireflags"))
    for name, version, flags in rows:
        if not set("()/") & set(name) and not UNSHOWN.search(name + version):
            yield name, version if flags & _AT_LEAST else ""


def _scripts(raw: RpmHeader) -> Dict[str, str]:
    texts: Dict[str, str] = {}
    for tag in _SCRIPTLETS:
        if raw[tag]:
            texts[tag] = str(raw[tag])[:SCRIPTLET_CHARACTERS]
    for tag in _LISTS:
        parts: List[str] = texts_of(raw, tag)
        if parts:
            texts[tag] = "\n".join(parts)[:SCRIPTLET_CHARACTERS]
    return texts
