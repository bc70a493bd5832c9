"""The filter of system calls, a second wall behind namespaces and capabilities.

It closes what these two leave open: the keyrings of the kernel, files by their handle, audit
and other sockets that have no network namespace, new namespaces, and typing into a terminal.
An architecture that is not listed here has no filter: there, namespaces and capabilities alone
keep the code away from the files and processes of this machine.
"""
from __future__ import annotations

import errno
import platform
import struct
from typing import List, Mapping, NamedTuple, Optional

from ..system import kernel


class Architecture(NamedTuple):
    """AUDIT_ARCH of <linux/audit.h>, and numbers of system calls of <asm/unistd.h>."""

    audit: int
    numbers: Mapping[str, int]


ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(0xC000003E, {
        "add_key": 248, "bpf": 321, "clone": 56, "clone3": 435, "io_uring_enter": 426,
        "io_uring_register": 427, "io_uring_setup": 425, "ioctl": 16, "keyctl": 250,
        "open_by_handle_at": 304, "perf_event_open": 298, "request_key": 249, "socket": 41,
        "unshare": 272, "userfaultfd": 323}),
    "aarch64": Architecture(0xC00000B7, {
        "add_key": 217, "bpf": 280, "clone": 220, "clone3": 435, "io_uring_enter": 426,
        "io_uring_register": 427, "io_uring_setup": 425, "ioctl": 29, "keyctl": 219,
        "open_by_handle_at": 265, "perf_event_open": 241, "request_key": 218, "socket": 198,
        "unshare": 97, "userfaultfd": 282}),
}

# Programs go on without these, as on a kernel that does not have them.
_ABSENT = ("add_key", "bpf", "clone3", "io_uring_enter", "io_uring_register", "io_uring_setup",
           "keyctl", "open_by_handle_at", "perf_event_open", "request_key", "userfaultfd")
_NAMESPACES = (kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC
               | kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
               | kernel.CLONE_NEWCGROUP)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # <asm-generic/ioctls.h>
_UNIX, _INET, _INET6, _NETLINK, _NETLINK_AUDIT = 1, 2, 10, 16, 9  # <linux/socket.h>, netlink(7)
_X32 = 0x40000000  # the bit of x32's numbers

# <linux/filter.h>, <linux/seccomp.h>: load a word, compare, test bits, return
_LOAD, _EQUAL, _BITS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOWED, _ERRNO = 0x7FFF0000, 0x00050000
# struct seccomp_data, little end first: number, architecture, and the low words of arguments
_NUMBER, _AUDIT, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32


def install(machine: Optional[str] = None) -> bool:
    """Install the filter; return whether there is one for this architecture."""
    program = program_for(machine or platform.machine())
    if program:
        kernel.install_filter(program)
    return bool(program)


def program_for(machine: str) -> bytes:
    """Return the BPF program for an architecture as uname(2) calls it; empty without one."""
    if machine not in ARCHITECTURES:
        return b""
    audit, numbers = ARCHITECTURES[machine]
    allow = _instruction(_RETURN, _ALLOWED)
    # calls of another architecture, a 32-bit program's, are not there
    parts = [_instruction(_LOAD, _AUDIT), _instruction(_EQUAL, audit, yes=1),
             _error(errno.ENOSYS), _instruction(_LOAD, _NUMBER)]
    if machine == "x86_64":
        parts += [_instruction(_AT_LEAST, _X32, no=1), _error(errno.ENOSYS)]
    for name in _ABSENT:
        parts += [_instruction(_EQUAL, numbers[name], no=1), _error(errno.ENOSYS)]
    for name, flags in (("unshare", _NAMESPACES | kernel.CLONE_NEWTIME), ("clone", _NAMESPACES)):
        parts += _of_call(numbers[name], [
            _instruction(_LOAD, _FIRST), _instruction(_BITS, flags, no=1),
            _error(errno.EPERM), allow])
    parts += _of_call(numbers["ioctl"], [
        _instruction(_LOAD, _SECOND), _instruction(_EQUAL, _TIOCSTI, yes=1),
        _instruction(_EQUAL, _TIOCLINUX, no=1), _error(errno.EPERM), allow])
    parts += _of_call(numbers["socket"], [
        _instruction(_LOAD, _FIRST),
        _instruction(_EQUAL, _UNIX, yes=6), _instruction(_EQUAL, _INET, yes=5),
        _instruction(_EQUAL, _INET6, yes=4), _instruction(_EQUAL, _NETLINK, no=2),
        _instruction(_LOAD, _THIRD), _instruction(_EQUAL, _NETLINK_AUDIT, no=1),
        _error(errno.EAFNOSUPPORT), allow])
    return b"".join([*parts, allow])


def _of_call(number: int, parts: List[bytes]) -> List[bytes]:
    """Return ``parts`` that hold for one system call, whose number is loaded."""
    return [_instruction(_EQUAL, number, no=len(parts)), *parts]


def _error(code: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | code)


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """Return a struct sock_filter; ``yes`` and ``no`` are how many instructions are skipped."""
    return struct.pack("HBBI", code, yes, no, value)
