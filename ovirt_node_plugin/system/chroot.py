"""Run a program in a root, with a private /dev, /proc and /tmp.

Started as a program of its own: ``python3 -I chroot.py ROOT TMP PROGRAM ARGUMENT…``. The
host path ``TMP`` is mounted as /tmp. The program runs in a mount namespace and a process
namespace of its own, which end with this process, and this process is killed when its
parent ends. So no mount and no process is left in the root, and nothing is written to it.
The system calls are made directly: to run mount(8) in the namespace would need a shell.
"""
from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
from typing import List, NoReturn, Optional, Tuple

# <sched.h>; <linux/mount.h>
CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Documentation/admin-guide/devices.txt of the kernel
_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9))
_TTY = ("tty", 5, 0)
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
          ("stderr", "/proc/self/fd/2"))
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C",
                "TMPDIR": "/tmp"}


def main(argv: List[str]) -> NoReturn:
    """Run the command line ``ROOT TMP PROGRAM ARGUMENT…`` and exit with its status."""
    libc = ctypes.CDLL(None, use_errno=True)
    end_with_parent(libc)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID) != 0:
        _fail("namespaces cannot be made")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        sys.exit(code if code >= 0 else 128 - code)  # as a shell reports a signal
    try:
        end_with_parent(libc)
        _enter(libc, argv[0], argv[1])
        os.execvpe(argv[2], argv[2:], {**_ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")})
    except OSError as exc:
        sys.exit(f"{argv[2]}: {exc}")


def end_with_parent(libc: ctypes.CDLL) -> None:
    """Ask the kernel to kill this process when its parent ends; prctl(2)."""
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _enter(libc: ctypes.CDLL, root: str, work: str) -> None:
    mount(libc, None, "/", None, MS_REC | MS_SLAVE)
    folder = os.open(work, os.O_PATH | os.O_DIRECTORY)
    os.chroot(root)
    os.chdir("/")
    # from here on, links cannot lead out of the root
    mount(libc, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount(libc, f"/proc/self/fd/{folder}", "/tmp", None, MS_BIND)
    mount(libc, "tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    _fill_dev(libc)
    os.close(folder)


def make_devices(folder: str, *more: Tuple[str, int, int]) -> None:
    """Make the devices that programs expect in /dev, such as null, and ``more``."""
    for name, major, minor in (*_DEVICES, *more):
        os.mknod(f"{folder}/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))


def _fill_dev(libc: ctypes.CDLL) -> None:
    os.umask(0)
    os.mkdir("/dev/pts")
    mount(libc, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
          "newinstance,ptmxmode=0666,mode=620")
    os.symlink("pts/ptmx", "/dev/ptmx")
    os.mkdir("/dev/shm", 0o1777)
    make_devices("/dev", _TTY)
    for name, target in _LINKS:
        os.symlink(target, f"/dev/{name}")
    os.umask(0o022)


def mount(libc: ctypes.CDLL, source: Optional[str], target: str, kind: Optional[str],
          flags: int, data: Optional[str] = None) -> None:
    """Call mount(2). Raises OSError, which names the target."""
    words = [os.fsencode(word) if word is not None else None
             for word in (source, target, kind, data)]
    if libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"it cannot be mounted in a namespace of its own: {os.strerror(code)}",
                      target)


def _fail(what: str) -> NoReturn:
    code = ctypes.get_errno()
    sys.exit(f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1:])
