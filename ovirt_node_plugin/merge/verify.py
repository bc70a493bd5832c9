"""The image that a merge wrote, opened again and held against the one that it came from.

What plugins touched is theirs to tell, by ``verify``; of all the rest nothing may have
changed, in the root, around it, and on the ISO.
"""
from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Set, Tuple

from ..compare.isos import iso_differences
from ..compare.packages import package_differences, read_packages
from ..compare.trees import REMOVED, Difference, differences
from ..errors import CommandError, NodePluginError, RolledBack
from ..images import boot, checksum, filesystem
from ..images.compression import Compression
from ..images.dnf_program import Dnf, trial_root
from ..images.image import Image, Layout, opened
from ..images.iso import Iso, IsoChanges
from ..images.squashfs import pack_options
from ..registry import store
from ..system import path_sets
from ..system.paths import is_inside_any, real_places
from ..system.progress import ENTRIES, READ, Progress, transferred
from ..system.run import Runner
from ..system.trees import Relative
from ..system.words import first_lines
from ..target import read_target

# Reading a file of a squashfs costs the block around it: of small ones, which share their
# blocks, many come at once.
_CONTENT_LIMIT_BYTES = 16 << 10
_MARK_FOLDERS = (os.path.dirname(path_sets.IMAGE_MARK),)
_MOST = 10  # problems that are named


@dataclass(frozen=True)
class Expected:
    """What the output is to be: the open ``image`` with ``changes`` on the ISO.

    ``root`` is what the merge made other in the root, as ``changed`` gives it;
    ``recompress`` is the compression if it is another, ``boot`` the texts of the boot
    configurations by place.
    """

    image: Image
    root: Mapping[str, Difference]
    changes: IsoChanges
    recompress: Optional[Compression]
    boot: Mapping[str, str]


def changed(image: Image, root: Path) -> Dict[str, Difference]:
    """Return in what the changed ``root`` differs from the image's, by path.

    Content counts where size or time is another too.
    """
    return {one.path: one for one in differences(image.root, root, content_limit_bytes=0,
                                                 times=True)}


def unclaimed(expected: Expected, root: Path) -> Tuple[str, ...]:
    """Return what the transaction changed in ``root`` that no plugin's undo data has.

    Triggers of the image's own packages do so, as they keep caches and indexes. A path
    that was removed is none of them.
    """
    touched = _touched(expected.image.root) | _touched(root)
    return tuple(path for path, one in sorted(expected.root.items())
                 if one.kind != REMOVED and path not in touched and not _is_state(path, root))


def check(expected: Expected, output: Path, work: Path, *, dnf: Dnf, run: Runner,
          progress: Progress) -> None:
    """Raise RolledBack, naming what is wrong, if ``output`` is not what is ``expected``.

    ``work`` is a folder for mounts and copies.
    """
    try:
        problems = list(_problems(expected, output, work, dnf, run, progress))
    except CommandError as exc:
        if exc.returncode is None:
            raise
        problems = [exc.message]
    except NodePluginError as exc:
        problems = [exc.message]
    except OSError as exc:
        problems = [f"it cannot be read: {exc.strerror}: {exc.filename}"]
    if problems:
        raise RolledBack("\n  ".join(
            ["the image that was written is not as it should be:",
             *first_lines(problems, _MOST)]),
            hint="It was removed again. Is the input whole? Else the disk may be failing, or this"
                 " is a fault of ovirt-node-plugin: report it.")


def _problems(expected: Expected, output: Path, work: Path, dnf: Dnf, run: Runner,
              progress: Progress) -> Iterator[str]:
    layout = expected.image.layout
    payload = layout.payload.path if layout.payload is not None else ""
    with opened(output, work, payload=payload, run=run) as image:
        yield from _form(expected, image.layout)
        if image.layout.filesystem is not None:
            filesystem.check(image.outer / image.layout.inner, image.layout.filesystem, run=run)
        yield from _verified(image, work, dnf, run, progress)
        yield from _packages(expected.image, image, work, run)
        yield from _root(expected, image, progress)
        yield from _around(expected.image, image)
    if layout.iso is not None and image.layout.iso is not None:
        yield from _iso(expected, layout.iso, output, image.layout.iso, work, run, progress)


def _form(expected: Expected, new: Layout) -> Iterator[str]:
    """Tell what of the containers is other than it was."""
    old = expected.image.layout
    if new.nesting != old.nesting or new.inner != old.inner:
        yield f"it is {' > '.join(new.nesting)} with {new.inner or 'no file'} in it"
    if old.squashfs is not None and new.squashfs is not None:
        wanted = pack_options(old.squashfs, recompress=expected.recompress)
        if expected.recompress is None and pack_options(new.squashfs) != wanted:
            yield f"it is packed by {' '.join(pack_options(new.squashfs))}"
        elif expected.recompress is not None and (
                new.squashfs.compression.name != expected.recompress.name):
            yield f"it is packed by {new.squashfs.compression.name}"
        if new.squashfs.block_size != old.squashfs.block_size:
            yield f"its blocks have {new.squashfs.block_size} bytes"
    if old.filesystem is not None and new.filesystem is not None:
        for name in ("kind", "label", "uuid", "block_size"):
            was, now = getattr(old.filesystem, name), getattr(new.filesystem, name)
            if was != now:
                yield f"the {name} of {old.inner} is {now}, not {was}"


