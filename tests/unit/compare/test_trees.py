"""Two trees compared: each kind of difference is seen, and nothing else."""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Callable, Iterator, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.compare import trees
from ovirt_node_plugin.compare.trees import Difference, differences

pytestmark = pytest.mark.unit

Pair = Tuple[Path, Path]
DEEP = "deep-below"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two trees that are the same: files, links of both kinds, a fifo, folders in folders."""
    roots = []
    for name in ("old", "new"):
        root = tmp_path / name
        (root / "etc/deep/deeper").mkdir(parents=True)
        (root / "etc/file").write_text("text")
        (root / "etc/deep/deeper/file").write_text("below")
        (root / "etc/twin").write_text("twin")
        os.link(root / "etc/twin", root / "etc/deep/twin")
        os.symlink("file", root / "etc/link")
        os.mkfifo(root / "etc/fifo")
        roots.append(root)
    return roots[0], roots[1]


def found(pair: Pair, *, times: bool = False, trusted: Sequence[str] = ()) -> List[Difference]:
    return list(differences(pair[0], pair[1], content_limit_bytes=None, times=times,
                            trusted=trusted))


def changed(path: str, *details: str) -> Difference:
    return Difference(path, "changed", details)


def set_time(path: Path, seconds: float) -> None:
    os.utime(path, ns=(0, int(seconds * 10**9)), follow_symlinks=False)


def test_trees_that_are_the_same_have_no_differences(pair: Pair) -> None:
    for number, root in enumerate(pair):
        set_time(root / "etc/file", 1000 + number)
    assert found(pair) == []


def _chmod_root(root: Path) -> None:
    root.chmod(0o700)


def _chmod_special(root: Path) -> None:
    (root / "etc/file").chmod(0o4755)


def _chmod_folder(root: Path) -> None:
    (root / "etc/deep").chmod(0o1777)


def _longer(root: Path) -> None:
    (root / "etc/file").write_text("longer")


def _other_text(root: Path) -> None:
    (root / "etc/file").write_text("tExt")


def _other_target(root: Path) -> None:
    (root / "etc/link").unlink()
    (root / "etc/link").symlink_to("../elsewhere")


def _more_names(root: Path) -> None:
    os.link(root / "etc/file", root.parent / "outside")


def _link_for_file(root: Path) -> None:
    (root / "etc/file").unlink()
    (root / "etc/file").symlink_to("twin")


def _file_for_fifo(root: Path) -> None:
    (root / "etc/fifo").unlink()
    (root / "etc/fifo").write_bytes(b"")
    (root / "etc/fifo").chmod(0o644)


@pytest.mark.parametrize("change, path, details", [
    (_chmod_root, ".", ["mode 0755 -> 0700"]),
    (_chmod_special, "etc/file", ["mode 0644 -> 4755"]),
    (_chmod_folder, "etc/deep", ["mode 0755 -> 1777"]),
    (_longer, "etc/file", ["size 4 -> 6"]),
    (_other_text, "etc/file", ["content"]),
    (_other_target, "etc/link", ["target file -> ../elsewhere"]),
    (_more_names, "etc/file", ["links 1 -> 2"]),
    (_link_for_file, "etc/file", ["type file -> link", "mode 0644 -> 0777"]),
    (_file_for_fifo, "etc/fifo", ["type fifo -> file"]),
])
def test_each_change_is_seen_and_told(
        pair: Pair, change: Callable[[Path], None], path: str, details: List[str]) -> None:
    for root in pair:  # whatever the umask
        for one in (".", "etc/deep"):
            (root / one).chmod(0o755)
        for one in ("etc/file", "etc/fifo"):
            (root / one).chmod(0o644)
    change(pair[1])
    assert found(pair) == [changed(path, *details)]


def test_attributes_are_compared(pair: Pair) -> None:
    try:
        os.setxattr(pair[0] / "etc/file", "user.gone", b"a")
    except OSError:
        pytest.skip("the filesystem keeps no user attributes")
    os.setxattr(pair[0] / "etc/file", "user.note", b"label\0")
    os.setxattr(pair[1] / "etc/file", "user.note", b"label")
    os.setxattr(pair[0] / "etc/deep", "user.long", b"x" * 100)
    os.setxattr(pair[1] / "etc/deep", "user.long", b"x" * 99 + b"y")
    os.setxattr(pair[1] / "etc/deep", "user.new", b"\1\2")
    digests = [hashlib.sha256(b"x" * 99 + last).hexdigest()[:16] for last in (b"x", b"y")]
    assert found(pair) == [
        changed("etc/deep", f"xattr user.long 100 bytes, SHA-256 {digests[0]} -> 100 bytes,"
                f" SHA-256 {digests[1]}", "xattr user.new none -> 0x0102"),
        changed("etc/file", "xattr user.gone a -> none",
                "xattr user.note 0x6c6162656c00 -> 0x6c6162656c")]


def test_what_is_there_once_is_told_with_all_below_it_in_order(pair: Pair) -> None:
    old, new = pair
    (old / "etc-old").write_text("")
    (new / "etc/deep/a b").mkdir()
    (new / "etc/deep/a b/x").write_text("")
    (new / "etc/deep/a").write_text("")
    (old / "etc/zz/below").mkdir(parents=True)
    assert found(pair) == [
        Difference("etc/deep/a", "added"), Difference("etc/deep/a b", "added"),
        Difference("etc/deep/a b/x", "added"), Difference("etc/zz", "removed"),
        Difference("etc/zz/below", "removed"), Difference("etc-old", "removed")]


def test_a_folder_that_became_a_link_takes_what_was_in_it_along(pair: Pair) -> None:
    new = pair[1]
    (new / "etc/deep").rename(new / "moved")
    (new / "etc/deep").symlink_to("../moved")
    assert [(one.path, one.kind) for one in found(pair)] == [
        ("etc/deep", "changed"), ("etc/deep/deeper", "removed"),
        ("etc/deep/deeper/file", "removed"), ("etc/deep/twin", "removed"),
        ("moved", "added"), ("moved/deeper", "added"), ("moved/deeper/file", "added"),
        ("moved/twin", "added")]
    assert found(pair)[0].details[0] == "type folder -> link"
    assert [one.kind for one in found((pair[1], pair[0]))] == ["changed", *["added"] * 3,
                                                               *["removed"] * 4]


def test_a_link_to_a_folder_outside_is_not_followed(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    for root in pair:
        (root / "out").symlink_to(tmp_path / "outside")
        (root / "up").symlink_to("..")
    assert found(pair) == []


def test_content_is_read_up_to_the_limit_only(pair: Pair) -> None:
    _other_text(pair[1])
    for limit, told in ((None, ["etc/file"]), (4, ["etc/file"]), (3, []), (0, [])):
        assert [one.path for one in differences(*pair, content_limit_bytes=limit)] == told


def test_content_far_into_a_file_is_compared(pair: Pair) -> None:
    for root, last in zip(pair, (b"a", b"b")):
        (root / "big").write_bytes(b"\0" * (3 << 20) + last)
    assert found(pair) == [changed("big", "content")]


def test_equal_times_are_trusted_where_so_asked(pair: Pair) -> None:
    _other_text(pair[1])
    for root, part in zip(pair, (0.1, 0.9)):  # not every filesystem keeps parts of a second
        set_time(root / "etc/file", 1000 + part)
    assert found(pair, trusted=["etc/file"]) == []
    assert found(pair, trusted=["etc"]) == [changed("etc/file", "content")]
    set_time(pair[1] / "etc/file", 1001)
    assert found(pair, trusted=["etc/file"]) == [changed("etc/file", "content")]


def test_times_of_files_count_if_so_asked(pair: Pair) -> None:
    for number, root in enumerate(pair):
        for name in ("etc/file", "etc/link", "etc/deep"):
            set_time(root / name, 1000 + number)
        for name in ("etc/twin", "etc/deep/deeper/file"):
            set_time(root / name, 5)
    assert found(pair, times=True) == [changed("etc/file", "mtime 1000 -> 1001")]


def test_a_file_of_several_names_is_read_once(
        pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("etc/twin", "etc/deep/twin"):
        assert (pair[1] / name).stat().st_nlink == 2
    (pair[1] / "etc/twin").write_text("TWIN")
    read, compare = [], trees._same_content

    def counted(old: trees._OpenEntry, new: trees._OpenEntry) -> bool:
        read.append(old.name)
        return compare(old, new)

    monkeypatch.setattr(trees, "_same_content", counted)
    assert found(pair) == [changed("etc/deep/twin", "content"), changed("etc/twin", "content")]
    assert sorted(read) == ["file", "file", "twin"]


def test_names_that_belong_to_other_files_are_seen(pair: Pair) -> None:
    """As many names each, but not the same ones."""
    for root, names in zip(pair, (("a", "b", "c", "d"), ("a", "c", "b", "d"))):
        for first, second in (names[:2], names[2:]):
            (root / first).write_text("same")
            os.link(root / first, root / second)
    assert found(pair) == [changed("b", "links a -> b"), changed("c", "links c -> a"),
                           changed("d", "links c -> b")]


def test_a_name_may_be_any_bytes(pair: Pair) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"back\\slash", "gr\u00fc\u00df".encode()):
        place = os.fsencode(pair[1]) + b"/etc/" + name
        with open(place, "wb") as stream:
            stream.write(b"x")
    assert [os.fsencode(one.path) for one in found(pair)] == [
        b"etc/back\\slash", "etc/gr\u00fc\u00df".encode(), b"etc/new\nline", b"etc/\xff\xfe"]


@pytest.fixture
def deep_pair(pair: Pair) -> Iterator[Pair]:
    """Trees of which DEEP is flattened at the end, as whoever removes them may recurse."""
    yield pair
    for root in pair:
        while (root / DEEP).is_dir():
            for path in (root / DEEP).iterdir():
                path.rename(root / f"{path.name}-up")
            (root / DEEP).rmdir()
            if (root / f"{DEEP}-up").exists():
                (root / f"{DEEP}-up").rename(root / DEEP)


def test_folders_may_be_deeper_than_any_path_is_long(deep_pair: Pair) -> None:
    depth, name, pair = 1500, DEEP, deep_pair
    for root in pair:
        here = os.open(root, os.O_RDONLY)
        for _ in range(depth):
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        with open(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here), "wb") as stream:
            stream.write(os.fsencode(root.name))
        if root == pair[1]:
            os.mkdir("more", dir_fd=here)
        os.close(here)
    before = os.listdir("/proc/self/fd")
    path = "/".join([name] * depth)
    assert found(pair) == [changed(f"{path}/file", "content"),
                           Difference(f"{path}/more", "added")]
    assert os.listdir("/proc/self/fd") == before
    (pair[0] / name).rename(pair[0] / "moved")
    told = found(pair)
    (pair[0] / "moved").rename(pair[0] / name)
    assert len(told) == 2 * depth + 3
    assert max(len(one.path) for one in told) > 16000


def test_what_cannot_be_read_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> List[str]:
        raise OSError(5, "Input/output error", "/proc/self/fd/7/x")

    monkeypatch.setattr(os, "listxattr", damaged)
    with pytest.raises(OSError) as caught:
        found(pair)
    assert (caught.value.errno, caught.value.filename) == (5, f"{pair[0]}/.")


def test_a_walk_that_is_not_finished_leaves_nothing_open(pair: Pair) -> None:
    before = os.listdir("/proc/self/fd")
    _longer(pair[1])
    walk = differences(*pair, content_limit_bytes=None)
    next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert os.listdir("/proc/self/fd") == before


def test_it_is_told_how_many_entries_were_looked_at(pair: Pair) -> None:
    told: List[int] = []
    list(differences(*pair, content_limit_bytes=0, advance=told.append))
    entries = sum(len(folders) + len(files) for _, folders, files in os.walk(pair[0]))
    assert told == sorted(told) and told[-1] == entries
    assert stat.S_ISFIFO((pair[0] / "etc/fifo").stat().st_mode)
