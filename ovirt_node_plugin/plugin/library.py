"""The library: folders of bundles that ``dnf node-plugin`` finds by name."""
from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ..errors import BadBundle, NodePluginError, Refused, UnknownPlugin, UsageError
from ..registry.rules import is_plugin_name
from ..system.entries import locked, sync_dir
from ..system.limits import REPO_FILE_BYTES
from ..system.regular_files import NotRegular, opened_regular, read_regular
from ..system.rpm_version import compare
from .bundle import Bundle, read_bundle, repo_files_in
from .descriptor import DESCRIPTOR_NAME, Descriptor

FOLDERS: Tuple[Path, ...] = (Path("/etc/ovirt-node-plugin/plugins.d"),
                             Path("/usr/share/ovirt-node-plugin/plugins.d"))
"""The folder to which ``add`` copies bundles, and that of bundles in RPMs."""

@dataclass(frozen=True)
class LibraryBundle:
    """One bundle of the library.

    ``path`` is its folder, absolute; ``problem`` says why it cannot be used, and
    ``descriptor`` is None then; else ``problem`` is empty.
    """

    name: str
    path: Path
    descriptor: Optional[Descriptor]
    problem: str


@dataclass(frozen=True)
class Library:
    """Bundles found by name in ``folders``, absolute host paths.

    If two folders have a bundle of one name, the first one is used. Only the first folder is
    written to: the others belong to packages.
    """

    folders: Tuple[Path, ...] = FOLDERS

    def names(self) -> Tuple[str, ...]:
        """Return the names of all bundles, sorted, without reading files."""
        return tuple(name for name, _ in _places(self.folders))

    def find(self, name: str) -> Optional[Path]:
        """Return the folder of the bundle ``name``, or None.

        Raises UsageError for an invalid name.
        """
        check_name(name)
        return next((f / name for f in self.folders if (f / name).is_dir()), None)

    def versions(self, name: str) -> Tuple[LibraryBundle, ...]:
        """Return every bundle of that name, in the order of the folders.

        Raises UsageError for an invalid name.
        """
        check_name(name)
        return tuple(_entry(name, f / name) for f in self.folders if (f / name).is_dir())

    def entries(self) -> Tuple[LibraryBundle, ...]:
        """Return the bundle in use of every name, sorted, including damaged ones."""
        return tuple(_entry(name, path) for name, path in _places(self.folders))

    def add(self, bundle: Bundle) -> Path:
        """Copy a bundle into the first folder and return its new path.

        It atomically replaces one of the same or an older version.

        Raises Refused if a newer version is there, UsageError for a bundle that is neither
        folder nor tar.
        """
        name, version = bundle.descriptor.name, bundle.descriptor.version
        if bundle.directory is None:
            raise UsageError(f"plugin {name} comes from {bundle.source}: that is not a bundle"
                             " to add", hint="Install it by its name.")
        place = self.folders[0] / name
        with _changing(place.parent) as work:
            present = _entry(name, place).descriptor if place.is_dir() else None
            if present is not None and compare(present.version, version) > 0:
                raise Refused(f"{place} has plugin {name} {present.version}, which is newer than "
                              f"{version}", hint=f"Drop it first: dnf node-plugin drop {name}")
            _copy(bundle.directory, work / "new")
            copied = read_bundle(work / "new", source=bundle.source).descriptor
            if copied != bundle.descriptor:
                raise BadBundle(f"{bundle.source} changed while it was copied")
            _swap(work, place)
        return place

    def drop(self, name: str) -> Path:
        """Remove the bundle ``name`` from the first folder; return its path there.

        A plugin that was installed from it stays installed.

        Raises UsageError for an invalid name, UnknownPlugin for a bundle that is missing,
        Refused for one in another folder, which belongs to a package.
        """
        check_name(name)
        place = self.folders[0] / name
        if not os.path.lexists(place):
            raise self._cannot_drop(name)
        with _changing(place.parent) as work:
            os.rename(place, work / "old")
            sync_dir(place.parent)
        return place

    def _cannot_drop(self, name: str) -> NodePluginError:
        other = self.find(name)
        if other is None:
            return UnknownPlugin(f"the library has no plugin {name}",
                                 hint="dnf node-plugin list --available shows those it has.")
        return Refused(f"plugin {name} is in the library as {other}, which belongs to a package",
                       hint=f"Remove that package: dnf remove {other / DESCRIPTOR_NAME}")


