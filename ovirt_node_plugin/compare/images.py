"""Compare two images: plugins, settings, packages, boot entries, files and form."""
from __future__ import annotations

import contextlib
import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Container,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    Union,
)

from ..errors import OutsideRoot
from ..images.dnf_program import trial_root
from ..images.image import FOLDER, SQUASHFS, Image, Layout, kernels
from ..images.iso.boot import boot_configurations
from ..images.iso.iso import Iso
from ..registry import store
from ..registry.record import Record
from ..system.progress import BYTES, ENTRIES, Progress
from ..system.run import Runner
from ..system.trees import Relative
from ..target import read_target
from .boot import BootDifference, BootSide, boot_differences, surplus
from .isos import iso_differences
from .packages import PackageDifference, RootPackage, package_differences, read_files, read_packages
from .trees import ADDED, CHANGED, REMOVED, Difference, differences

FormValue = Union[str, int, bool, None]


@dataclass(frozen=True)
class Side:
    """One of the two open images to compare, and a work folder for it."""

    image: Image
    work: Path


@dataclass(frozen=True)
class FormDifference:
    """A property of an image that differs; None where an image does not have it."""

    name: str
    old: FormValue
    new: FormValue


@dataclass(frozen=True)
class PluginDifference:
    """A plugin that differs, with its versions; None is absent.

    ``details`` are other changes, each as a name, the old value, ``->`` and the new value.
    """

    name: str
    kind: str
    old: Optional[str]
    new: Optional[str]
    details: Tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingDifference:
    """A setting of a plugin that differs; ``setting`` is the kind of the setting.

    ``old`` and ``new`` are its values, None if absent.
    """

    plugin: str
    kind: str
    setting: str
    key: str
    old: Optional[str]
    new: Optional[str]


@dataclass(frozen=True)
class ImageDifferences:
    """The differences between two images.

    ``files`` are in the root, ``around`` are outside of it: files on the ISO by their paths
    there, files in the squashfs as ``IMAGE:PATH``. These and ``form`` are None if they were
    not compared. ``notes`` say what could not be compared.
    """

    old: Path
    new: Path
    plugins: Tuple[PluginDifference, ...]
    settings: Tuple[SettingDifference, ...]
    packages: Tuple[PackageDifference, ...]
    boot: Tuple[BootDifference, ...]
    form: Optional[Tuple[FormDifference, ...]]
    files: Optional[Tuple[Difference, ...]]
    around: Optional[Tuple[Difference, ...]]
    notes: Tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether there are no differences."""
        return not any((self.plugins, self.settings, self.packages, self.boot, self.form,
                        self.files, self.around, self.notes))


def compare(old: Side, new: Side, *, plugins_only: bool = False, content: bool = False,
            run: Runner, progress: Progress) -> ImageDifferences:
    """Return the differences between two images.

    With ``plugins_only``, only plugins, their settings and packages, and kernel arguments
    are compared. Files of equal size and time that the same build of a package installed in
    both are read only with ``content``.

    Raises BadRoot for a root without an rpm database, BadImage for a damaged one, and
    OSError for an unreadable file.
    """
    registries = [store.read_registry(side.image.root) for side in (old, new)]
    notes = [f"{side.image.layout.path}: {message}"
             for side, registry in zip((old, new), registries)
             for _, message in sorted(registry.damaged.items())]
    old_records, new_records = (dict(registry.records) for registry in registries)
    whole = not plugins_only
    with progress.step("packages", "Comparing packages"):
        before = _installed(old, run, files=whole and not content)
        after = _installed(new, run, files=False)
        packages = package_differences(before.packages, after.packages,
                                       _claims(old_records, new_records))
    booted = tuple(boot_differences(*(_boot_side(side, run) for side in (old, new))))
    return ImageDifferences(
        old=old.image.layout.path, new=new.image.layout.path,
        plugins=tuple(_plugins(old_records, new_records)),
        settings=tuple(_settings(old_records, new_records)),
        packages=tuple(difference for difference in packages if whole or difference.plugins),
        boot=booted,
        form=tuple(_form(old, new)) if whole else None,
        files=_files(old, new, progress, _trusted(old, before, after)) if whole else None,
        around=tuple(_around(old, new, progress)) if whole else None, notes=tuple(notes))


def _claims(old: Mapping[str, Record], new: Mapping[str, Record]) -> Dict[str, List[str]]:
    """Return the plugins that have a package in their records, by its NEVRA."""
    claims: Dict[str, List[str]] = {}
    for record in (*old.values(), *new.values()):
        for package in record.packages:
            claims.setdefault(package.nevra, []).append(record.name)
    return claims


class _RootPackages(NamedTuple):
    """The packages of a root, and pairs of a package's digest and the path of a file."""

    packages: Tuple[RootPackage, ...]
    files: Tuple[Tuple[str, str], ...]


