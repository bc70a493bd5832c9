"""Changes that go on without their caller, as transient units of systemd, and what they print.

A change has a folder of its own in FOLDER, with the name of its unit. It contains the command
and what that prints: lines of progress, then the answer. Only root can read or change it, and it
is gone after a boot. systemd.exec(5), systemd-run(1).
"""
from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..errors import CommandError, NodePluginError, Refused, Status, UsageError
from ..system.json_data import Data, parse_json, typed
from ..system.limits import CHANGE_OUTPUT_BYTES, LISTED_CHANGE_BYTES, TEXT_BYTES
from ..system.regular_files import read_regular
from ..system.run import Runner
from ..system.words import printable

FOLDER = Path("/run/ovirt-node-plugin/changes")
RUNNING, DONE, FAILED, LOST = "running", "done", "failed", "lost"
_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
_PREFIX, _SUFFIX = "ovirt-node-plugin-change-", ".service"
_KEPT = 10
_COMMAND, _LINES, _ENVIRONMENT = "change.json", "lines", "environment"
# Variables of the caller that the change gets; others are of its session
_VARIABLES = ("HOME", "LANG", "LANGUAGE", "PATH", "PYTHONPATH", "SOURCE_DATE_EPOCH", "TMPDIR", "TZ")
_OTHER_FOLDER = "Change to another folder, such as /root, and try again."
_LIVES = ("active", "activating", "deactivating", "reloading")


@dataclass(frozen=True)
class Started:
    """A change that was started: its unit, the subcommand, plugins, whole command and time."""

    unit: str
    operation: str
    names: Tuple[str, ...]
    command: Tuple[str, ...]
    started_at: str


@dataclass(frozen=True)
class DetachedChange:
    """How a change stands: RUNNING, DONE, FAILED, or LOST if it ended without an answer.

    ``exit_status`` is None unless it is DONE or FAILED. ``step`` and ``progress`` are the last
    lines of these kinds, ``answer`` is the last line, each None if there is none yet. ``log``
    are the messages of dnf. Times are ISO 8601 in UTC; ``ended_at`` is empty if it is not known.
    """

    unit: str
    operation: str
    names: Tuple[str, ...]
    command: Tuple[str, ...]
    state: str
    started_at: str
    ended_at: str = ""
    exit_status: Optional[int] = None
    step: Optional[Data] = None
    progress: Optional[Data] = None
    answer: Optional[Data] = None
    log: Tuple[str, ...] = ()


@dataclass(frozen=True)
class StatusAnswer:
    """The answer of ``status``: changes, the newest first."""

    changes: Tuple[DetachedChange, ...]


def require_systemd() -> None:
    """Raise UsageError if systemd does not run this machine."""
    if not _SYSTEMD.is_dir():
        raise UsageError("--detach needs systemd, which does not run here",
                         hint="Leave --detach out: the command then does the change itself.")


def start(operation: str, names: Sequence[str], command: Sequence[str], *,
          environment: Mapping[str, str], run: Runner) -> Started:
    """Start ``command``, which prints lines of progress, as a unit; return what was started.

    It runs in the present folder, with those variables of ``environment`` that are the
    machine's. Raises NodePluginError if systemd does not start it.
    """
    directory = _present_folder()
    _make_folder()
    _remove_old(run)
    started = _named(operation, names, command)
    folder = FOLDER / started.unit
    folder.mkdir(mode=0o700)
    try:
        _write(folder / _ENVIRONMENT, _environment_file(environment))
        _write(folder / _COMMAND, json.dumps(dataclasses.asdict(started)))
        run(unit_argv(started, directory))
    except CommandError as exc:
        shutil.rmtree(folder)
        raise NodePluginError(f"{operation} cannot be started as a unit of systemd: {exc.message}",
                              hint="Nothing was changed. Leave --detach out, or look at the"
                                   " journal: journalctl -b") from exc
    return started


def unit_argv(started: Started, directory: str) -> List[str]:
    """Return the argument list that starts a change in the host folder ``directory``.

    It ends by SIGINT, as with Ctrl-C, and may take any time to undo what it did. Variables in
    its command line are not expanded.
    """
    folder = FOLDER / started.unit
    properties = {
        "WorkingDirectory": directory, "EnvironmentFile": f"{folder / _ENVIRONMENT}",
        "StandardOutput": f"file:{folder / _LINES}", "StandardError": "journal",
        "KillSignal": "SIGINT", "KillMode": "mixed", "TimeoutStopSec": "infinity"}
    return ["systemd-run", f"--unit={started.unit}", "--collect", "--quiet",
            f"--description=dnf node-plugin {started.operation}",
            *(f"--property={name}={value}" for name, value in properties.items()),
            "--", *(word.replace("$", "$$") for word in started.command)]


