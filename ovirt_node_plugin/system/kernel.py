"""Calls of the Linux kernel that Python 3.9 does not offer.

Every function raises OSError, with the name of the call, if the kernel refuses it.
"""
from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import re
import signal
import struct
from typing import Collection, Iterator, NamedTuple, Optional

# <sched.h>
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEWTIME, CLONE_NEWCGROUP = 0x00000080, 0x02000000
# <linux/mount.h>; the first three are also attributes of mount_setattr(2)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
MNT_DETACH = 2  # umount2(2)

_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000  # <fcntl.h>
_MOUNT_SETATTR = 442  # the same number on every architecture, since Linux 5.12
# pivot_root(2) has no function in the C library; <asm/unistd.h>
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217}
# <linux/prctl.h>
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 24, 47
_PR_CAP_AMBIENT_CLEAR_ALL, _SECCOMP_MODE_FILTER = 4, 2
_CAPABILITY_VERSION_3 = 0x20080522  # <linux/capability.h>
# Names in mountinfo of the flags that a remount has to repeat, because it clears all others.
_MOUNT_OPTIONS = {"ro": MS_RDONLY, "nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC,
                  "noatime": 1 << 10, "nodiratime": 1 << 11, "relatime": 1 << 21}

_OCTAL = re.compile(r"\\([0-7]{3})")  # how mountinfo writes blanks

_libc = ctypes.CDLL(None, use_errno=True)


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo.

    ``source`` is the path in the filesystem ``device``, ``MAJOR:MINOR``, that is mounted at
    ``path``; ``kind`` is the filesystem's, ``flags`` are those of mount(2).
    """

    path: str
    kind: str
    flags: int
    device: str
    source: str


def unshare(flags: int) -> None:
    """Leave namespaces of the kinds ``flags`` for new ones; unshare(2)."""
    _check(_libc.unshare(flags), "unshare")


def enter_namespace(descriptor: int, kind: int) -> None:
    """Enter the namespace of an open file of /proc/PID/ns; setns(2)."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: Optional[str], target: str, kind: Optional[str], flags: int,
          data: Optional[str] = None) -> None:
    """Mount ``source`` at ``target``; mount(2)."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]),
           f"mount of {target}")


def unmount(target: str, flags: int = 0) -> None:
    """Unmount ``target``; umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), f"umount of {target}")


def pivot_root(new: str, old: str) -> None:
    """Make the mount ``new`` the root, and show the old one at ``old``; pivot_root(2)."""
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"pivot_root is not known on {platform.machine()}")
    _check(_libc.syscall(number, os.fsencode(new), os.fsencode(old)), "pivot_root")


def restrict_mounts(path: str, flags: int, *, mountinfo: str = "/proc/self/mountinfo") -> None:
    """Add ``flags``, MS_RDONLY, MS_NOSUID or MS_NODEV, to the mount ``path`` and all below it.

    By mount_setattr(2), and where the kernel has no such call by a remount of each mount.
    """
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)
    if _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), _AT_RECURSIVE, attributes,
                     ctypes.c_size_t(len(attributes))) == 0:
        return
    if ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
        _check(-1, f"mount_setattr of {path}")
    for record in mounts_below(path, mountinfo):
        mount(None, record.path, None, MS_REMOUNT | MS_BIND | record.flags | flags)


def mounts_below(path: str, mountinfo: str = "/proc/self/mountinfo") -> Iterator[Mount]:
    """Yield the mount at ``path`` and those below it; proc(5), "mountinfo"."""
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            words = line.split()
            source, where = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), word)
                             for word in words[3:5])
            if where == path or where.startswith(path.rstrip("/") + "/"):
                flags = sum(_MOUNT_OPTIONS.get(word, 0) for word in words[5].split(","))
                yield Mount(path=where, kind=words[words.index("-") + 1], flags=flags,
                            device=words[2], source=source)


def end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends; prctl(2)."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def refuse_tracing() -> None:
    """Keep processes without CAP_SYS_PTRACE from tracing this one; prctl(2), PR_SET_DUMPABLE."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def erase_variable(name: str) -> None:
    """Overwrite the value of a variable of the environment where it is stored; getenv(3)."""
    _libc.getenv.restype = ctypes.c_void_p
    value = _libc.getenv(os.fsencode(name))
    if value:
        ctypes.memset(value, 0, len(ctypes.string_at(value)))


def keep_capabilities(kept: Collection[int]) -> None:
    """Give up every capability but those with the numbers ``kept``; capabilities(7).

    Programs that this process starts do not get them back, whatever their files say.
    """
    with contextlib.suppress(OSError):  # a kernel without ambient capabilities has none
        _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "prctl")
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as text:
        last = int(text.read())
    for number in range(last + 1):
        if number not in kept:
            _check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl(PR_CAPBSET_DROP)")
    low, high = (sum(1 << number - start for number in kept if start <= number < start + 32)
                 for start in (0, 32))
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)), "capset")


def install_filter(program: bytes) -> None:
    """Filter this process's system calls by a BPF program; seccomp(2).

    It needs CAP_SYS_ADMIN, and holds for every process that this one starts.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    _check(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0), "seccomp")


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
