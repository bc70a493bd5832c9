"""The filter of system calls, run by a small interpreter of BPF."""
from __future__ import annotations

import errno
import struct
from typing import Sequence

import pytest

from ovirt_node_plugin.isolation import system_calls
from ovirt_node_plugin.isolation.system_calls import ARCHITECTURES, program_for

pytestmark = [pytest.mark.unit]

ALLOWED, REFUSED = 0x7FFF0000, 0x00050000
MACHINES = sorted(ARCHITECTURES)


def result(machine: str, name: str, arguments: Sequence[int] = (), *, audit: int = 0,
           number: int = -1) -> int:
    """Return what the filter of ``machine`` returns for one system call."""
    architecture = ARCHITECTURES[machine]
    number = architecture.numbers[name] if number < 0 else number
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit or architecture.audit, 0, *padded)
    program = program_for(machine)
    at, loaded = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            test = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            at += yes if test else no


def error(code: int) -> int:
    return REFUSED | code


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", system_calls._ABSENT)
def test_a_call_that_opens_a_way_out_is_not_there(machine: str, name: str) -> None:
    assert result(machine, name) == error(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("bit", range(32))
def test_namespaces_are_refused_and_all_else_of_clone_is_allowed(machine: str, bit: int) -> None:
    flags = 1 << bit
    namespaces = 0x7E020000  # of <sched.h>; the bit of CLONE_NEWTIME means a signal in clone
    assert result(machine, "clone", [flags]) == (
        error(errno.EPERM) if flags & namespaces else ALLOWED)
    assert result(machine, "unshare", [flags]) == (
        error(errno.EPERM) if flags & (namespaces | 0x80) else ALLOWED)


@pytest.mark.parametrize("machine", MACHINES)
def test_typing_into_a_terminal_is_refused_and_other_requests_are_allowed(machine: str) -> None:
    for request in range(0x5400, 0x5480):
        expected = error(errno.EPERM) if request in (0x5412, 0x541C) else ALLOWED
        assert result(machine, "ioctl", [0, request]) == expected
    assert result(machine, "ioctl", [0, 1 << 32 | 0x5412]) == error(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_only_sockets_that_belong_to_a_network_namespace_are_allowed(machine: str) -> None:
    for family in range(64):
        expected = ALLOWED if family in (1, 2, 10, 16) else error(errno.EAFNOSUPPORT)
        assert result(machine, "socket", [family, 1, 0]) == expected, family
    for protocol in range(32):
        expected = error(errno.EAFNOSUPPORT) if protocol == 9 else ALLOWED
        assert result(machine, "socket", [16, 3, protocol]) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_other_architectures_are_not_there(machine: str) -> None:
    assert result(machine, "socket", [1], audit=0x40000003) == error(errno.ENOSYS)  # i386
    assert result(machine, "socket", [1], audit=0x40000028) == error(errno.ENOSYS)  # arm
    x32 = result(machine, "", number=0x40000000 + 1)
    assert x32 == (error(errno.ENOSYS) if machine == "x86_64" else ALLOWED)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_other_call_is_allowed(machine: str) -> None:
    special = set(ARCHITECTURES[machine].numbers.values())
    for number in set(range(1024)) - special:
        assert result(machine, "", number=number) == ALLOWED


def test_an_architecture_that_is_not_known_has_no_filter() -> None:
    assert program_for("riscv64") == b""