def _verified(image: Image, work: Path, dnf: Dnf, run: Runner,
              progress: Progress) -> Iterator[str]:
    """Tell what ``dnf node-plugin verify`` finds."""
    if not store.names(image.root):
        return
    with progress.step("verify", "Verifying the plugins"), trial_root(
            image, work, run=run) as root:
        answer = dnf.asked(root, "verify", ())
    for plugin in answer["plugins"]:
        yield from (f"plugin {plugin['name']}: {problem}" for problem in plugin["problems"])


def _packages(old: Image, new: Image, work: Path, run: Runner) -> Iterator[str]:
    """Tell which packages came, went or changed that no plugin brought."""
    found = []
    for number, image in enumerate((old, new)):
        place = work / f"packages-{number}"
        place.mkdir()
        with trial_root(image, place, run=run) as root:
            found.append(read_packages(root, read_target(image.root), run=run))
    claims: Dict[str, List[str]] = {}
    for image in (old, new):
        for name, record in store.read_registry(image.root).records.items():
            for package in record.packages:
                claims.setdefault(package.nevra, []).append(name)
    for one in package_differences(found[0], found[1], claims):
        if not one.plugins and "gpg-pubkey" not in (one.old or one.new or found[0][0]).name:
            nevras = " -> ".join(side.nevra for side in (one.old, one.new) if side is not None)
            yield f"package {nevras} was {one.kind}"


def _root(expected: Expected, new: Image, progress: Progress) -> Iterator[str]:
    """Tell what in the root is other than what the merge made of it."""
    old = expected.image
    touched = _touched(old.root) | _touched(new.root)
    info = os.statvfs(new.root)
    left = {path for path in expected.root if not _is_state(path, new.root)}
    yield from (f"/{path} was removed, and no plugin has to do with it"
                for path in sorted(left - touched) if expected.root[path].kind == REMOVED
                and not is_inside_any(path, _real(old.root, path_sets.CACHES)))
    with progress.step("compare", "Comparing with the input", unit=ENTRIES,
                       total=lambda: info.f_files - info.f_ffree) as advance:
        for one in differences(old.root, new.root, content_limit_bytes=_CONTENT_LIMIT_BYTES,
                               times=True, advance=advance):
            known = expected.root.get(one.path)
            left.discard(one.path)
            if known is not None and known.kind == one.kind:
                continue
            if not (one.path in touched or _is_state(one.path, new.root)):
                yield _told(one)
    yield from (f"/{path} is not as the merge made it" for path in sorted(left - touched))


@functools.lru_cache(maxsize=None)
def _real(root: Path, names: Tuple[str, ...]) -> Tuple[str, ...]:
    return real_places(root, names)


@functools.lru_cache(maxsize=None)
def _database(root: Path) -> str:
    return read_target(root).rpmdb


def _is_state(path: str, root: Path) -> bool:
    return path in _real(root, _MARK_FOLDERS) or is_inside_any(
        path, (*_real(root, path_sets.TRANSACTION_STATE), _database(root)))


def _touched(root: Path) -> Set[str]:
    """Return the paths, relative to ``root``, with which its plugins have to do."""
    relative = Relative(root)
    found: Set[str] = set()
    for name in store.names(root):
        undo_data = store.read_undo_data(root, name)
        found.update(change.path for change in undo_data.state.changes)
        inventory = store.read_inventory(root, name)
        found.update(map(relative, inventory.files() if inventory is not None else ()))
    return found


def _around(old: Image, new: Image) -> Iterator[str]:
    """Tell what changed in the squashfs around the filesystem image."""
    if old.layout.filesystem is not None:
        for one in differences(old.outer, new.outer, content_limit_bytes=0):
            if one.path != old.layout.inner:
                yield _told(one)


def _iso(expected: Expected, old: Iso, output: Path, new: Iso, work: Path, run: Runner,
         progress: Progress) -> Iterator[str]:
    """Tell what changed on the ISO."""
    source, changes = expected.image.layout.path, expected.changes
    if new.volume_id != (changes.volume_id or old.volume_id):
        yield f"its volume id is {new.volume_id}"
    if new.boot_records != old.boot_records:
        yield ("its boot records are other ones: "
               + ", ".join(sorted(set(new.boot_records) ^ set(old.boot_records))))
    if new.joliet != old.joliet:
        yield "its Joliet names are gone"
    texts = {one.place: one.text for one in
             boot.boot_configurations(output, new, work, run=run)}
    yield from (f"the boot configuration {place} is not as it should be"
                for place, text in sorted(expected.boot.items()) if texts.get(place) != text)
    besides = {*changes.files, *changes.removed,
               *(f"partition {number}" for number in changes.partitions)}
    sizes = sum(file.size_bytes for file in old.files if file.path not in besides)
    with progress.step("compare-iso", "Comparing the ISO's files",
                       total=lambda: sizes) as advance:
        yield from (f"on the ISO, {_told(one)}" for one in iso_differences(
            (source, old), (output, new), besides=besides, advance=advance))
    yield from (f"{path} is missing on the ISO" for path in sorted(
        set(changes.files) - {file.path for file in new.files}))
    if old.checksum != new.checksum:
        yield "its checksum is not what it was"
    if new.checksum.implanted:
        with progress.step("checksum", "Checking the ISO's checksum",
                           total=lambda: output.stat().st_size) as advance:
            checksum.check(output, run=run, polled=transferred(advance, READ))


def _told(one: Difference) -> str:
    path = f"/{one.path}" if not one.path.startswith(("/", "partition ")) else one.path
    path = path if path.isprintable() else ascii(path)
    return f"{path} was {one.kind}" + (f" ({', '.join(one.details)})" if one.details else "")