def _installed(side: Side, run: Runner, *, files: bool) -> _RootPackages:
    target = read_target(side.image.root)
    # rpm locks the database also for reading
    with trial_root(side.image, side.work, run=run) as root:
        return _RootPackages(read_packages(root, target, run=run),
                             tuple(read_files(root, target, run=run)) if files else ())


def _trusted(old: Side, before: _RootPackages, after: _RootPackages) -> Set[str]:
    """Return the paths that the same build of a package installed in both."""
    old_digests, new_digests = ({package.digest for package in side.packages}
                                for side in (before, after))
    same = old_digests & new_digests
    relative = Relative(old.image.root)
    paths: Set[str] = set()
    for digest, path in before.files:
        if digest and digest in same:
            with contextlib.suppress(OutsideRoot):  # then its content is read
                paths.add(relative(path))
    return paths


def _plugins(old_records: Mapping[str, Record], new_records: Mapping[str, Record]
             ) -> Iterator[PluginDifference]:
    for name in sorted({*old_records, *new_records}):
        old, new = old_records.get(name), new_records.get(name)
        if old is None or new is None:
            yield PluginDifference(name, ADDED if old is None else REMOVED,
                                   old.version if old else None, new.version if new else None)
            continue
        details = tuple(f"{word} {before} -> {after}" for word, before, after in (
            ("vendor", old.vendor, new.vendor), ("trust", old.trust, new.trust))
            if before != after)
        if old.version != new.version or details:
            yield PluginDifference(name=name, kind=CHANGED, old=old.version, new=new.version,
                                   details=details)


_Key = Tuple[str, str, str]


def _settings(old_records: Mapping[str, Record], new_records: Mapping[str, Record]
              ) -> Iterator[SettingDifference]:
    old, new = _values(old_records), _values(new_records)
    for key in sorted({*old, *new}):
        before, after = old.get(key, []), new.get(key, [])
        removed, added = surplus(before, after), surplus(after, before)
        if len(removed) == len(added) == 1:
            yield SettingDifference(plugin=key[0], kind=CHANGED, setting=key[1], key=key[2],
                                    old=removed[0], new=added[0])
        else:
            yield from (SettingDifference(plugin=key[0], kind=REMOVED, setting=key[1], key=key[2],
                                          old=value, new=None)
                        for value in removed)
            yield from (SettingDifference(plugin=key[0], kind=ADDED, setting=key[1], key=key[2],
                                          old=None, new=value)
                        for value in added)


def _values(records: Mapping[str, Record]) -> Dict[_Key, List[str]]:
    """Return the values of settings by plugin, kind and key; a key may have several."""
    values: Dict[_Key, List[str]] = {}
    for record in records.values():
        for setting in record.settings:
            key = record.name, setting.kind, setting.key
            values.setdefault(key, []).append(setting.value)
    return values