def repo_files(folders: Sequence[Path] = FOLDERS) -> Tuple[Tuple[str, Path], ...]:
    """Return pairs of plugin name and ``.repo`` file of the bundles in use, sorted.

    It reads no file, as it is called in every dnf run.
    """
    files: List[Tuple[str, Path]] = []
    for name, path in _places(folders):
        with contextlib.suppress(OSError):  # Library.entries reports such a folder
            files.extend((name, file) for file in repo_files_in(path))
    return tuple(files)


def repo_ids_in(path: Path) -> List[str]:
    """Return the repo ids in a ``.repo`` file, none for an unreadable file.

    Variables in them are not replaced.
    """
    try:
        text = read_regular(path, max_bytes=REPO_FILE_BYTES, follow=True).decode(errors="replace")
    except OSError:
        return []
    headers = (line.strip()[1:].rpartition("]")[0] for line in text.split("\n")
               if line.lstrip().startswith("["))
    return [name for name in dict.fromkeys(headers) if name not in ("", "main")]


def check_name(name: str) -> str:
    """Return ``name`` if it is a valid plugin name.

    Raises UsageError for an invalid one, such as one with a slash or a dot in front.
    """
    if not is_plugin_name(name):
        raise UsageError(
            f"{name!r} is not a valid plugin name",
            hint="A name has a-z, 0-9 and . _ + - and begins with a letter or digit; a path to "
                 "a bundle has a slash in it.")
    return name


def _places(folders: Sequence[Path]) -> Tuple[Tuple[str, Path], ...]:
    places: Dict[str, Path] = {}
    for folder in reversed(folders):
        with contextlib.suppress(OSError), os.scandir(folder) as listing:
            places.update({entry.name: folder / entry.name for entry in listing
                           if is_plugin_name(entry.name) and entry.is_dir()})
    return tuple(sorted(places.items()))


def _entry(name: str, path: Path) -> LibraryBundle:
    try:
        descriptor = read_bundle(path, source=str(path)).descriptor
    except NodePluginError as exc:
        return LibraryBundle(name, path, None, exc.message)
    except OSError as exc:
        return LibraryBundle(name, path, None,
                             f"{exc.filename or path} cannot be read: {exc.strerror}")
    if descriptor.name != name:
        return LibraryBundle(name, path, None, f"{path} has plugin {descriptor.name}, not {name}")
    return LibraryBundle(name, path, descriptor, "")


@contextlib.contextmanager
def _changing(folder: Path) -> Iterator[Path]:
    """Yield a hidden work folder in ``folder``, whose lock is held."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(folder):
            _tidy(folder)
            with tempfile.TemporaryDirectory(prefix=".work-", dir=folder) as work:
                yield Path(work)
    except OSError as exc:
        raise NodePluginError(
            f"the library {folder} cannot be changed: {exc.filename}: {exc.strerror}",
            hint="Nothing in it was changed.") from exc


def _tidy(folder: Path) -> None:
    """Restore a bundle, and remove work folders, that a killed process left."""
    for work in folder.glob(".work-*"):
        with contextlib.suppress(FileNotFoundError):
            place = folder / (work / "name").read_text(encoding="utf-8")
            if not os.path.lexists(place):
                os.rename(work / "old", place)
        shutil.rmtree(work)


def _swap(work: Path, place: Path) -> None:
    """Move ``work``/new to ``place``; restore the old bundle if that fails."""
    if not os.path.lexists(place):
        os.rename(work / "new", place)
    else:
        (work / "name").write_text(place.name, encoding="utf-8")
        os.rename(place, work / "old")
        try:
            os.rename(work / "new", place)
        except BaseException:
            os.rename(work / "old", place)
            raise
    sync_dir(place.parent)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder, with files as 0644 or 0755 and links as links."""
    target.mkdir()
    target.chmod(0o755)
    with os.scandir(source) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        new = target / entry.name
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), new)
        elif entry.is_dir(follow_symlinks=False):
            _copy(Path(entry.path), new)
        else:
            _copy_file(entry.path, new)
    sync_dir(target)


def _copy_file(source: str, new: Path) -> None:
    try:
        with opened_regular(source) as reader, open(new, "xb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            executable = os.fstat(reader.fileno()).st_mode & 0o111
            os.fchmod(writer.fileno(), 0o755 if executable else 0o644)
            os.fsync(writer.fileno())
    except NotRegular as exc:
        raise BadBundle(f"{source} is not a regular file") from exc
