"""Run a function in processes of its own that can change a root and nothing else.

The caller forks a first process in a new process namespace. The first process makes the other
namespaces and the view of the filesystem, forks the worker and waits for it: when it ends, the
kernel kills every process of the namespace. The worker has few capabilities and filtered system
calls. It reports to the caller through a pipe, one JSON object a line. These reports are
untrusted: the code that the worker runs may have changed the worker.
"""
from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import sys
import tempfile
import time
from typing import Callable, Iterator, List, NoReturn, Sequence, Set, Tuple

from ..errors import Refused
from ..system import kernel, source_date
from ..system.json_data import Data, parse_json
from ..system.limits import OUTPUT_BYTES
from ..system.words import printable
from . import system_calls
from .capabilities import KEPT
from .view import View, enter, own_folders_in

Tell = Callable[[Data], None]

_NAMESPACES = (kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
               | kernel.CLONE_NEWNET)
_MAX_REPORT_BYTES = 1 << 20
_POLLS, _POLL_S = 500, 0.01
_SEALED: Data = {"event": "sealed"}
_DONE: Data = {"event": "done"}
# The rest of the environment may contain secrets, such as the password of a proxy.
_ENVIRONMENT = ("COLUMNS", "DEBUG", "HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL",
                source_date.VARIABLE, "TERM", "TZ", "USER")
_ENVIRONMENT_PREFIXES = ("LC_", "PYTHON", "RPM_")
_HINT = ("Namespaces and mounts are needed, which need CAP_SYS_ADMIN. If this is a container that"
         " scriptlets may change, set isolation = off in /etc/dnf/plugins/node-plugin.conf.")


class Ended(Exception):
    """The worker ended early; the message says how."""


def refuse_impossible(view: View) -> None:
    """Seal a process that does nothing.

    Raises Refused, with the cause, if this machine does not allow it, or if folders of this
    machine are mounted in the root.
    """
    folders = own_folders_in(view.root)
    if folders:
        raise Refused(f"a folder of this machine is mounted at {', '.join(folders)}: scriptlets"
                      " of packages could change it", hint="Unmount it, then try again.")
    try:
        run_sealed(lambda _: None, view, told=lambda _: None)
    except Ended as exc:
        raise impossible(str(exc)) from exc


def impossible(cause: str) -> Refused:
    """Return the error for a machine on which nothing can be sealed."""
    return Refused("programs in the root cannot be isolated from this machine:"
                   f" {cause}", hint=_HINT)


def run_sealed(work: Callable[[Tell], None], view: View, *, told: Callable[[Data], None]) -> None:
    """Run ``work(tell)`` sealed, with ``view``; ``told`` gets each report here.

    What the work prints is printed here to standard error, with escapes for control characters:
    standard output is for answers, which it could forge. If ``told`` raises, or this process is
    interrupted, all sealed processes are killed.

    Raises Ended if the work ends early, Refused if it cannot be sealed.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with contextlib.ExitStack() as stack:
        pipes = [_pipe(stack) for _ in range(3)]
        alive = _pipe(stack)
        first = _forked(lambda: _first(work, view, [end for _, end in pipes], alive))
        for _, end in pipes:
            os.close(end)
        os.close(alive[0])
        try:
            done = _listen([end for end, _ in pipes], told)
            status = _ended(first)
        except BaseException:
            os.kill(first, signal.SIGKILL)
            os.waitpid(first, 0)  # returns when every process of the namespace has ended
            raise
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        raise Ended(f"the sealed process was killed by signal {-code}")
    if code or not done:
        raise Ended(f"the sealed process ended with status {code}")


def _ended(first: int) -> int:
    """Return the wait status of the first process, whose worker has ended.

    The first process then ends at once. If something stopped it, it is killed.
    """
    for _ in range(_POLLS):
        ended, status = os.waitpid(first, os.WNOHANG)
        if ended:
            return status
        time.sleep(_POLL_S)
    os.kill(first, signal.SIGKILL)
    return os.waitpid(first, 0)[1]


def _pipe(stack: contextlib.ExitStack) -> Tuple[int, int]:
    pair = os.pipe()
    for end in pair:
        stack.callback(_close, end)
    return pair


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _forked(child: Callable[[], NoReturn]) -> int:
    """Fork ``child`` as the first process of a new process namespace; return its id.

    Later children of this process are in its own namespace again.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            kernel.unshare(kernel.CLONE_NEWPID)
        except OSError as exc:
            raise impossible(str(exc.strerror)) from exc
        try:
            first = os.fork()
            if not first:
                child()
        finally:
            kernel.enter_namespace(own, kernel.CLONE_NEWPID)
    finally:
        os.close(own)
    return first


