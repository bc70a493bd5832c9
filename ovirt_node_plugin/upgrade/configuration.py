"""Files in /etc and configuration files of plugins: what an upgrade keeps, and what it replaces.

imgbased copies to /etc of the new image each file that differs from the old image's copy in
/usr/share/factory/etc, or is missing there (its osupdater.migrate_etc). In image mode, /etc is
merged three ways (ostree, "Handling /etc"). Everything outside of /etc and /var is the new image's.
"""
from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Dict, Iterator, Optional

from ..errors import NodePluginError, OutsideRoot
from ..registry import store
from ..registry.inventory import ABSENT, CONFIG, File
from ..system.path_sets import FACTORY_ETC
from ..system.paths import resolve_inside
from ..system.regular_files import opened_regular
from ..target import Target

_ETC, _VAR = "/etc/", "/var/"
_CHUNK_BYTES = 1 << 20
_TYPES = ("md5", "sha1", "sha256", "sha384", "sha512")  # of digests of files in an RPM


def configuration_notes(name: str, target: Target, new_root: Path) -> Iterator[str]:
    """Yield a line for each file of the plugin ``name`` whose content an upgrade decides.

    These are files that were changed since they were installed in the root of ``target``, and
    files in /etc that the upgrade copies over other ones of ``new_root``. Without a readable
    inventory in both roots there are none.
    """
    root = target.root
    # on others, systemd has some files there for tmpfiles.d(5)
    factory = resolve_inside(root, FACTORY_ETC) if target.is_node else None
    pristine = factory if factory is not None and factory.is_dir() else None
    with contextlib.suppress(NodePluginError):
        new = _files(new_root, name)
        for path, file in sorted(_files(root, name).items()):
            yield from _note(path, file, new.get(path), root, pristine)


def _files(root: Path, name: str) -> Dict[str, File]:
    """Return the regular files of the packages of a plugin by their absolute paths."""
    inventory = store.read_inventory(root, name)
    return {} if inventory is None else {
        path: file for path, file in inventory.files_of(inventory.nevras).items()
        if file.kind == "file" and file.digest and not ABSENT.intersection(file.marks)}


def _note(path: str, old: File, new: Optional[File], root: Path,
          pristine: Optional[Path]) -> Iterator[str]:
    """Yield the note on a file; ``pristine`` is imgbased's copy of /etc, if the root has one."""
    in_etc = path.startswith(_ETC)
    if path.startswith(_VAR) or not (in_etc or CONFIG in old.marks):
        return
    present = _digest_like(root, path, old)
    changed = present != old.digest
    if not present:
        return
    if not in_etc:
        if changed:
            yield f"{path}, which was changed, is replaced by the image's"
        return
    before = old.digest if pristine is None else _digest_like(pristine, path[len(_ETC):], old)
    if present == before:
        return
    other = new is not None and new.digest != _digest_like(root, path, new)
    if changed:
        yield f"{path}, which was changed, is kept" + (
            "; the image's differs from it and is not used" if other else "")
    elif other:
        yield (f"{path} is kept although it was not changed, as /{FACTORY_ETC} of this root has"
               " not the same file; the image's differs and is not used")


def _digest_like(root: Path, path: str, file: File) -> str:
    """Return the digest of a present file, of the type of that of ``file``, as ``TYPE:HEX``.

    It is empty for a file that is missing or no regular file.
    """
    kind = file.digest.partition(":")[0]
    if kind not in _TYPES:
        return ""
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        with opened_regular(resolve_inside(root, path)) as stream:
            for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""):
                digest.update(chunk)
    except (OSError, OutsideRoot):
        return ""
    return f"{kind}:{digest.hexdigest()}"
