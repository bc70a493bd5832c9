"""Refuse roots whose links would lead dnf or rpm to files of this machine.

Scriptlets run in a chroot, where every link stays inside. dnf and rpm open files of the root
from outside: an absolute link leads them to this machine's own files.
"""
from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import (
    Callable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..errors import OutsideRoot, Refused
from ..system.json_data import parse_json
from ..system.limits import REMOVALS_BYTES
from ..system.path_sets import DNF_CACHE, DNF_OPENED, DNF_OPENED_WITH_FILES, DNF_STATE, LOGS
from ..system.paths import is_inside, is_inside_any, resolve_inside, way_out
from ..system.regular_files import NotRegular, TooLarge, read_regular
from ..target import read_target

# Files of dnf's folder of logs; dnf's logging.py and libdnf's
_LOGS = ("dnf.log", "dnf.librepo.log", "dnf.rpm.log", "hawkey.log")
_LOG_PATHS = frozenset(f"{LOGS}/{name}" for name in _LOGS)
# In dnf's cache: a list of files that dnf removes after a transaction; dnf's persistor.py
_REMOVALS = "tempfiles.json"
# dnf makes these where they are missing, also at the target of a link
_MADE = ("var/cache", DNF_CACHE)


class _Way(NamedTuple):
    """An entry by which dnf reaches its files: ``kind`` as in stat.S_IFMT, and a link's target."""

    kind: int
    target: str
    mode: int
    owner: Tuple[int, int]


def is_opened(path: str, *, absolute: bool) -> bool:
    """Return whether DNF would follow a link at ``path``, relative to a root, out of it.

    ``absolute`` tells whether the link's target is absolute. Links in place of files of DNF
    count whatever their target is: DNF would write to it.
    """
    if path in DNF_OPENED or path == LOGS:
        return absolute
    return path in _LOG_PATHS or is_inside_any(path, (*DNF_OPENED_WITH_FILES, DNF_CACHE))


@contextlib.contextmanager
def reverted(root: Path, *, cache: str, logs: str) -> Iterator[None]:
    """Revert what code that runs in ``root`` in the ``with`` does to the paths of DNF's files.

    These are its logs, its state and its cache, which dnf opens after the transaction, and
    which the undoing of a change leaves alone. ``cache`` and ``logs`` as in ``refuse_written``.
    Raises Refused, which names the first, if something was reverted.
    """
    names = [DNF_STATE, *_relative(root, logs), *_relative(root, cache)]
    removals = [f"{name}/{_REMOVALS}" for name in _relative(root, cache)]
    ways = {path: _way(root, path) for name in names for path in _ways(root, name)}
    files = {path: _content(root, path) for path in removals}
    links = _links(root, names)
    try:
        yield
    except BaseException:
        _revert(root, ways, files, links, names)
        raise
    for path in _revert(root, ways, files, links, names):
        raise Refused(f"a package put something else at /{path}, where dnf writes a file, such as"
                      " a symbolic link", hint="Do not install it; ask its vendor.")


def _revert(root: Path, ways: Mapping[str, Optional[_Way]], files: Mapping[str, bytes],
            links: Set[str], names: Sequence[str]) -> List[str]:
    """Revert the changes; return the paths."""
    changed = []
    for path, before in sorted(ways.items()):  # a folder comes before what is in it
        now = _way(root, path)
        if now is None or now == before or now.kind == stat.S_IFDIR:
            continue
        (root / path).unlink()
        if before is not None and before.target:
            (root / path).symlink_to(before.target)
        elif before is not None:
            (root / path).mkdir()
            os.chown(root / path, *before.owner)
            (root / path).chmod(before.mode)
        changed.append(path)
    new = [*(_links(root, names) - links),
           *(path for path, content in files.items() if _content(root, path) != content)]
    for path in sorted(new):
        with contextlib.suppress(FileNotFoundError):
            resolve_inside(root, path, follow_last=False).unlink()
            changed.append(path)
    return changed


def _ways(root: Path, name: str) -> Iterator[str]:
    """Yield ``name`` and the folders above it, up to the first link, and where it leads."""
    for path in (name, resolve_inside(root, name).relative_to(root).as_posix()):
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            yield "/".join(parts[:end])
            if os.path.islink(root.joinpath(*parts[:end])):
                break


def _way(root: Path, path: str) -> Optional[_Way]:
    try:
        info = os.lstat(root / path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    target = os.readlink(root / path) if stat.S_ISLNK(info.st_mode) else ""
    return _Way(stat.S_IFMT(info.st_mode), target, stat.S_IMODE(info.st_mode),
                (info.st_uid, info.st_gid))


def _links(root: Path, names: Sequence[str]) -> Set[str]:
    """Return the links below the folders ``names``, but of logs only those of dnf's own."""
    paths = {*_LOG_PATHS, *(path for name in names if name != LOGS for path in _below(root, name))}
    return {path for path in paths
            if os.path.islink(resolve_inside(root, path, follow_last=False))}


def _content(root: Path, path: str) -> bytes:
    try:
        return read_regular(resolve_inside(root, path), max_bytes=REMOVALS_BYTES)
    except OSError:  # missing, or refused before dnf reads it
        return b""


def refuse_left(root: Path) -> None:
    """Raise Refused if packages left a way out of ``root`` that dnf or rpm would take."""
    _refuse_unless(root, LOGS, stat.S_ISDIR, "folder", str(root))
    refuse_ways_out(root, str(root))


def refuse_ways_out(root: Path, title: str) -> None:
    """Raise Refused if dnf or rpm would leave ``root``, or open a device or fifo in it.

    Refused are links that lead elsewhere when followed from outside of the root, loops of
    links, links to missing folders, and entries that are neither file nor folder. ``title``
    names the root in messages, such as ``the image``. Raises BadRoot if ``root`` has no rpm
    database.
    """
    with_files = (*DNF_OPENED_WITH_FILES, read_target(root).rpmdb)
    for name in (*DNF_OPENED, *with_files):
        _refuse_unless(root, name, stat.S_ISDIR, "folder", title)
    for name in with_files:
        _refuse_below(root, name, title)


def refuse_written(root: Path, title: str, *, cache: str, logs: str) -> None:
    """Raise Refused if dnf would write or remove files outside of ``root``.

    ``cache`` and ``logs`` are dnf's folders as absolute paths of this machine, "cachedir"
    and "logdir" in dnf.conf(5). dnf opens its logs before it loads plugins, so it may have
    written a line or two already. ``title`` as in ``refuse_ways_out``.
    """
    for name in _relative(root, logs):
        _refuse_unless(root, name, stat.S_ISDIR, "folder", title)
        for log in _LOGS:
            _refuse_unless(root, f"{name}/{log}", stat.S_ISREG, "file", title)
    for name in _relative(root, cache):
        _refuse_below(root, name, title)
        _refuse_removals(resolve_inside(root, f"{name}/{_REMOVALS}"), os.path.normpath(cache))


def _relative(root: Path, path: str) -> List[str]:
    """Return ``path`` relative to ``root`` in a list, which is empty if it is not inside."""
    name = os.path.relpath(path, root)
    return [] if name.split("/")[0] in ("..", ".") else [name]


def _refuse_removals(path: Path, cache: str) -> None:
    """Raise Refused if the list at ``path`` names files that are not in the folder ``cache``."""
    try:
        listed = parse_json(read_regular(path, max_bytes=REMOVALS_BYTES))
    except FileNotFoundError:
        return
    except (NotRegular, TooLarge) as exc:
        raise Refused(f"{path} is {exc.strerror}; dnf would read it",
                      hint=f"Remove that list: rm {path}") from exc
    except ValueError:  # dnf reads it as an empty list
        return
    names = map(str, listed) if isinstance(listed, list) else [str(listed)]
    for name in names:
        if ".." in name.split("/") or not is_inside(os.path.normpath(name), cache):
            raise Refused(f"{path} names {name!r}, which dnf would remove from this machine after"
                          " the transaction", hint=f"Remove that list: rm {path}")


def _refuse_below(root: Path, name: str, title: str) -> None:
    """Raise Refused for bad entries below the folder ``name``, also through links."""
    for path in _below(root, name):
        _refuse_unless(root, path, lambda mode: stat.S_ISREG(mode) or stat.S_ISDIR(mode), "file",
                       title)


def _below(root: Path, name: str) -> Iterator[str]:
    """Yield the entries below a folder; a link is followed only after it was yielded."""
    todo: List[str] = [name]
    seen: Set[Path] = set()
    while todo:
        folder = todo.pop()
        where = resolve_inside(root, folder)
        if where in seen or not where.is_dir():
            continue
        seen.add(where)
        for entry in sorted(os.listdir(where)):
            yield f"{folder}/{entry}"
            todo.append(f"{folder}/{entry}")


def _refuse_unless(root: Path, name: str, allowed: Callable[[int], bool], what: str,
                   title: str) -> None:
    try:
        elsewhere = way_out(root, name)
    except OutsideRoot as exc:
        raise Refused(f"/{name} in {title} leads back to itself by symbolic links",
                      hint=exc.hint) from exc
    if elsewhere:
        raise Refused(
            f"/{name} in {title} leads, by a symbolic link, to {elsewhere} of this machine when it"
            " is followed from outside of it, as dnf and rpm follow it",
            hint="Make it a relative link that stays inside, then try again.")
    try:
        mode = os.stat(root / name).st_mode  # stays inside: way_out has checked it
    except (FileNotFoundError, NotADirectoryError):
        if what == "folder" and os.path.islink(root / name) and name not in _MADE:
            raise Refused(f"/{name} in {title} is a symbolic link to a folder that is not there",
                          hint="Make that folder there, then try again.") from None
        return
    if not allowed(mode):
        raise Refused(f"/{name} in {title} is no {what}; dnf or rpm would open it",
                      hint="Find out what made it, and remove it.")
