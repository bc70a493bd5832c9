"""Unpacking of tars: the extracted files, and every member that is refused."""
from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import tarfile
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import pytest

from ovirt_node_plugin.errors import BadBundle
from ovirt_node_plugin.plugin import archive
from ovirt_node_plugin.plugin.archive import unpack
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.unit

Member = Tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", **fields: object) -> Member:
    """Return one member, a file unless ``type`` says otherwise."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(*members: Member, pax: Optional[Dict[str, str]] = None) -> bytes:
    """Return a tar with these unmodified members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT,
                      pax_headers=pax) as out:
        for info, data in members:
            out.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(name="into")
def _destination(tmp_path: Path) -> Path:
    into = tmp_path / "work" / "bundle"
    into.mkdir(parents=True)
    return into


def unpacked(data: bytes, into: Path, *, limit_bytes: int = 1 << 20) -> Path:
    """Unpack ``data`` as a file beside ``into``."""
    path = into.parent.parent / "plugin.tar"
    path.write_bytes(data)
    return unpack(path, into, run=run, limit_bytes=limit_bytes)


def refusal(data: bytes, into: Path, *, limit_bytes: int = 1 << 20) -> str:
    """Return the message that refuses an archive; nothing is written outside ``into``."""
    with pytest.raises(BadBundle) as caught:
        unpacked(data, into, limit_bytes=limit_bytes)
    outside = {p.name for p in into.parent.parent.rglob("*")
               if into not in (p, *p.parents)}
    assert outside == {"work", "plugin.tar"}
    assert "plugin.tar" in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_a_tar_of_each_compression_is_unpacked(into: Path,
                                               compress: Callable[[bytes], bytes]) -> None:
    data = tar(member("./node-plugin.xml", b"<x/>"), member("./repo/a.rpm", b"r" * 3000),
               member("./repo", type=tarfile.DIRTYPE), member("./latest", type=tarfile.SYMTYPE,
                                                               linkname="repo/a.rpm"))
    assert unpacked(compress(data), into) == into
    assert (into / "node-plugin.xml").read_bytes() == b"<x/>"
    assert (into / "repo" / "a.rpm").read_bytes() == b"r" * 3000
    assert os.readlink(into / "latest") == "repo/a.rpm"
    assert sorted(p.name for p in into.parent.iterdir()) == ["bundle"]


def test_a_single_folder_on_top_is_the_bundle(into: Path) -> None:
    assert unpacked(tar(member("cim-1.0/node-plugin.xml", b"<x/>")), into) == into / "cim-1.0"


def test_modes_and_owners_are_not_those_of_the_archive(into: Path) -> None:
    old = os.umask(0o077)
    try:
        unpacked(tar(member("d/", type=tarfile.DIRTYPE, mode=0o7777),
                     member("d/su", b"x", mode=0o6755, uid=4711, gid=4711),
                     member("d/plain", b"x", mode=0o600)), into)
    finally:
        os.umask(old)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in into.rglob("*")}
    assert modes == {"d": 0o755, "su": 0o755, "plain": 0o644}
    assert {(p.stat().st_uid, p.stat().st_gid) for p in into.rglob("*")} == {
        (os.geteuid(), os.getegid())}


def test_a_hard_link_to_a_previous_member_is_kept(into: Path) -> None:
    unpacked(tar(member("a", b"data"), member("b", type=tarfile.LNKTYPE, linkname="./a")), into)
    assert (into / "b").read_bytes() == b"data"


