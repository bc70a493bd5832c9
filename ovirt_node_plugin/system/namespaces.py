"""Run a function in a child process with mount and process namespaces of its own."""
from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from types import FrameType
from typing import Callable, NamedTuple, NoReturn, Optional, Sequence, Type

from .. import errors
from ..errors import NodePluginError, Refused, Status
from . import kernel

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_UMASK = 0o022  # images are readable by every user, whatever the umask of the caller


class ChildExit(NamedTuple):
    """The exit status of the child, and whether a signal to the parent ended it."""

    status: int
    interrupted: bool


def run_apart(main: Callable[[], int], *, failed: Callable[[Refused], int]) -> ChildExit:
    """Run ``main`` in a child with namespaces of its own; return its exit status.

    If the child gets no mount namespace, it ends with the status that ``failed`` returns
    for the error. SIGTERM, SIGHUP and SIGINT end the child at once, with status 128 plus
    the number of the signal; after that they are ignored, so that the caller can clean up.
    When the child ends, or this process is killed, the kernel kills all processes in the
    namespaces and removes their mounts.

    Raises Refused if this process may not make namespaces.
    """
    # signals that are ignored stay ignored, as nohup(1) expects
    forwarded = [signum for signum in _SIGNALS if signal.getsignal(signum) != signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)  # until the handlers are set
    sys.stdout.flush()
    try:
        kernel.unshare(kernel.CLONE_NEWPID)
    except OSError as exc:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
        raise Refused(f"namespaces cannot be made: {os.strerror(exc.errno or 0)}",
                      hint="Run it as the superuser: images are mounted.") from exc
    child = os.fork()
    if not child:
        _be_child(main, failed, forwarded)
    forwarding = _Forwarding(child)
    for signum in forwarded:
        signal.signal(signum, forwarding)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
    _, status = os.waitpid(child, 0)
    for signum in forwarded:
        signal.signal(signum, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(status)
    return ChildExit(code if code >= 0 else 128 - code, forwarding.used)


def call_apart(work: Callable[[], str]) -> str:
    """Run ``work`` in a child with namespaces of its own; return the text that it returns.

    Unlike after ``run_apart``, this process can start programs afterwards. The child ends with
    this process. Raises the NodePluginError that ``work`` raises, with its class, message, hint
    and status, and NodePluginError if the child ends without an answer.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    try:
        with open(reader, "rb") as stream:
            data = stream.read()
    except BaseException:
        os.kill(child, signal.SIGTERM)
        raise
    finally:
        os.waitpid(child, 0)
    if not data:
        raise NodePluginError("a process with namespaces of its own ended without an answer",
                              hint="Look for its error above and in the system's log.")
    answer = json.loads(data)
    if "text" in answer:
        return str(answer["text"])
    error = _error(answer["kind"], answer["message"], answer["hint"])
    error.status = Status(answer["status"])
    raise error


def _error(name: str, message: str, hint: str) -> NodePluginError:
    """Return an error of the class ``name``, or of the base of all if it needs more than these."""
    kind: Type[NodePluginError] = getattr(errors, name)
    try:
        return kind(message, hint=hint)
    except TypeError:
        return NodePluginError(message, hint=hint)


def end_others() -> bool:
    """Kill all other processes in the namespace whose first process this one is.

    Returns whether it is one. Processes that a program leaves behind, such as those of a
    scriptlet, keep mounts busy.
    """
    if os.getpid() != 1:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return True


def _answer(work: Callable[[], str], writer: int) -> NoReturn:
    """Run ``work`` apart, write its answer as JSON to the descriptor ``writer``, and end."""
    def send(**answer: object) -> int:
        with open(writer, "wb", closefd=False) as stream:
            stream.write(json.dumps(answer).encode())
        return 0

    def fail(exc: NodePluginError) -> int:
        return send(kind=type(exc).__name__, message=exc.message, hint=exc.hint,
                    status=exc.status)

    def main() -> int:
        try:
            return send(text=work())
        except NodePluginError as exc:
            return fail(exc)
        except OSError as exc:
            return fail(NodePluginError(f"{exc.filename or 'a file'}: {exc.strerror}"))

    try:
        kernel.end_with_parent()
        run_apart(main, failed=fail)
    except NodePluginError as exc:
        fail(exc)
    finally:
        os._exit(0)


class _Forwarding:
    """A signal handler that sends each signal on to the child."""

    def __init__(self, child: int) -> None:
        self._child = child
        self.used = False

    def __call__(self, signum: int, _: Optional[FrameType]) -> None:
        self.used = True
        os.kill(self._child, signum)


def _be_child(main: Callable[[], int], failed: Callable[[Refused], int],
              signals: Sequence[signal.Signals]) -> NoReturn:
    """Run ``main`` and end with its status, without closing what the parent has open."""
    code = 1
    try:
        try:
            _enter(signals)
        except OSError as exc:
            code = failed(Refused(f"images cannot be mounted here: {exc.strerror}",
                                  hint="In a container, it needs CAP_SYS_ADMIN."))
        else:
            code = main()
    except BaseException:  # noqa: BLE001  # a bug: the child must not return
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


def _enter(signals: Sequence[signal.Signals]) -> None:
    kernel.end_with_parent()
    os.umask(_UMASK)
    for signum in signals:
        signal.signal(signum, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    kernel.mount("proc", "/proc", "proc",
                 kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def _end(signum: int, _: Optional[FrameType]) -> NoReturn:
    """End at once; the kernel then kills all other processes in the namespace."""
    os._exit(128 + signum)