def _boot_side(side: Side, run: Runner) -> BootSide:
    layout = side.image.layout
    if layout.iso is None:
        return BootSide(())
    return BootSide(boot_configurations(layout.path, layout.iso, side.work, run=run),
                    layout.iso.volume_id,
                    (read_target(side.image.root).version, *kernels(side.image.root)))


def _form(old: Side, new: Side) -> Iterator[FormDifference]:
    before, after = (dict(_form_of(side.image)) for side in (old, new))
    for name in before:
        if before[name] != after[name]:
            yield FormDifference(name, before[name], after[name])


def _form_of(image: Image) -> Iterator[Tuple[str, FormValue]]:
    """Yield name and value of each property of an image, with the same names for all."""
    layout = image.layout
    iso, squashfs = layout.iso, layout.squashfs
    filesystem = layout.filesystem
    yield "system", read_target(image.root).name
    yield "nesting", " > ".join(layout.nesting)
    yield "size_bytes", layout.path.stat().st_size if layout.kind != FOLDER else None
    yield "volume_id", iso.volume_id if iso else None
    yield "boot_records", "\n".join(iso.boot_records) if iso else None
    yield "implanted_checksum", iso.checksum.implanted if iso else None
    yield "payload", layout.payload_path or None
    yield "payload_size_bytes", layout.payload_size if layout.payload_path else None
    yield "compression", str(squashfs.compression) if squashfs else None
    yield "block_size_bytes", squashfs.block_size if squashfs else None
    yield "trailing", layout.trailing.words if layout.trailing is not None else None
    yield "inner", layout.inner or None
    yield "filesystem", filesystem.kind if filesystem else None
    yield "filesystem_size_bytes", filesystem.size_bytes if filesystem else None
    yield "filesystem_label", filesystem.label if filesystem else None
    yield "filesystem_uuid", filesystem.uuid if filesystem else None


def _files(old: Side, new: Side, progress: Progress,
           trusted: Container[str]) -> Tuple[Difference, ...]:
    with progress.step("files", "Comparing files", unit=ENTRIES,
                       total=lambda: max(map(_entries, (old, new)))) as advance:
        return tuple(differences(
            old.image.root, new.image.root, content_limit_bytes=None, trusted=trusted,
            advance=advance))


def _entries(side: Side) -> int:
    """Return the number of entries in the root's filesystem, 0 for a folder."""
    if side.image.layout.kind == FOLDER:
        return 0
    info = os.statvfs(side.image.root)
    return info.f_files - info.f_ffree


def _around(old: Side, new: Side, progress: Progress) -> Iterator[Difference]:
    """Yield the differences outside of the root, for containers that both images have."""
    old_layout, new_layout = old.image.layout, new.image.layout
    if old_layout.iso is not None and new_layout.iso is not None:
        yield from _on_iso(old_layout, old_layout.iso, new_layout, new_layout.iso, progress)
    if old_layout.filesystem is not None and new_layout.filesystem is not None:
        image = new_layout.payload_path or SQUASHFS
        # filesystem images are not compared, as their files are
        limit = min(old_layout.filesystem.size_bytes, new_layout.filesystem.size_bytes) - 1
        for difference in differences(old.image.outer, new.image.outer, content_limit_bytes=limit):
            if difference.path not in (old_layout.inner, new_layout.inner):
                path = "" if difference.path == "." else difference.path
                yield dataclasses.replace(difference, path=f"{image}:/{path}")


def _on_iso(old_layout: Layout, old: Iso, new_layout: Layout, new: Iso,
            progress: Progress) -> Iterator[Difference]:
    payloads = [layout.payload.path for layout in (old_layout, new_layout)
                if layout.payload is not None]
    total = sum(file.size_bytes for file in old.files if file.path not in payloads)
    with progress.step("iso", "Comparing the files on the ISO", unit=BYTES,
                       total=lambda: total) as advance:
        yield from iso_differences((old_layout.path, old), (new_layout.path, new), ignored=payloads,
                                   advance=advance)