def _listen(ends: Sequence[int], told: Callable[[Data], None]) -> bool:
    """Read the pipes until the first of ``ends`` is closed; return whether the work was done.

    Raises Refused if the first process reports that it cannot seal.
    """
    messages, *_ = ends
    open_ends, rest, size_bytes = set(ends), b"", 0
    events: Set[str] = set()
    while messages in open_ends:  # processes in the background may hold the others open
        for end in select.select(list(open_ends), [], [])[0]:
            data = os.read(end, 65536)
            if not data:
                open_ends.discard(end)
            elif end != messages:
                _print(data)
            else:
                *lines, rest = (rest + data).split(b"\n")
                for report in map(_parsed, lines):
                    _take(report, events, told)
                size_bytes += len(data)
                if len(rest) > _MAX_REPORT_BYTES or size_bytes > OUTPUT_BYTES:
                    raise Ended("the sealed process sent a report that is too long, or too many")
    return _DONE["event"] in events


def _take(report: Data, events: Set[str], told: Callable[[Data], None]) -> None:
    """Pass on one report; ``events`` are those of reports that concern the seal."""
    if not events and report.get("event") == "unsealed":
        raise impossible(str(report.get("text")))
    if not events or report == _DONE:
        events.add(str(report.get("event")))
    else:
        told(report)


def _parsed(line: bytes) -> Data:
    try:
        message = parse_json(line)
    except ValueError as exc:
        raise Ended("the sealed process sent a report that is not JSON") from exc
    if not isinstance(message, dict):
        raise Ended("the sealed process sent a report that is not a JSON object")
    return message


def _print(data: bytes) -> None:
    sys.stderr.write(printable(data.decode(errors="replace"), keep="\n\t"))
    sys.stderr.flush()


def _first(work: Callable[[Tell], None], view: View, ends: Sequence[int],
           alive: Tuple[int, int]) -> NoReturn:
    """Run the first process: make the namespaces and the view, fork the worker, wait for it."""
    messages, out, err = ends
    with process_of_its_own(70):
        kernel.end_with_parent()
        os.close(alive[1])
        if select.select([alive[0]], [], [], 0)[0]:
            os._exit(1)  # the parent ended before the kernel was asked to watch it
        os.setsid()
        for source, target in ((out, 1), (err, 2)):
            os.dup2(source, target)
        replaced = [0, *_ways_out(messages, view.root)]
        _connect_to_null(replaced)
        try:
            seal(view)
        except OSError as exc:
            _send(messages, {"event": "unsealed", "text": exc.strerror or str(exc)})
            os._exit(1)
        _connect_to_null(replaced)  # that of the view: sealed code may change its mode
        _send(messages, _SEALED)
        worker = os.fork()
        if not worker:
            _work(work, messages)
        for descriptor in (messages, 1, 2):
            os.close(descriptor)
        wait_for(worker)
    os._exit(70)


def seal(view: View, *, network: bool = False) -> None:
    """Seal this process, the first of its process namespace, except for its capabilities.

    With ``network`` it keeps this machine's network. Raises OSError if something is refused.
    """
    kernel.unshare(_NAMESPACES & ~kernel.CLONE_NEWNET if network else _NAMESPACES)
    enter(view)
    kernel.refuse_tracing()
    system_calls.install()


def wait_for(worker: int) -> NoReturn:
    """Wait, as the first process, for the worker; then end with its status, as a shell does."""
    kernel.keep_capabilities(())
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == worker:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _work(work: Callable[[Tell], None], messages: int) -> NoReturn:
    """Run the worker."""
    with process_of_its_own(71):
        kernel.keep_capabilities(KEPT)
        _reduce_environment()
        tempfile.tempdir = "/tmp"  # scriptlets would inherit it from the environment
        work(lambda report: _send(messages, report))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        _send(messages, _DONE)
        os._exit(0)
    os._exit(71)


def _reduce_environment() -> None:
    """Remove variables, also from /proc/self/environ, which Lua in this process can read."""
    for name in set(os.environ).difference(_ENVIRONMENT):
        if not name.startswith(_ENVIRONMENT_PREFIXES):
            kernel.erase_variable(name)
            del os.environ[name]


def _send(messages: int, report: Data) -> None:
    data = json.dumps(report).encode() + b"\n"
    while data:
        data = data[os.write(messages, data):]


@contextlib.contextmanager
def process_of_its_own(status: int) -> Iterator[None]:
    """End this process with ``status`` if the block raises: what called it is the parent's."""
    try:
        yield
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)


def _ways_out(messages: int, root: str) -> List[int]:
    """Return the open files from 3 on, except for ``messages`` and regular files in the root.

    An open folder or connection would be a way out; what is in the root can be changed anyway.
    """
    numbers = []
    for number in map(int, os.listdir("/proc/self/fd")):
        if number <= 2 or number == messages:
            continue
        with contextlib.suppress(OSError):
            inside = os.readlink(f"/proc/self/fd/{number}").startswith(f"{root}/")
            if not (inside and stat.S_ISREG(os.fstat(number).st_mode)):
                numbers.append(number)
    return numbers


def _connect_to_null(numbers: Sequence[int]) -> None:
    """Replace open files by /dev/null.

    They are not closed: a library that still writes to one of the numbers would write to the
    file that gets the number next.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in numbers:
        os.dup2(null, number, inheritable=number == 0)
    os.close(null)
