"""For each kind of defect that lint finds, a change of a valid bundle that causes it."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Mapping

from .sample_bundle import REPO, edit_descriptor

Change = Callable[[Path], object]


def _descriptor(old: str, new: str) -> Change:
    return lambda folder: (folder / "node-plugin.xml").write_text(
        edit_descriptor(old, new), encoding="utf-8")


def _write(name: str, content: bytes) -> Change:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return write


BUNDLE_CASES: Mapping[str, Change] = {
    "bundle/form": lambda folder: (folder / "node-plugin.xml").unlink(),
    "bundle/entry": lambda folder: (folder / "link").symlink_to("/etc"),
    "bundle/limit": lambda folder: [_write(f"a{number}.repo", b"")(folder)
                                    for number in range(101)],
    "descriptor/form": _write("node-plugin.xml", b"<!DOCTYPE a>"),
    "descriptor/schema": _descriptor("<name>cim", "<name>Cim"),
    "descriptor/rule": _descriptor("<settings>", '<settings><service name="sblim-sfcb.service"'
                                   ' state="disabled"/>'),
    "descriptor/tool": _descriptor('tool min="0.1"', 'tool min="99"'),
    "descriptor/license": _descriptor("<license>GPL-2.0-or-later</license>", ""),
    "descriptor/address": _descriptor("<url>https://example.com/cim?a=1</url>", ""),
    "repo-file/form": _write("cim.repo", b"nonsense"),
    "repo-file/option": _write("cim.repo", f"{REPO}proxy=x\n".encode()),
    "repo-file/ids": _write("cim.repo", b"[other]\n"),
    "files/form": _write("files", b""),
    "files/name": _write("files/a b", b""),
    "files/parameter": lambda folder: (
        _write("files/a", b"@server@")(folder),
        _descriptor("<settings>", '<settings><logrotate name="a" source="files/a"'
                    ' parameters="yes"/>')(folder)),
    "files/unused": _write("files/a", b""),
    "keys/form": _write("keys/a", b"x"),
    "repository/metadata": lambda folder: (folder / "repo/repodata/repomd.xml").unlink(),
    "lint/incomplete": _write("node-plugin.xml", b"<x/>"),
}
"""Changes of ``sample_bundle.make_bundle`` after which it has a defect as such."""
