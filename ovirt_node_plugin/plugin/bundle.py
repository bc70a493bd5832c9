"""Read and check a bundle: one plugin as a folder or an archive."""
from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import BadBundle, Reasons, UsageError
from ..system import run as programs
from ..system.limits import BUNDLE_BYTES, BUNDLE_ENTRIES, BUNDLE_FILES, PROBLEMS
from ..system.regular_files import NotRegular, TooLarge, read_regular
from ..system.run import Runner
from ..system.trees import walk
from ..system.xml import parse_xml
from .bundle_files import read_files
from .descriptor import DESCRIPTOR_NAME, Descriptor, check_tool, parse_descriptor, read_descriptor
from .other_operands import LAYOUT, no_descriptor, not_a_bundle
from .repo_file import repo_ids
from .templates import check_references

_CREATEREPO = "Run createrepo_c on the bundle's repo/ folder."
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_WORK_PREFIX, _UNPACKED = "node-plugin-", "bundle"  # of the folders of an unpacked tar
_KEY_START = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"


@dataclass(frozen=True)
class Bundle:
    """One plugin as delivered.

    ``directory`` is its folder, absolute, None for a descriptor in a repository's metadata;
    ``source`` is its name in messages: a path or ``repo ID``. ``repo_files`` and ``keys``
    are sorted; ``repository`` is its ``repo/`` with repodata, or None.
    """

    descriptor: Descriptor
    directory: Optional[Path]
    source: str
    repo_files: Tuple[Path, ...]
    repository: Optional[Path]
    keys: Tuple[Path, ...]


@contextlib.contextmanager
def opened(path: Path, *, run: Runner = programs.run) -> Iterator[Bundle]:
    """Yield the bundle at ``path``, a folder or a tar, which is unpacked temporarily.

    Raises as ``unpacked`` and ``read_bundle``.
    """
    with unpacked(path, run=run) as directory:
        yield read_bundle(directory, source=str(path.absolute()))


@contextlib.contextmanager
def unpacked(path: Path, *, run: Runner = programs.run) -> Iterator[Path]:
    """Yield the folder of the bundle at ``path``, a folder or a tar, which is unpacked there.

    The temporary folder is in TMPDIR, by default /var/tmp, as bundles can be large.

    Raises UsageError if the path does not exist, BadBundle if it cannot be a bundle.
    """
    absolute = path.absolute()
    try:
        mode = os.stat(absolute).st_mode
    except OSError as exc:
        raise UsageError(f"{path} cannot be opened: {exc.strerror}") from exc
    if stat.S_ISDIR(mode):
        yield absolute
        return
    if not stat.S_ISREG(mode):
        raise BadBundle(f"{path} is neither a folder nor a file", hint=LAYOUT)
    other = not_a_bundle(absolute, str(absolute))
    if other is not None:
        raise other
    from . import archive  # here, because most dnf runs read no archive

    with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX,
                                     dir=os.environ.get("TMPDIR") or "/var/tmp") as work:
        into = Path(work) / _UNPACKED
        into.mkdir()
        # resolved, as zstd does not follow links
        yield archive.unpack(absolute.resolve(), into, run=run)


def is_unpacked(path: Path) -> bool:
    """Return whether ``path`` is in a folder into which ``opened`` unpacks a tar, by its name."""
    return any(folder.name == _UNPACKED and folder.parent.name.startswith(_WORK_PREFIX)
               for folder in path.parents)


def read_bundle(directory: Path, *, source: str) -> Bundle:
    """Return the bundle in the folder ``directory``; ``source`` is its name in messages.

    Raises BadBundle for a folder that is not a bundle, links that lead out of it, a
    ``repo/`` without repodata or with metadata elsewhere, invalid keys, ``.repo`` files that
    set what a bundle may not set, and those whose ids differ from the descriptor's.
    """
    reasons = Reasons()
    bundle = examine(directory, source=source, reasons=reasons)
    reasons.raise_first()
    assert bundle is not None
    return bundle


