"""JSON and text of a plugin that was packed."""
from __future__ import annotations

from typing import Iterator, List
from urllib.parse import urlsplit

from ..authoring.lint.codes import Severity
from ..authoring.pack.pack import PackedPlugin
from ..system.json_answer import with_format
from ..system.json_data import Data
from ..system.words import count, first_lines, first_names, size
from . import lint_data, lint_text

_MOST_LINES = 10


def answer(packed: PackedPlugin) -> Data:
    """Return the answer of ``pack`` in JSON."""
    return with_format({
        **lint_data.plugin(packed.report),
        "packed": packed.folder is not None,
        "vendor": packed.vendor,
        "folder": str(packed.folder or ""),
        "archive": str(packed.archive or ""),
        "signature": str(packed.signature or ""),
        "sha256": packed.sha256,
        "size_bytes": packed.size_bytes,
        "fingerprint": packed.key.fingerprint if packed.key is not None else "",
        "packages": list(packed.packages),
        "added": list(packed.completion.added),
        "needed": list(packed.completion.needed),
        "left_out": list(packed.left_out),
        "repo": packed.repo_id,
        "baseurl": packed.baseurl,
        "unchanged": packed.unchanged})


def lines(packed: PackedPlugin) -> List[str]:
    """Return the answer of ``pack`` as lines."""
    return [*lint_text.plugin(packed.report), *_lines(packed)]


def _lines(packed: PackedPlugin) -> Iterator[str]:
    if packed.folder is None:
        yield f"Nothing was packed: {count(packed.report.number(Severity.ERROR), 'error')}."
        return
    yield from _completion(packed)
    if packed.left_out:
        yield "Not packed, as it is no part of a plugin:"
        yield from (f"  {line}" for line in first_lines(packed.left_out, _MOST_LINES))
    if packed.unchanged:
        yield f"Nothing changed: {packed.archive} has this content already."
    else:
        yield f"Packed plugin {packed.report.name} {packed.report.version}:"
    yield f"  {packed.folder}/"
    yield f"  {packed.archive}  {size(packed.size_bytes)}, SHA-256 {packed.sha256}"
    if packed.signature is not None:
        yield f"  {packed.signature}"
    yield (f"Signed by {packed.key.text}." if packed.key is not None else
           "Not signed by pack: give --sign KEY to sign packages, metadata and tar.")
    yield from _address(packed)


def _completion(packed: PackedPlugin) -> Iterator[str]:
    if packed.completion.added:
        yield f"Added {count(len(packed.completion.added), 'package')}:"
        yield from (f"  {line}" for line in first_lines(packed.completion.added, _MOST_LINES))
    if packed.completion.needed:
        yield ("Core packages are never packed. The Node must have: "
               + first_names(packed.completion.needed, _MOST_LINES))


def _address(packed: PackedPlugin) -> Iterator[str]:
    """Yield what the .repo file says of the place where the folder will be."""
    if not packed.repo_id:
        yield ("The plugin has no .repo file with one repository. To have it used by its address,"
               " give --baseurl URL.")
    elif not packed.baseurl:
        yield f"The repository {packed.repo_id} has no baseurl: set it with --baseurl URL."
    elif (urlsplit(packed.baseurl).hostname or "").endswith("example.com"):
        yield (f"The address {packed.baseurl} of repository {packed.repo_id} is an example: set it"
               " with --baseurl URL.")
    else:
        yield f"Publish {packed.folder}/repo at {packed.baseurl}"
