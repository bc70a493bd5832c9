"""Make rpm and DNF use the target root's own database, wherever it is."""
from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import Iterator, Optional, Sequence
from urllib.parse import unquote

import dnf.rpm.transaction
import rpm

from ..errors import BadRoot
from ..system import path_sets
from ..system.paths import resolve_inside
from ..system.rpm_database import RPMDB_FILES, find_rpmdb
from ..system.rpm_version import compare
from ..system.run import Runner, run
from ..system.trees import walk
from ..target import Target, is_running_system, read_target
from . import start


def point_rpm_at(root: Path) -> None:
    """Make rpm, and so DNF, use the database that lies in ``root``.

    rpm's default differs between the machine that runs and the root: Debian's
    is in the home folder, EL9's in /var/lib/rpm, and an absolute link in the
    root would lead rpm back to the running machine. Does nothing for a root
    without a database, which DNF is about to make.
    """
    own = find_own(root)
    default = rpm.expandMacro("%{?_dbpath}")
    if own is not None:
        start.use_database(own)
    if "/.rpmdb" in default and default != f"/{own}":
        _drop_stray(root, default.lstrip("/"), own=own)


def find_own(root: Path) -> Optional[str]:
    """Return the folder of the root's own database, see ``rpm_database.find_rpmdb``."""
    return find_rpmdb(root, named=_default_of(root))


def _default_of(root: Path) -> str:
    """Return the folder that this machine's rpm uses if ``root`` is the running system."""
    return rpm.expandMacro("%{?_dbpath}") if is_running_system(root) else ""


@contextlib.contextmanager
def programs_pointed_at(rpmdb: str) -> Iterator[None]:
    """Make rpm programs that DNF starts use the database folder ``rpmdb`` of their root.

    DNF has rpmkeys check signatures, without a way to pass the folder: it is told
    by the file of macros that rpm reads from HOME (rpm(8), "FILES").
    """
    home = os.environ.get("HOME", "/root")
    with tempfile.TemporaryDirectory(prefix="node-plugin-home-") as folder:
        own = Path(home, ".rpmmacros")
        text = own.read_text(errors="surrogateescape") + "\n" if own.is_file() else ""
        Path(folder, ".rpmmacros").write_text(f"{text}%_dbpath /{rpmdb}\n",
                                              errors="surrogateescape")
        os.environ["HOME"] = folder
        try:
            yield
        finally:
            os.environ["HOME"] = home


def import_command(target: Target, keys: Sequence[str] = ()) -> str:
    """Return the command for a shell that imports keys into the root's own database.

    ``keys`` are paths and URLs; without one, the command has the word FILE.
    """
    root = [] if target.live else [f"--root={target.root}"]
    files = [unquote(key[len("file://"):]) if key.startswith("file:///") else key for key in keys]
    return " ".join(map(shlex.quote, [
        "rpmkeys", *root, f"--dbpath=/{target.rpmdb}", "--import", *(files or ["FILE"])]))


def require_system(root: Path, *, runner: Runner = run) -> None:
    """Raise BadRoot if ``root``, an absolute path, holds no RPM based system.

    DNF, before it loads any plugin, makes a folder that is not there and puts its
    logs and an empty database into it: those go again.
    """
    problem = _problem(root)
    if problem is None:
        return
    if root.is_dir():
        made = _born_in_this_run(root, runner)
        _take_back(root, runner)
        if made and not any(root.iterdir()):
            root.rmdir()
    raise _problem(root) or problem


def _problem(root: Path) -> Optional[BadRoot]:
    try:
        read_target(root, named_rpmdb=_default_of(root))
    except BadRoot as exc:
        return exc
    if any(True for _ in dnf.rpm.transaction.initReadOnlyTransaction(str(root)).dbMatch()):
        return None
    return BadRoot(f"the rpm database in the installroot {root} is empty",
                   hint="Give the folder that holds the image's usr, etc and var.")


# DNF takes longer than this to start, and whoever made a folder just before started it
# within that time: a clock of ticks cannot tell such a folder from DNF's own.
_START_S = 0.02


def _take_back(root: Path, runner: Runner) -> None:
    """Remove what DNF's start wrote into a ``root`` that holds no system."""
    places = (path_sets.LOGS, path_sets.DNF_CACHE, rpm.expandMacro("%{?_dbpath}").lstrip("/"))
    if is_running_system(root):
        return
    found = [path for place in places
             if resolve_inside(root, place) == root / place and (root / place).is_dir()
             for path in sorted((Path(entry.path) for entry in walk(root / place)), reverse=True)]
    folders = {parent for path in found for parent in path.parents if root in parent.parents}
    for path in [*found, *sorted(folders, reverse=True)]:
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()) and _born_in_this_run(path, runner):
                path.rmdir()
        elif _born_in_this_run(path, runner):
            path.unlink()
    _stop_logs(root)


def _stop_logs(root: Path) -> None:
    """Stop DNF from writing to log files below ``root``, which would create them again."""
    for logger in logging.Logger.manager.loggerDict.values():
        for handler in list(getattr(logger, "handlers", ())):
            if root in Path(getattr(handler, "baseFilename", "/")).parents:
                logger.removeHandler(handler)  # type: ignore[union-attr]


def _born_in_this_run(path: Path, runner: Runner) -> bool:
    """Return whether ``path`` was made after this process started: proc(5), starttime.

    On an overlay, a folder of the lower tree is born when something is put into it. Its
    time of access is still the old one, unless it was listed.
    """
    times = runner(["stat", "--format=%.3W %.3X", "--", path]).split()
    birth_s = min(map(float, times))
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return birth_s > time.time() - age_s + _START_S


def _drop_stray(root: Path, name: str, *, own: Optional[str]) -> None:
    """Remove the empty database that DNF's start made at rpm's default path.

    DNF asks the database for the release version before any plugin is loaded,
    and rpm makes a database where there is none. Only one without a package goes. ``own``
    is the folder of the root's own database, if it has one.
    """
    folder = resolve_inside(root, name)
    if not any((folder / file).is_file() for file in RPMDB_FILES):
        return
    rpm.addMacro("_dbpath", f"/{name}")
    try:
        empty = not any(True for _ in rpm.TransactionSet(str(root)).dbMatch())
    except rpm.error:
        empty = False
    finally:
        rpm.delMacro("_dbpath")
    if empty:
        shutil.rmtree(folder)
        # asked first, as listing is an access
        if (_born_in_this_run(folder.parent, run) and not any(folder.parent.iterdir())
                and not (own and _is_owned(root, folder.parent))):
            folder.parent.rmdir()


def _is_owned(root: Path, folder: Path) -> bool:
    """Return whether a package in the root's own database has ``folder``, as one has /root.

    When such a folder was made cannot be told on an overlay: see ``_born_in_this_run``.
    """
    where = f"/{folder.relative_to(root).as_posix()}"
    read_only = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    return any(True for _ in read_only.dbMatch("basenames", where))


def rpm_version() -> str:
    """Return the version of this machine's rpm."""
    return str(rpm.__version__)


def creates_accounts() -> bool:
    """Return whether this machine's rpm creates the accounts that packages declare.

    It does since 4.19, by the program that the macro names; distributions can unset it.
    """
    return (compare(rpm_version(), "4.19") >= 0
            and bool(rpm.expandMacro("%{?__systemd_sysusers}")))
