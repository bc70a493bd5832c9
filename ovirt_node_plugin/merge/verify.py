"""Verify the image that a merge wrote, by comparing it with the input.

What plugins changed is checked by ``dnf node-plugin verify``. Everything else must be
unchanged: in the root, around it, and on the ISO.
"""
from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

from ..compare.isos import iso_differences
from ..compare.packages import package_differences, read_packages
from ..compare.trees import REMOVED, Difference, differences
from ..errors import CommandError, NodePluginError, RolledBack
from ..images import filesystem
from ..images.dnf_program import Dnf, trial_root
from ..images.image import Image, Layout, opened
from ..images.iso import boot, checksum, iso_checksums
from ..images.iso.iso import Iso, IsoChanges, read_span
from ..images.squashfs.compression import Compression
from ..images.squashfs.squashfs import pack_options
from ..images.squashfs.verity import Verity
from ..images.squashfs.verity_tool import check_verity
from ..operations.model.answers import VerifyAnswer
from ..registry import store
from ..system import path_sets
from ..system.entries import LABEL
from ..system.paths import is_inside_any, real_places
from ..system.progress import ENTRIES, READ, Progress, transferred
from ..system.run import Runner
from ..system.trees import Relative
from ..system.words import first_lines
from ..target import read_target
from .root.labels import Labels, can_store, wrong_labels
from .writing import Written

# To read a file of a squashfs, the whole block around it is decompressed. Small files share
# blocks, so comparing only them is cheap.
_CONTENT_LIMIT_BYTES = 16 << 10
_MARK_FOLDERS = (os.path.dirname(path_sets.IMAGE_MARK), path_sets.IMAGE_VERSION)
_MOST_PROBLEMS = 10  # that the message names


@dataclass(frozen=True)
class Expected:
    """The expected output: the open input ``image`` with ``changes`` on the ISO.

    ``root`` are the changes of the merge in the root, from ``root_changes``; ``recompress``
    is the new compression, None if it stays; ``boot`` are the texts of the boot
    configurations by place, ``verity`` the dm-verity data behind the squashfs. ``labels`` are
    those that the merge set, None if the root has no SELinux policy.
    """

    image: Image
    root: Mapping[str, Difference]
    changes: IsoChanges
    recompress: Optional[Compression]
    boot: Mapping[str, str]
    verity: Optional[Verity] = None
    labels: Optional[Labels] = None

    def after(self, written: Written) -> Expected:
        """Return what is expected of an output that was written."""
        return replace(self, changes=written.changes, boot=written.boot.texts,
                       verity=written.verity)


def root_changes(image: Image, root: Path) -> Dict[str, Difference]:
    """Return the differences between the image's root and the changed ``root``, by path.

    Files with the same size and time count as unchanged.
    """
    return {difference.path: difference for difference in differences(
        image.root, root, content_limit_bytes=0, times=True)}


def unclaimed_paths(expected: Expected, root: Path) -> Tuple[str, ...]:
    """Return the paths that the transaction added or changed and no plugin's undo data has.

    For example, triggers of the image's own packages change caches and indexes.
    """
    claimed = claimed_paths(expected.image.root) | claimed_paths(root)
    return tuple(path for path, difference in sorted(expected.root.items())
                 if difference.kind != REMOVED and path not in claimed
                 and not _is_state(path, root))


