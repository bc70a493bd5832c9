"""Build images with many real files: a root tree and a filesystem image, in xz and zstd."""
from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Dict, Iterator, Tuple

from ovirt_node_plugin.system.run import run
from tests.support import Fixtures
from tests.support.cache import cached

COMPRESSORS = ("xz", "zstd")
KINDS = ("tree", "nested")
_SOURCE = Path("/usr")
_INTO = "usr/share/bench-files"
_INNER = "LiveOS/rootfs.img"  # as in oVirt Node


def images(built: Fixtures, size_mb: int) -> Dict[str, Path]:
    """Return the images by name, such as ``tree-xz``. They are built on the first call.

    Each contains the root of a Node and ``size_mb`` MB of files from this machine's /usr.
    """
    digest = hashlib.sha256(built.folder.name.encode() + Path(__file__).read_bytes())
    folder = cached(f"bench/images-{digest.hexdigest()[:16]}-{size_mb}",
                    lambda out, _: _build(built, out, size_mb))
    return {f"{kind}-{name}": folder / f"{kind}-{name}.img"
            for kind in KINDS for name in COMPRESSORS}


def _build(built: Fixtures, out: Path, size_mb: int) -> None:
    root = built.node_root(out / "root")
    _fill(root / _INTO, size_mb * 1_000_000)
    outer = out / "outer"
    inner = outer / _INNER
    inner.parent.mkdir(parents=True)
    with open(inner, "wb") as stream:
        stream.truncate(max(2 * size_mb, 128) << 20)
    run(["mkfs.ext4", "-q", "-L", "LiveOS", "-b", "4096", "-d", root, inner])
    for kind, tree in (("tree", root), ("nested", outer)):
        for name in COMPRESSORS:
            run(["mksquashfs", tree, out / f"{kind}-{name}.img", "-comp", name, "-b", "128K",
                 "-no-progress"])
    for folder in (root, outer):
        shutil.rmtree(folder)


def _fill(into: Path, size_bytes: int) -> None:
    """Copy ``size_bytes`` of this machine's files, in the order of their names."""
    remaining_bytes = size_bytes
    copies: Dict[Tuple[int, int], Path] = {}
    for path in _files(_SOURCE):
        info = path.lstat()
        target = into / path.relative_to(_SOURCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        first = copies.setdefault((info.st_dev, info.st_ino), target)
        if first != target:
            os.link(first, target, follow_symlinks=False)
            continue
        shutil.copy2(path, target, follow_symlinks=False)
        remaining_bytes -= info.st_size
        if remaining_bytes < 0:
            return


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_symlink() or path.is_file():
                yield path
