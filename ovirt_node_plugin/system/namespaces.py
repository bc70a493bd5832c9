"""Work in mount and process namespaces of its own, which end with it, however it ends."""
from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from types import FrameType
from typing import Callable, NamedTuple, NoReturn, Optional, Sequence

from ..errors import Refused
from .chroot import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    end_with_parent,
    mount,
)

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_UMASK = 0o022  # whoever runs it, an image is for everybody to read


class ChildExit(NamedTuple):
    """The exit status of what ran apart, and whether a signal that came here ended it."""

    status: int
    interrupted: bool


def run_apart(main: Callable[[], int], *, failed: Callable[[Refused], int]) -> ChildExit:
    """Run ``main`` in a child with namespaces of its own and return how it ended.

    ``failed`` takes, in the child, why there are none for it, and returns a status.
    SIGTERM, SIGHUP and SIGINT end the child at once, with a status of 128 and the signal's
    number; when it has ended, they are ignored, so that the caller can tidy up. When the
    child ends, or this process is killed, all that was started is killed, and the mounts
    are gone: nothing has to be unwound.

    Raises Refused if this process may not make namespaces.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # one that is ignored stays so, as nohup(1) wants it
    forwarded = [one for one in _SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)  # until there is who handles them
    sys.stdout.flush()
    if libc.unshare(CLONE_NEWPID) != 0:
        code = ctypes.get_errno()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
        raise Refused(f"namespaces cannot be made: {os.strerror(code)}",
                      hint="Images are mounted to be looked at: run it as the superuser.")
    child = os.fork()
    if not child:
        _be_child(libc, main, failed, forwarded)
    forwarding = _Forwarding(child)
    for one in forwarded:
        signal.signal(one, forwarding)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
    _, status = os.waitpid(child, 0)
    for one in forwarded:
        signal.signal(one, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(status)
    return ChildExit(code if code >= 0 else 128 - code, forwarding.used)


def end_others() -> bool:
    """Kill all other processes of this one's namespace, if it is the first of one; say if it is.

    A program that has ended may have left some behind, such as a scriptlet's, which keep
    mounts busy.
    """
    if os.getpid() != 1:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return True


class _Forwarding:
    """Passes signals on to the child."""

    def __init__(self, child: int) -> None:
        self._child = child
        self.used = False

    def __call__(self, signum: int, _: Optional[FrameType]) -> None:
        self.used = True
        os.kill(self._child, signum)


def _be_child(libc: ctypes.CDLL, main: Callable[[], int],
              failed: Callable[[Refused], int], signals: Sequence[signal.Signals]) -> NoReturn:
    """Run ``main`` and end with its status; what is open in the parent is the parent's."""
    code = 1
    try:
        try:
            _enter(libc, signals)
        except OSError as exc:
            code = failed(Refused(f"images cannot be mounted here: {exc.strerror}",
                                  hint="In a container, it needs the right to mount."))
        else:
            code = main()
    except BaseException:  # noqa: BLE001  # a fault of ours: nobody above is to see it
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


def _enter(libc: ctypes.CDLL, signals: Sequence[signal.Signals]) -> None:
    end_with_parent(libc)
    os.umask(_UMASK)
    for one in signals:
        signal.signal(one, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "a mount namespace cannot be made")
    mount(libc, None, "/", None, MS_REC | MS_PRIVATE)
    mount(libc, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _end(signum: int, _: Optional[FrameType]) -> NoReturn:
    """End at once: the kernel ends all else in the namespaces with their first process."""
    os._exit(128 + signum)
