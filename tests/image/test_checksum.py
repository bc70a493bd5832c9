"""The implanted checksum is checked as checkisomd5 checks it, and damage is located."""
from __future__ import annotations

import random
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.images.digests import read_digests
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run

_FIELD = 16 * 2048 + 883
_FRAGMENTS_AT = len("ISO MD5SUM = ") + 32 + len(";SKIPSECTORS = 15;RHLISOSTATUS=0;FRAGMENT SUMS = ")


def make_iso(folder: Path, size_bytes: int) -> Path:
    """Return a new ISO with a file of ``size_bytes`` and an implanted checksum."""
    tree, iso = folder / f"tree-{size_bytes}", folder / f"{size_bytes}.iso"
    tree.mkdir()
    (tree / "file").write_bytes(random.Random(size_bytes).randbytes(size_bytes))
    run(["xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-o", iso, tree])
    run(["implantisomd5", iso])
    return iso


@pytest.fixture(scope="module")
def isos(tmp_path_factory: pytest.TempPathFactory) -> List[Path]:
    """ISOs of several sizes: fragments that end on a piece of 32 KiB, and others."""
    folder = tmp_path_factory.mktemp("isos")
    return [make_iso(folder, size) for size in (500_000, 1 << 20, 1_234_567, 9_876_543)]


def passes(iso: Path) -> bool:
    """Return the answer of checkisomd5."""
    try:
        run(["checkisomd5", iso])
    except CommandError:
        return False
    return True


def problem(iso: Path) -> str:
    found = read_digests(iso, ("sha256",), Silent()).implanted_problem
    assert found is not None
    return found


def damaged(iso: Path, at: int, data: bytes) -> Path:
    """Return a copy of ``iso`` with ``data`` at an offset."""
    copy = iso.with_suffix(".damaged")
    content = bytearray(iso.read_bytes())
    content[at:at + len(data)] = data
    copy.write_bytes(content)
    return copy


def test_a_sound_iso_matches(isos: List[Path]) -> None:
    for iso in isos:
        assert passes(iso) and problem(iso) == ""


def test_the_answer_is_that_of_checkisomd5_wherever_the_damage_is(isos: List[Path]) -> None:
    for iso in isos:
        size = iso.stat().st_size
        covered = size - 15 * 2048
        offsets = [0, 100, 16 * 2048 + 882, 16 * 2048 + 883 + 512, covered - 1, covered, size - 1,
                   *range(50_000, covered, covered // 9)]
        verdicts = {}
        for at in offsets:
            content = iso.read_bytes()[at]
            copy = damaged(iso, at, bytes([content ^ 1]))
            verdicts[at] = passes(copy)
            assert (problem(copy) == "") == verdicts[at], (iso, at)
        assert verdicts[covered] and verdicts[size - 1] and not verdicts[covered - 1]


def test_a_damaged_checksum_does_not_match(isos: List[Path]) -> None:
    iso = isos[-1]
    for at, data in ((13, b"0" * 32), (13, b"x"), (13 + 32, b" " * 17),
                     (_FRAGMENTS_AT, b"0" * 30), (_FRAGMENTS_AT, b"x" * 60), (0, b" " * 46)):
        copy = damaged(iso, _FIELD + at, data)
        assert not passes(copy) and problem(copy)
    assert problem(damaged(iso, _FIELD + 13, b"x")) == "its implanted checksum cannot be read"
    without = damaged(iso, _FIELD, b" " * 512)
    assert read_digests(without, (), Silent()).implanted_problem is None


def test_the_fragment_that_contains_the_damage_is_named(isos: List[Path]) -> None:
    iso = isos[-1]
    mib = 1 << 20
    assert problem(damaged(iso, 5 * mib, b"damage")) == (
        "the damage begins between 4.7 MiB and 5.2 MiB")
    assert problem(damaged(iso, 9 * mib + 500_000, b"damage")) == "the damage is after 9.3 MiB"
    plain = damaged(iso, _FIELD + _FRAGMENTS_AT - 2, b"x" * 60)
    assert problem(plain) == ""
    assert problem(damaged(plain, 5 * mib, b"damage")) == "the damage is after 0 B"


def test_a_truncated_iso_is_told(isos: List[Path], tmp_path: Path) -> None:
    short = tmp_path / "short.iso"
    short.write_bytes(isos[-1].read_bytes()[:5_000_001])
    assert not passes(short)
    assert problem(short).startswith("it is truncated: at least 5")