def examine(directory: Path, *, source: str, reasons: Reasons) -> Optional[Bundle]:
    """Add each BadBundle for which ``read_bundle`` refuses the folder to ``reasons``.

    Returns the bundle, None without a valid descriptor; what is refused is missing in it. Nothing
    is read if there are entries that could lead out of the folder.
    """
    directory, before = directory.absolute(), len(reasons)
    descriptor_path = directory / DESCRIPTOR_NAME
    with reasons.collected():
        if not os.path.lexists(descriptor_path):
            raise no_descriptor(directory, source)
        _check_tree(directory, source, reasons)
    if len(reasons) > before:
        return None
    descriptor: Optional[Descriptor] = None
    repo_files: Tuple[Path, ...] = ()
    repository: Optional[Path] = None
    keys: Tuple[Path, ...] = ()
    with reasons.collected():
        descriptor = read_descriptor(descriptor_path)
        check_tool(descriptor)
    with reasons.collected():
        files = read_files(directory, source=source, reasons=reasons)
        if descriptor is not None:
            descriptor = replace(descriptor, files=files)
            check_references(descriptor, source)
    with reasons.collected():
        repo_files = repo_files_in(directory)
        _check_number(repo_files, ".repo files", source)
        before = len(reasons)
        ids = repo_ids(repo_files, reasons)
        if descriptor is not None and len(reasons) == before:
            _check_ids(descriptor, ids, source)
    with reasons.collected():
        repository = _repository(directory, source)
    with reasons.collected():
        keys = _keys(directory, reasons)
    return None if descriptor is None else Bundle(
        descriptor=descriptor, directory=directory, source=source, repo_files=repo_files,
        repository=repository, keys=keys)


def bundle_of_repo(metadata: bytes, *, repo_id: str,
                   files: Optional[Mapping[str, bytes]] = None) -> Bundle:
    """Return the plugin whose descriptor is the ``metadata`` of the repository ``repo_id``.

    ``files`` are those that its settings can name, by ``files/NAME``.

    Raises BadBundle if the descriptor is invalid or needs a newer tool, or if a file refers to a
    parameter that it does not declare.
    """
    descriptor = parse_descriptor(metadata, origin=f"{DESCRIPTOR_NAME} of repo {repo_id}")
    check_tool(descriptor)
    descriptor = replace(descriptor, files=files or {})
    check_references(descriptor, f"repo {repo_id}")
    return Bundle(descriptor=descriptor, directory=None, source=f"repo {repo_id}", repo_files=(),
                  repository=None, keys=())


def repo_files_in(directory: Path) -> Tuple[Path, ...]:
    """Return the ``*.repo`` files directly in a bundle's folder, sorted.

    It reads no file, as it is called in every dnf run.
    """
    with os.scandir(directory) as entries:
        return tuple(sorted(
            directory / entry.name for entry in entries
            if entry.name.endswith(".repo") and not entry.name.startswith(".")
            and entry.is_file() and (not entry.is_symlink() or _stays(directory, entry.path))))


def _stays(directory: Path, path: str) -> bool:
    """Return whether a link leads to a path in ``directory``."""
    inside = os.path.realpath(directory)
    target = os.path.realpath(path)
    return os.path.commonpath((inside, target)) == inside


def _check_tree(directory: Path, source: str, reasons: Reasons) -> None:
    """Refuse links that lead out of the bundle, and entries other than file, folder or link.

    The first of them are added to ``reasons``.
    """
    size_bytes = 0
    for number, entry in enumerate(walk(directory, error=BadBundle), start=1):
        info = entry.stat(follow_symlinks=False)
        mode = info.st_mode
        with reasons.collected():
            _check_entry(directory, entry, mode, source)
        size_bytes += info.st_size
        if number > BUNDLE_ENTRIES or size_bytes > BUNDLE_BYTES:
            raise BadBundle(f"{source} has more than {BUNDLE_ENTRIES} files and folders, or"
                            f" {BUNDLE_BYTES} bytes", hint="Ask the vendor for a smaller bundle.",
                            code="bundle/limit")
        if len(reasons) >= PROBLEMS:
            return