def changes(run: Runner, only: str = "") -> Tuple[DetachedChange, ...]:
    """Return all changes that are known, the newest first, or that of the unit ``only``.

    Of all, those that printed more than LISTED_CHANGE_BYTES are without log and answer. Another
    user than root only learns which ones run. Without systemd there are none.
    """
    if not _SYSTEMD.is_dir():
        return ()
    if not _is_root():
        return tuple(DetachedChange(unit=unit, operation="", names=(), command=(), state=RUNNING,
                                    started_at="") for unit in _running_units(run)
                     if only in ("", unit))
    started = [one for one in _all_started() if only in ("", one.unit)]
    # asked before their lines are read: what has ended has printed its answer
    alive = _alive([one.unit for one in started], run)
    found = (_change(one, one.unit in alive) for one in started)
    return tuple(found if only else map(_listed, found))


def change(unit: str, run: Runner) -> DetachedChange:
    """Return one change. Raises UsageError for a unit that is not known."""
    for one in changes(run, unit if unit.endswith(_SUFFIX) else f"{unit}{_SUFFIX}"):
        return one
    raise UsageError(f"no change {unit} is known on this machine",
                     hint="dnf node-plugin status shows those since the last boot, to root. If it"
                          " was interrupted by a boot, the next dnf node-plugin command has undone"
                          " it, or undoes it.")


def new_lines(unit: str, offset: int) -> Tuple[List[Data], int]:
    """Return the lines that a change printed since ``offset``, and the next offset.

    Another user than root cannot read them.
    """
    if not _is_root():
        return [], offset
    with contextlib.suppress(FileNotFoundError), open(FOLDER / unit / _LINES, "rb") as stream:
        stream.seek(offset)
        # to the end of a line: an answer can be longer than what is read at once
        data = stream.read(CHANGE_OUTPUT_BYTES) + stream.readline()
        whole = data[:data.rfind(b"\n") + 1]
        return _parsed(whole), offset + len(whole)
    return [], offset


def sees_ended() -> bool:
    """Return whether the user sees changes that have ended, too."""
    return _is_root()


def _is_root() -> bool:
    return os.geteuid() == 0


def _listed(stands: DetachedChange) -> DetachedChange:
    """Return a change without log and answer if they are too long for a list of all."""
    with contextlib.suppress(FileNotFoundError):
        if os.stat(FOLDER / stands.unit / _LINES).st_size > LISTED_CHANGE_BYTES:
            return dataclasses.replace(stands, log=(), answer=None)
    return stands


def _change(started: Started, alive: bool) -> DetachedChange:
    lines = _all_lines(started.unit)
    last: Dict[str, Data] = {str(line.get("event")): line for line in lines}
    # the last one: a scriptlet that writes to the output, too, has ended before
    answer = next((line for line in reversed(lines)
                   if line.get("event") in ("error", "result")), None)
    stands = DetachedChange(
        **{**dataclasses.asdict(started), "state": RUNNING},
        step=last.get("step"), progress=last.get("progress"),
        log=tuple(text for line in lines if line.get("event") == "message"
                  for text in str(line.get("text")).splitlines()))
    if alive or _is_starting(started.unit):
        return stands
    if answer is None:
        return dataclasses.replace(stands, state=LOST)
    status = _exit_status(answer)
    ended = os.stat(FOLDER / started.unit / _LINES).st_mtime
    return dataclasses.replace(
        stands, state=FAILED if status else DONE, exit_status=status, ended_at=_iso(ended),
        answer={name: value for name, value in answer.items() if name != "event"})


def _all_lines(unit: str) -> List[Data]:
    """Return the lines that a change has printed until now."""
    lines: List[Data] = []
    offset, before = 0, -1
    while offset > before:
        before = offset
        more, offset = new_lines(unit, before)
        lines += more
    return lines


