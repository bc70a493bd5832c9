"""Tar archives compressed with zstd, unpacked with the real program."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Container, List, Sequence

import pytest

from ovirt_node_plugin.errors import BadBundle, CommandError
from ovirt_node_plugin.plugin.archive import unpack
from ovirt_node_plugin.plugin.bundle import opened
from ovirt_node_plugin.system.run import Polled, StrPath, run
from tests.support import Fixtures


@pytest.fixture(name="into")
def _into(tmp_path: Path) -> Path:
    into = tmp_path / "work" / "bundle"
    into.mkdir(parents=True)
    return into


def zstd_tar(tmp_path: Path, size_bytes: int) -> Path:
    """Return a .tar.zst with one file of ``size_bytes`` zero bytes."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "node-plugin.xml").write_bytes(bytes(size_bytes))
    run(["tar", "-C", source, "-cf", tmp_path / "-a.tar", "."])
    run(["zstd", "-q", "--rm", "--", tmp_path / "-a.tar"])
    return tmp_path / "-a.tar.zst"


def test_a_zstd_tar_is_unpacked_completely(tmp_path: Path, into: Path) -> None:
    assert unpack(zstd_tar(tmp_path, 5000), into, run=run) == into
    assert (into / "node-plugin.xml").read_bytes() == bytes(5000)
    assert [p.name for p in into.parent.iterdir()] == ["bundle"]


def test_a_zstd_archive_larger_than_the_limit_is_refused(tmp_path: Path, into: Path) -> None:
    bomb = zstd_tar(tmp_path, 64 << 20)
    assert bomb.stat().st_size < 1 << 16
    with pytest.raises(BadBundle, match="larger than 1048576 bytes"):
        unpack(bomb, into, run=run, limit_bytes=1 << 20)
    assert [p.name for p in into.parent.rglob("*")] == ["bundle"]


def test_a_damaged_zstd_archive_is_refused_with_zstds_message(tmp_path: Path, into: Path) -> None:
    path = zstd_tar(tmp_path, 5000)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadBundle, match="cannot be decompressed: .*premature end"):
        unpack(path, into, run=run)


def test_zstd_is_started_with_exactly_these_arguments(tmp_path: Path, into: Path) -> None:
    calls: List[List[str]] = []

    def record(argv: Sequence[StrPath], *, ok: Container[int] = (0,),
               stdin: bytes = b"", polled: Polled = None) -> str:
        calls.append([str(word) for word in argv])
        return run(argv, ok=ok, stdin=stdin)

    path = zstd_tar(tmp_path, 10)
    unpack(path, into, run=record, limit_bytes=1 << 20)
    plain = Path(calls[0][9])
    assert (plain.name, plain.parent.parent) == ("bundle.tar", into.parent)
    assert calls == [["prlimit", "--fsize=2097152", "--core=0", "zstd", "-d", "-q",
                      "--no-progress", "--no-sparse", "-o", str(plain), "--", str(path)]]


def test_a_missing_zstd_is_an_error_with_a_hint(tmp_path: Path, into: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    path = zstd_tar(tmp_path, 10)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CommandError, match="the program zstd is missing") as caught:
        unpack(path, into, run=run)
    assert caught.value.hint == "Install the package zstd, then try again."


def test_an_archive_is_opened_through_a_symbolic_link(built: Fixtures, tmp_path: Path) -> None:
    link = tmp_path / "l.tar.zst"
    link.symlink_to(built.bundle("cim", form="tar.zst"))
    with opened(link) as bundle:
        assert (bundle.descriptor.name, bundle.source) == ("cim", str(link))