def _check_entry(directory: Path, entry: os.DirEntry[str], mode: int, source: str) -> None:
    shown = os.path.relpath(entry.path, directory)
    if stat.S_ISLNK(mode) and not _stays(directory, entry.path):
        raise BadBundle(
            f"{source}: {shown!r} is a link that leads out of the bundle, to "
            f"{os.readlink(entry.path)!r}", hint="Replace the link by a copy of the file.",
            code="bundle/entry").at(entry.path)
    if not (stat.S_ISLNK(mode) or stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise BadBundle(f"{source}: {shown!r} is neither file, folder nor link",
                        hint="Remove it.", code="bundle/entry").at(entry.path)


def _repository(directory: Path, source: str) -> Optional[Path]:
    folder = directory / "repo"
    if not os.path.lexists(folder):
        return None
    index = folder / "repodata" / "repomd.xml"
    if not index.is_file():
        raise BadBundle(f"{source}: repo/ is not a repository: repo/repodata/repomd.xml is missing",
                        hint=_CREATEREPO, code="repository/metadata")
    _check_index(index, f"{source}: repo/repodata/repomd.xml")
    return folder


def metadata_files(repository: Path) -> Tuple[Path, ...]:
    """Return the files of metadata that the index of a bundle's ``repository`` names."""
    return tuple(file for _, file in metadata_by_type(repository))


def metadata_by_type(repository: Path) -> Tuple[Tuple[str, Path], ...]:
    """Return types and files of metadata that the index of a ``repository`` names.

    Raises BadBundle for an index that cannot be read or names a file elsewhere.
    """
    index = repository / "repodata" / "repomd.xml"
    return tuple((kind, repository / href) for kind, href in _check_index(index, str(index)))


def _check_index(index: Path, origin: str) -> List[Tuple[str, str]]:
    """Return types and locations in a repomd.xml; refuse one outside of its repository.

    Those of SQLite databases, which DNF does not read, are left out.
    """
    document = parse_xml(_small(index), origin=origin, error=BadBundle)
    locations: List[Tuple[str, str]] = []
    for data in document.root.children:
        for location in data.children:
            href, base = location.get("href"), location.get(_XML_BASE)
            if base or not is_inside(href):
                raise BadBundle(f"{origin}:{location.line}: {base or href!r} is outside of repo/",
                                hint=_CREATEREPO, code="repository/metadata",
                                ).at(str(index), location.line)
            if href and not data.get("type").endswith("_db"):
                locations.append((data.get("type"), href))
    return locations


def is_inside(location: str) -> bool:
    """Return whether the location of a file in repository metadata is in that repository."""
    return "://" not in location and not location.startswith("/") and (
        ".." not in location.split("/"))


def _keys(directory: Path, reasons: Reasons) -> Tuple[Path, ...]:
    folder = directory / "keys"
    if not folder.is_dir():
        return ()
    keys = tuple(sorted(p for p in folder.iterdir() if not p.name.startswith(".")))
    _check_number(keys, "keys", str(directory))
    for key in keys:
        with reasons.collected():
            if not key.is_file() or _KEY_START not in _small(key):
                raise BadBundle(f"{key} is not an armored GPG public key",
                                hint="Write it with gpg --armor --export.",
                                code="keys/form").at(str(key))
    return keys


def _check_number(files: Sequence[Path], words: str, source: str) -> None:
    if len(files) > BUNDLE_FILES:
        raise BadBundle(f"{source} has {len(files)} {words}; {BUNDLE_FILES} are allowed",
                        hint="Ask the vendor for a smaller bundle.", code="bundle/limit")


def _small(path: Path) -> bytes:
    try:
        return read_regular(path, follow=True)
    except (NotRegular, TooLarge) as exc:
        raise BadBundle(f"{path} is {exc.strerror}", code="bundle/limit").at(str(path)) from exc


def _check_ids(descriptor: Descriptor, defined: Sequence[str], source: str) -> None:
    named = sorted(descriptor.repo_ids)
    if list(defined) == named:
        return
    missing = [repo_id for repo_id in named if repo_id not in defined]
    extra = [repo_id for repo_id in defined if repo_id not in named]
    parts = ([f"no .repo file has {', '.join(missing)}"] if missing else []) + (
        [f"{DESCRIPTOR_NAME} does not name {', '.join(map(repr, extra))}"] if extra else [])
    raise BadBundle(
        f"{source}: the repos of {DESCRIPTOR_NAME} ({', '.join(named) or 'none'}) are not those "
        f"of its .repo files ({', '.join(defined) or 'none'}): {'; '.join(parts)}",
        hint=f"Name each repo in <repos> of {DESCRIPTOR_NAME}, and no other.",
        code="repo-file/ids")