def check(expected: Expected, output: Path, work: Path, *, dnf: Dnf, run: Runner,
          progress: Progress) -> None:
    """Raise RolledBack, with the problems, if ``output`` is not as ``expected``.

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
            ["the image that was written is not correct:",
             *first_lines(problems, _MOST_PROBLEMS)]),
            hint="It was deleted. Compare the input with its published checksum. If it is right,"
                 " this is a bug of ovirt-node-plugin: report it with the log of --log.")


def _problems(expected: Expected, output: Path, work: Path, dnf: Dnf, run: Runner,
              progress: Progress) -> Iterator[str]:
    layout = expected.image.layout
    with opened(output, work, payload=layout.payload_path, run=run) as image:
        yield from _form(expected, image.layout)
        if expected.verity is not None:
            check_verity(image.layout.squashfs_file, expected.verity,
                         start=image.layout.payload_offset, run=run)
        if image.layout.filesystem is not None:
            filesystem.check(image.outer / image.layout.inner, image.layout.filesystem, run=run)
        yield from _plugins(image, work, dnf, run, progress)
        yield from _packages(expected.image, image, work, run)
        yield from root_problems(expected, image, progress)
        if expected.labels is not None and expected.labels.paths:
            (work / "labels").mkdir()
            yield from wrong_labels(image.root, expected.labels, work / "labels", run=run)
        yield from _around(expected.image, image)
    if layout.iso is not None and image.layout.iso is not None:
        yield from _iso(expected, layout.iso, output, image.layout.iso, work, run, progress)


def _form(expected: Expected, new: Layout) -> Iterator[str]:
    """Yield the problems of the containers."""
    old = expected.image.layout
    if new.nesting != old.nesting or new.inner != old.inner:
        yield f"it is {' > '.join(new.nesting)} with {new.inner or 'no file'} in it"
    yield from _squashfs_form(expected, new)
    if old.filesystem is not None and new.filesystem is not None:
        for name in ("kind", "label", "uuid", "block_size"):
            before, after = getattr(old.filesystem, name), getattr(new.filesystem, name)
            if before != after:
                yield f"the {name} of {old.inner} is {after}, not {before}"


def _squashfs_form(expected: Expected, new: Layout) -> Iterator[str]:
    """Yield the problems of the squashfs and the data behind it."""
    old = expected.image.layout
    if old.squashfs is None or new.squashfs is None:
        return
    options = pack_options(old.squashfs, recompress=expected.recompress)
    if expected.recompress is None and pack_options(new.squashfs) != options:
        yield f"it is packed with {' '.join(pack_options(new.squashfs))}"
    elif expected.recompress is not None and (
            new.squashfs.compression.name != expected.recompress.name):
        yield f"it is packed with {new.squashfs.compression.name}"
    if old.is_padded and not new.is_padded or not old.is_padded and (
            new.payload_size != new.squashfs.bytes_used):
        yield f"the squashfs is {'not ' if old.is_padded else ''}padded"
    if new.verity != expected.verity:
        yield "its dm-verity data is missing or another one"
    if new.squashfs.block_size != old.squashfs.block_size:
        yield f"its block size is {new.squashfs.block_size} bytes"


def _plugins(image: Image, work: Path, dnf: Dnf, run: Runner,
             progress: Progress) -> Iterator[str]:
    """Yield the problems that ``dnf node-plugin verify`` reports."""
    if not store.names(image.root):
        return
    with progress.step("verify", "Verifying the plugins"), trial_root(
            image, work, run=run) as root:
        answer = dnf.run_json(root, "verify", (), answer=VerifyAnswer)
    for plugin in answer.plugins:
        yield from (f"plugin {plugin.name}: {problem}" for problem in plugin.problems)


def _packages(old: Image, new: Image, work: Path, run: Runner) -> Iterator[str]:
    """Yield the packages that were added, removed or changed and belong to no plugin."""
    packages = []
    for number, image in enumerate((old, new)):
        folder = work / f"packages-{number}"
        folder.mkdir()
        with trial_root(image, folder, run=run) as root:
            packages.append(read_packages(root, read_target(image.root), run=run))
    claims: Dict[str, List[str]] = {}
    for image in (old, new):
        for name, record in store.read_registry(image.root).records.items():
            for package in record.packages:
                claims.setdefault(package.nevra, []).append(name)
    for difference in package_differences(packages[0], packages[1], claims):
        sides = [side for side in (difference.old, difference.new) if side is not None]
        if not difference.plugins and "gpg-pubkey" not in sides[0].name:
            nevras = " -> ".join(side.nevra for side in sides)
            yield f"package {nevras} was {difference.kind}"


def root_problems(expected: Expected, new: Image, progress: Progress) -> Iterator[str]:
    """Yield the differences in the root that the merge did not make.

    Lost attributes of an entry that is otherwise unchanged are a problem even if they were
    missing in the changed root: no plugin removes them there.
    """
    old = expected.image
    claimed = claimed_paths(old.root) | claimed_paths(new.root)
    labelled = _labelled(expected)
    info = os.statvfs(new.root)
    missing = {path for path in expected.root if not _is_state(path, new.root)}
    yield from (f"/{path} was removed, but belongs to no plugin"
                for path in sorted(missing - claimed) if expected.root[path].kind == REMOVED
                and not is_inside_any(path, _real(old.root, path_sets.CACHES)))
    with progress.step("compare", "Comparing with the input", unit=ENTRIES,
                       total=lambda: info.f_files - info.f_ffree) as advance:
        for difference in differences(
                old.root, new.root, content_limit_bytes=_CONTENT_LIMIT_BYTES, times=True,
                advance=advance):
            path = difference.path
            change = expected.root.get(path)
            missing.discard(path)
            if not (change is not None and change.kind == difference.kind
                    and not _only_lost_attributes(difference)
                    or path in claimed or _is_state(path, new.root)):
                yield difference.text()
            elif labelled is not None and path not in labelled and (
                    _label_change(difference) != _label_change(change)):
                yield difference.text()
    yield from (f"/{path} lacks the change that the merge made"
                for path in sorted(missing - claimed))


def _labelled(expected: Expected) -> Optional[FrozenSet[str]]:
    """Return the paths whose labels a merge set, None if the image does not store labels."""
    if not can_store(expected.image.layout):
        return None
    return frozenset(expected.labels.paths if expected.labels is not None else ())


def _label_change(difference: Optional[Difference]) -> Tuple[str, ...]:
    return tuple(detail for detail in (difference.details if difference is not None else ())
                 if detail.startswith(f"xattr {LABEL} "))


def _only_lost_attributes(difference: Difference) -> bool:
    return bool(difference.details) and all(
        detail.startswith("xattr ") and detail.endswith(" -> none")
        for detail in difference.details)


@functools.lru_cache(maxsize=None)
def _real(root: Path, names: Tuple[str, ...]) -> Tuple[str, ...]:
    return real_places(root, names)


@functools.lru_cache(maxsize=None)
def _database(root: Path) -> str:
    return read_target(root).rpmdb


def _is_state(path: str, root: Path) -> bool:
    return path in _real(root, _MARK_FOLDERS) or is_inside_any(
        path, (*_real(root, path_sets.TRANSACTION_STATE), _database(root)))


def claimed_paths(root: Path) -> Set[str]:
    """Return the paths, relative to ``root``, that the plugins in it own or have changed."""
    relative = Relative(root)
    paths: Set[str] = set()
    for name in store.names(root):
        undo_data = store.read_undo_data(root, name)
        paths.update(change.path for change in undo_data.state.all_changes)
        inventory = store.read_inventory(root, name)
        paths.update(map(relative, inventory.files() if inventory is not None else ()))
    return paths


def _around(old: Image, new: Image) -> Iterator[str]:
    """Yield the differences in the squashfs outside of the filesystem image."""
    if old.layout.filesystem is not None:
        for difference in differences(old.outer, new.outer, content_limit_bytes=0):
            if difference.path != old.layout.inner:
                yield difference.text()


def _iso(expected: Expected, old: Iso, output: Path, new: Iso, work: Path, run: Runner,
         progress: Progress) -> Iterator[str]:
    """Yield the differences on the ISO that were not requested."""
    source, changes = expected.image.layout.path, expected.changes
    if new.volume_id != (changes.volume_id or old.volume_id):
        yield f"its volume id is {new.volume_id}"
    if new.boot_records != old.boot_records:
        yield ("its boot records differ: "
               + ", ".join(sorted(set(new.boot_records) ^ set(old.boot_records))))
    for name, before, after in (("UUID", old.uuid, new.uuid),
                                ("GUID of its GPT", old.gpt_guid, new.gpt_guid)):
        if before and after != before:
            yield f"the {name} is {after or 'missing'}, not {before}"
    if new.joliet != old.joliet:
        yield "its Joliet names are missing"
    texts = {configuration.place: configuration.text for configuration in
             boot.boot_configurations(output, new, work, run=run)}
    yield from (f"the boot configuration {place} lacks the change that the merge made"
                for place, text in sorted(expected.boot.items()) if texts.get(place) != text)
    changed_at = {old.spans[name].offset for name in changes.overwritten if name in old.spans}
    ignored = {*changes.files, *changes.removed, *changes.overwritten, *(
        name for name, span in old.spans.items() if span.offset in changed_at)}  # hard links
    sizes = sum(file.size_bytes for file in old.files if file.path not in ignored)
    with progress.step("compare-iso", "Comparing the ISO's files",
                       total=lambda: sizes) as advance:
        yield from (f"on the ISO, {difference.text(top='')}" for difference in iso_differences(
            (source, old), (output, new), ignored=ignored, advance=advance))
    corrected = iso_checksums.corrected_lists((source, old), (output, new), changes)
    spans = new.spans
    yield from (f"the list of checksums {path} does not match the files"
                for path, text in sorted(corrected.texts.items())
                if path not in spans or read_span(output, spans[path]) != text)
    yield from (f"{path} is missing on the ISO" for path in sorted(
        set(changes.files) - {file.path for file in new.files}))
    if old.checksum != new.checksum:
        yield "its checksum is missing, or marked in another way"
    if new.checksum.implanted:
        with progress.step("checksum", "Checking the ISO's checksum",
                           total=lambda: output.stat().st_size) as advance:
            checksum.check(output, run=run, polled=transferred(advance, READ))