@pytest.mark.parametrize(("members", "message"), [
    ([member("/etc/passwd", b"x")], "'/etc/passwd' has an absolute name"),
    ([member("../evil", b"x")], "'../evil' has '..' in its name"),
    ([member("a/../../evil", b"x")], "has '..' in its name"),
    ([member("a", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "a link to '/etc/passwd'"),
    ([member("a", type=tarfile.SYMTYPE, linkname="../evil")], "may lead out of the bundle"),
    ([member("d/a", type=tarfile.SYMTYPE, linkname="../../evil")], "may lead out"),
    ([member("d/up", type=tarfile.SYMTYPE, linkname=".."),
      member("d/out", type=tarfile.SYMTYPE, linkname="up/../evil")], "may lead out"),
    ([member("a", type=tarfile.SYMTYPE, linkname="")], "may lead out"),
    ([member("a", type=tarfile.SYMTYPE, linkname="b"), member("a/evil", b"x")],
     "'a/evil' is below 'a', which is a link"),
    ([member("a", b"x"), member("a/evil", b"x")], "which is a file"),
    ([member("a", type=tarfile.SYMTYPE, linkname="b"), member("a", b"x")],
     "'a' is in the archive twice"),
    ([member("a", b"x"), member("./a", b"y")], "is in the archive twice"),
    ([member("a", type=tarfile.LNKTYPE, linkname="/etc/passwd")], "a hard link to '/etc/passwd'"),
    ([member("a", type=tarfile.LNKTYPE, linkname="../plugin.tar")],
     "is not a file of the bundle"),
    ([member("l", type=tarfile.SYMTYPE, linkname="x"),
      member("a", type=tarfile.LNKTYPE, linkname="l")], "is not a file of the bundle"),
    ([member("dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3)], "'dev' is a device"),
    ([member("dev", type=tarfile.BLKTYPE)], "is a device"),
    ([member("p", type=tarfile.FIFOTYPE)], "'p' is a fifo"),
    ([member("s", type=tarfile.GNUTYPE_SPARSE)], "is damaged, or not an archive|is a sparse file"),
    ([member("x" * 300, b"x")], "has a name that is too long"),
    ([member("", b"x")], "is a file"),
    ([member(".", type=tarfile.SYMTYPE, linkname="x")], "is a link"),
    ([], "is an empty archive"),
])
def test_a_hostile_member_is_refused_by_name(into: Path, members: List[Member],
                                             message: str) -> None:
    assert any(part in refusal(tar(*members), into) for part in message.split("|"))


@pytest.mark.parametrize("data", [
    b"", b"plain text\n" * 100, b"\x1f\x8b" + b"x" * 100, b"\xfd7zXZ\x00" + b"x" * 100,
    b"PK\x03\x04" + b"x" * 1000, b"BZh9" + b"x" * 1000,
    tar(member("a", b"x" * 5000))[:2000], gzip.compress(tar(member("a", b"x" * 50000)))[:-60],
    lzma.compress(os.urandom(30000))[:-100],
], ids=["empty", "text", "gzip", "xz", "zip", "bzip2", "cut tar", "cut gzip", "cut xz"])
def test_a_damaged_tar_is_refused_with_the_accepted_forms(into: Path, data: bytes) -> None:
    with pytest.raises(BadBundle, match="is damaged, or not an archive") as caught:
        unpacked(data, into)
    assert ".tar.zst" in caught.value.hint


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_decompression_bomb_is_stopped_at_the_limit(into: Path,
                                                      compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(tar(member("a", bytes(40 << 20))))
    assert len(bomb) < 1 << 17
    assert "larger than 1048576 bytes" in refusal(bomb, into)
    assert sum(p.stat().st_size for p in into.rglob("*")) <= 1 << 20


def test_many_files_share_one_limit(into: Path) -> None:
    data = tar(*(member(f"f{n}", bytes(300 << 10)) for n in range(5)))
    assert "larger than" in refusal(data, into)


def test_a_member_that_claims_more_than_the_archive_has_is_refused(into: Path) -> None:
    info, _ = member("a")
    info.size = 1 << 40
    assert "larger than" in refusal(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024), into)


def test_a_header_that_would_fill_the_memory_is_refused(into: Path) -> None:
    data = gzip.compress(tar(member("a", b"x", pax_headers={"comment": "x" * (20 << 20)})))
    assert "header is larger" in refusal(data, into, limit_bytes=1 << 30)


def test_endlessly_nested_headers_are_refused(into: Path) -> None:
    info, _ = member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME)
    assert "is damaged, or not an archive" in refusal(info.tobuf(tarfile.GNU_FORMAT) * 1900, into)


@pytest.mark.parametrize("depth", [101, 1900])
def test_nested_folders_are_limited(into: Path, depth: int) -> None:
    assert "is below more than 100 levels of folders" in refusal(
        tar(member("a/" * depth, type=tarfile.DIRTYPE)), into)


def test_folders_that_no_member_names_count_as_members(
        into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BUNDLE_ENTRIES", 5)
    assert "more than 5 members" in refusal(tar(member("a/b/c/d/e/f", b"")), into)


def test_the_number_of_members_is_limited(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BUNDLE_ENTRIES", 3)
    assert "more than 3 members" in refusal(tar(*(member(f"f{n}") for n in range(4))), into)
