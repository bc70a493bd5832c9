"""The names in files of SELinux modules."""
from __future__ import annotations

import bz2
import struct

import pytest

from ovirt_node_plugin.authoring.new.policy_modules import module_name
from tests.support.policy_module import REAL

pytestmark = pytest.mark.unit


def module(name: bytes, kind: int = 2) -> bytes:
    text = b"SE Linux Module"
    return (struct.pack("<II", 0xF97CFF8D, len(text)) + text
            + struct.pack("<6I", kind, 19, 1, 8, 7, len(name)) + name + b"rest")


def package(*sections: bytes) -> bytes:
    head = 12 + 4 * len(sections)
    places = [head + sum(map(len, sections[:number])) for number in range(len(sections))]
    return struct.pack(f"<{3 + len(sections)}I", 0xF97CFF8F, 1, len(sections),
                       *places) + b"".join(sections)


def test_the_name_is_read_from_a_package_and_from_a_module() -> None:
    whole = package(struct.pack("<I", 0xF97CFF90) + b"contexts", module(b"acme"))
    for content in (module(b"acme"), whole, bz2.compress(whole)):
        assert module_name(content) == "acme"
    assert module_name(REAL) == module_name(bz2.compress(REAL)) == "real"


@pytest.mark.parametrize("content", [
    b"", b"x", b"BZh9broken", module(b"base", kind=1), module(b"acme")[:30], module(b"\xff"),
    package(), struct.pack("<III", 0xF97CFF8F, 1, 2**32 - 1),
    struct.pack("<IIII", 0xF97CFF8F, 1, 1, 2**32 - 1), package(module(b"n" * 300)),
    bz2.compress(bytes(10_000_000))])
def test_a_damaged_module_has_no_name(content: bytes) -> None:
    assert module_name(content) == ""
