"""Run a program in a root, with a /dev, /proc and /tmp that nobody else sees.

Not imported, but started as a program of its own: ``python3 -I inside.py ROOT TMP PROGRAM
ARGUMENT…``. What it mounts is in a mount namespace, and what the program starts in a process
namespace: both end with it, and it with the one who waits for it, however that ends. So
nothing stays mounted in the root, or goes on in it, and the root itself is not written to.
``TMP`` is a host path that the program has as /tmp. All that is asked of the kernel
directly, for mount(8) could only be run in the namespace by a shell.
"""
from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
from typing import List, NoReturn, Optional

# <sched.h>; <linux/mount.h>
_CLONE_NEWNS, _CLONE_NEWPID = 0x00020000, 0x20000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Documentation/admin-guide/devices.txt of the kernel
_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9),
            ("tty", 5, 0))
_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
          ("stderr", "/proc/self/fd/2"))
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C",
                "TMPDIR": "/tmp"}


def main(argv: List[str]) -> NoReturn:
    """Do what the command line says; ends as the program does."""
    libc = ctypes.CDLL(None, use_errno=True)
    _end_with_parent(libc)
    if libc.unshare(_CLONE_NEWNS | _CLONE_NEWPID) != 0:
        _fail("namespaces cannot be made")
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        sys.exit(code if code >= 0 else 128 - code)  # as a shell says it
    try:
        _end_with_parent(libc)
        _enter(libc, argv[0], argv[1])
        os.execvpe(argv[2], argv[2:], _ENVIRONMENT)
    except OSError as exc:
        sys.exit(f"{argv[2]}: {exc}")


def _end_with_parent(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _enter(libc: ctypes.CDLL, root: str, work: str) -> None:
    _mount(libc, None, "/", None, _MS_REC | _MS_PRIVATE)
    folder = os.open(work, os.O_PATH | os.O_DIRECTORY)
    os.chroot(root)
    os.chdir("/")
    # from here on, whatever links there are stay in the root
    _mount(libc, "proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount(libc, f"/proc/self/fd/{folder}", "/tmp", None, _MS_BIND)
    _mount(libc, "tmpfs", "/dev", "tmpfs", _MS_NOSUID | _MS_NOEXEC, "mode=755")
    _fill_dev()
    os.close(folder)


def _fill_dev() -> None:
    os.umask(0)
    for name, major, minor in _DEVICES:
        os.mknod(f"/dev/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
    for name, target in _LINKS:
        os.symlink(target, f"/dev/{name}")
    os.umask(0o022)


def _mount(libc: ctypes.CDLL, source: Optional[str], target: str, kind: Optional[str],
           flags: int, data: Optional[str] = None) -> None:
    words = [os.fsencode(word) if word is not None else None
             for word in (source, target, kind, data)]
    if libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]) != 0:
        _fail(f"{target} cannot be mounted in a namespace of its own")


def _fail(what: str) -> NoReturn:
    code = ctypes.get_errno()
    sys.exit(f"{what}: {os.strerror(code)}")


if __name__ == "__main__":
    main(sys.argv[1:])