def _is_starting(unit: str) -> bool:
    """Return whether the process that starts a unit has not ended, and the unit has not begun.

    Its number is in the name of the unit, see ``_named``.
    """
    process = unit[:-len(_SUFFIX)].rpartition("-")[2]
    return (not (FOLDER / unit / _LINES).exists() and process.isdecimal()
            and os.path.exists(f"/proc/{process}"))


def _exit_status(answer: Data) -> int:
    """Return the exit status of the command that printed ``answer``, which it implies."""
    error = answer.get("error")
    if isinstance(error, dict):
        status = error.get("status")
        return status if isinstance(status, int) else int(Status.DNF)
    return int(Status.BROKEN if answer.get("unrepaired") else Status.DONE)


def _parsed(text: bytes) -> List[Data]:
    """Return the objects in lines of JSON; what else a program printed is left out."""
    found = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            value = parse_json(line)
            if isinstance(value, dict) and "event" in value:
                found.append(value)
    return found


def _present_folder() -> str:
    """Return the present folder. Raises UsageError for one in which no unit can be started."""
    try:
        folder = os.getcwd()
    except OSError as exc:
        raise UsageError(f"the present folder cannot be used: {exc.strerror}",
                         hint=_OTHER_FOLDER) from exc
    if printable(folder) != folder:  # a newline would begin another line of the unit's file
        raise UsageError(f"no unit of systemd can be started in {folder!r}, a name with"
                         " characters that are not printable", hint=_OTHER_FOLDER)
    return folder


def _make_folder() -> None:
    """Make FOLDER. Raises Refused if another user could write to it."""
    for folder in (FOLDER.parent, FOLDER):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o755 if folder == FOLDER.parent else 0o700)
        state = os.lstat(folder)
        if not folder.is_dir() or folder.is_symlink() or state.st_uid != os.geteuid() \
                or state.st_mode & 0o022:
            raise Refused(f"{folder} is not a folder that only root can change",
                          hint="Find out who made it, and remove it.")


def _named(operation: str, names: Sequence[str], command: Sequence[str]) -> Started:
    now = time.time()
    stamp = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).strftime("%Y%m%dT%H%M%S")
    return Started(unit=f"{_PREFIX}{stamp}-{os.getpid()}{_SUFFIX}", operation=operation,
                   names=tuple(names), command=tuple(command), started_at=_iso(now))


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _remove_old(run: Runner) -> None:
    """Remove the oldest changes that have ended, so that one more makes _KEPT."""
    started = _all_started()
    alive = _alive([one.unit for one in started], run)
    for one in started[_KEPT - 1:]:
        if one.unit not in alive:
            # another change that is started at the same time may remove it too
            shutil.rmtree(FOLDER / one.unit, ignore_errors=True)


def _all_started() -> List[Started]:
    """Return the changes that have a folder, the newest first."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in FOLDER.iterdir():
            with contextlib.suppress(OSError, ValueError):
                file = path / _COMMAND
                started = typed(Started, parse_json(read_regular(file, max_bytes=TEXT_BYTES)))
                if started.unit == path.name:
                    found.append((file.stat().st_mtime_ns, started))
    return [started for _, started in sorted(found, key=lambda one: one[0], reverse=True)]


def _alive(units: Sequence[str], run: Runner) -> Set[str]:
    """Return those of ``units`` that systemd runs."""
    if not units:
        return set()
    shown = run(["systemctl", "show", "--property=Id", "--property=ActiveState", "--", *units])
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines())
              for block in shown.split("\n\n"))
    return {block["Id"] for block in blocks if block.get("ActiveState") in _LIVES}


def _running_units(run: Runner) -> List[str]:
    shown = run(["systemctl", "list-units", "--plain", "--no-legend", "--no-pager",
                 f"{_PREFIX}*{_SUFFIX}"])
    return sorted((line.split()[0] for line in shown.splitlines() if line.strip()), reverse=True)


def _environment_file(environment: Mapping[str, str]) -> str:
    """Return the variables that a change gets, as systemd.exec(5) reads an EnvironmentFile.

    They are not in the command line, which everybody can read: a proxy may have a password.
    """
    chosen = {name: value for name, value in sorted(environment.items())
              if name in _VARIABLES or name.startswith("LC_")
              or name.lower().endswith("_proxy")}
    escapes = str.maketrans({char: f"\\{char}" for char in '"\\$`'})
    return "".join(f'{name}="{value.translate(escapes)}"\n' for name, value in chosen.items())


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
