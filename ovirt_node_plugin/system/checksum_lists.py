"""Lists of checksums of files, in the forms of sha256sum(1), of BSD and of .treeinfo.

The forms of lines are those of GNU coreutils, src/digest.c, and the section ``[checksums]`` of
a .treeinfo is that of productmd, doc/treeinfo-1.2.rst.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
_DIGEST = rb"[0-9a-fA-F]{32,128}"
_PLAIN = re.compile(rb"[ \t]*(?P<escaped>\\?)(?P<digest>" + _DIGEST + rb")(?:  | \*| )(?P<name>.+)")
_TAGGED = re.compile(rb"[ \t]*(?P<escaped>\\?)(?P<algorithm>[A-Za-z][A-Za-z0-9-]*) ?"
                     rb"\((?P<name>.+)\) ?= ?(?P<digest>" + _DIGEST + rb")[ \t]*")
_BARE = re.compile(rb"\s*(?P<digest>" + _DIGEST + rb")\s*")
_SECTION = re.compile(rb"\[(.*)\]\s*")
_TREEINFO = re.compile(rb"(?P<name>\S(?:.*\S)?)[ \t]*=[ \t]*(?P<algorithm>[a-z0-9]+):(?P<digest>"
                       + _DIGEST + rb")\s*")
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


class ListedDigest(NamedTuple):
    """The digest of the file ``name`` in a list; a tuple, as a list may have very many.

    ``algorithm`` is a name of hashlib, and ``digest`` in hex, as in the list. ``start`` is the
    position of the digest in the list.
    """

    name: bytes
    algorithm: str
    digest: str
    start: int


def listed_digests(data: bytes) -> Iterator[ListedDigest]:
    """Yield the digests in a list; other lines, such as comments, are passed over."""
    for start, line in _lines(data):
        for pattern in (_PLAIN, _TAGGED):
            match = pattern.fullmatch(line)
            listed = match and _listed(match, start)
            if listed:
                yield listed
                break


def treeinfo_digests(data: bytes) -> Iterator[ListedDigest]:
    """Yield the digests in the section ``[checksums]`` of a .treeinfo."""
    section = b""
    for start, line in _lines(data):
        header = _SECTION.fullmatch(line)
        section = header.group(1) if header else section
        match = _TREEINFO.fullmatch(line) if section == b"checksums" else None
        listed = match and _listed(match, start)
        if listed:
            yield listed


def bare_digest(data: bytes, name: bytes) -> ListedDigest | None:
    """Return the digest of ``name`` if it is all that ``data`` has, otherwise None."""
    match = _BARE.fullmatch(data)
    return _listed(match, 0, name=name) if match else None


def _listed(match: re.Match[bytes], start: int, *, name: bytes = b"") -> ListedDigest | None:
    """Return the digest of the line at ``start``, None if its algorithm does not fit it."""
    groups = match.groupdict()
    digest = match.group("digest").decode()
    algorithm = _ALGORITHMS.get(len(digest), "")
    if not algorithm or groups.get("algorithm", algorithm.encode()).lower() != algorithm.encode():
        return None
    name = name or match.group("name")
    if groups.get("escaped"):
        name = re.sub(rb"\\[\\nr]", lambda escape: _ESCAPES[escape.group()], name)
    return ListedDigest(name=name, algorithm=algorithm, digest=digest,
                        start=start + match.start("digest"))


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the position and the content of each line, without its end, also in files of DOS."""
    start = 0
    for line in data.split(b"\n"):
        yield start, line[:-1] if line.endswith(b"\r") else line
        start += len(line) + 1
