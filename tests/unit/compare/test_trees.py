"""Comparison of two trees: every kind of difference, and nothing else, is reported."""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Callable, Iterator, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.compare import trees
from ovirt_node_plugin.compare.trees import Difference, differences
from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.system import limits

pytestmark = pytest.mark.unit

Pair = Tuple[Path, Path]
DEEP = "deep-below"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two identical trees: files, hard and symbolic links, a fifo and nested folders."""
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


def differences_of(
        pair: Pair, *, times: bool = False, trusted: Sequence[str] = ()) -> List[Difference]:
    return list(differences(pair[0], pair[1], content_limit_bytes=None, times=times,
                            trusted=trusted))


def changed_entry(path: str, *details: str) -> Difference:
    return Difference(path, "changed", details)


def set_time(path: Path, seconds: float) -> None:
    os.utime(path, ns=(0, int(seconds * 10**9)), follow_symlinks=False)


def test_identical_trees_have_no_differences(pair: Pair) -> None:
    for number, root in enumerate(pair):
        set_time(root / "etc/file", 1000 + number)
    assert differences_of(pair) == []


def _chmod_root(root: Path) -> None:
    root.chmod(0o700)


def _chmod_special(root: Path) -> None:
    (root / "etc/file").chmod(0o4755)


def _chmod_folder(root: Path) -> None:
    (root / "etc/deep").chmod(0o1777)


def _change_size(root: Path) -> None:
    (root / "etc/file").write_text("longer")


def _change_content(root: Path) -> None:
    (root / "etc/file").write_text("tExt")


def _change_target(root: Path) -> None:
    (root / "etc/link").unlink()
    (root / "etc/link").symlink_to("../elsewhere")


def _add_hard_link(root: Path) -> None:
    os.link(root / "etc/file", root.parent / "outside")


def _replace_file_with_link(root: Path) -> None:
    (root / "etc/file").unlink()
    (root / "etc/file").symlink_to("twin")


def _replace_fifo_with_file(root: Path) -> None:
    (root / "etc/fifo").unlink()
    (root / "etc/fifo").write_bytes(b"")
    (root / "etc/fifo").chmod(0o644)


@pytest.mark.parametrize("change, path, details", [
    (_chmod_root, ".", ["mode 0755 -> 0700"]),
    (_chmod_special, "etc/file", ["mode 0644 -> 4755"]),
    (_chmod_folder, "etc/deep", ["mode 0755 -> 1777"]),
    (_change_size, "etc/file", ["size 4 -> 6"]),
    (_change_content, "etc/file", ["content"]),
    (_change_target, "etc/link", ["target file -> ../elsewhere"]),
    (_add_hard_link, "etc/file", ["links 1 -> 2"]),
    (_replace_file_with_link, "etc/file", ["type file -> link", "mode 0644 -> 0777"]),
    (_replace_fifo_with_file, "etc/fifo", ["type fifo -> file"]),
])
def test_each_kind_of_change_is_reported(pair: Pair, change: Callable[[Path], None], path: str,
                                         details: List[str]) -> None:
    for root in pair:  # independent of the umask
        for name in (".", "etc/deep"):
            (root / name).chmod(0o755)
        for name in ("etc/file", "etc/fifo"):
            (root / name).chmod(0o644)
    change(pair[1])
    assert differences_of(pair) == [changed_entry(path, *details)]


def test_extended_attributes_are_compared(pair: Pair) -> None:
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
    assert differences_of(pair) == [
        changed_entry("etc/deep", f"xattr user.long 100 bytes, SHA-256 {digests[0]} -> 100 bytes,"
                      f" SHA-256 {digests[1]}", "xattr user.new none -> 0x0102"),
        changed_entry("etc/file", "xattr user.gone a -> none",
                      "xattr user.note 0x6c6162656c00 -> 0x6c6162656c")]


def test_entries_of_one_tree_are_listed_in_order(pair: Pair) -> None:
    old, new = pair
    (old / "etc-old").write_text("")
    (new / "etc/deep/a b").mkdir()
    (new / "etc/deep/a b/x").write_text("")
    (new / "etc/deep/a").write_text("")
    (old / "etc/zz/below").mkdir(parents=True)
    assert differences_of(pair) == [
        Difference("etc/deep/a", "added"), Difference("etc/deep/a b", "added"),
        Difference("etc/deep/a b/x", "added"), Difference("etc/zz", "removed"),
        Difference("etc/zz/below", "removed"), Difference("etc-old", "removed")]


def test_entries_of_a_folder_replaced_by_a_link_are_removed(pair: Pair) -> None:
    new = pair[1]
    (new / "etc/deep").rename(new / "moved")
    (new / "etc/deep").symlink_to("../moved")
    assert [(entry.path, entry.kind) for entry in differences_of(pair)] == [
        ("etc/deep", "changed"), ("etc/deep/deeper", "removed"),
        ("etc/deep/deeper/file", "removed"), ("etc/deep/twin", "removed"),
        ("moved", "added"), ("moved/deeper", "added"), ("moved/deeper/file", "added"),
        ("moved/twin", "added")]
    assert differences_of(pair)[0].details[0] == "type folder -> link"
    assert [entry.kind for entry in differences_of((pair[1], pair[0]))] == [
        "changed", *["added"] * 3, *["removed"] * 4]


def test_a_link_to_a_folder_outside_is_not_followed(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    for root in pair:
        (root / "out").symlink_to(tmp_path / "outside")
        (root / "up").symlink_to("..")
    assert differences_of(pair) == []


def test_content_is_read_only_up_to_the_limit(pair: Pair) -> None:
    _change_content(pair[1])
    for limit, expected in ((None, ["etc/file"]), (4, ["etc/file"]), (3, []), (0, [])):
        assert [entry.path for entry in differences(*pair, content_limit_bytes=limit)] == expected


def test_content_at_the_end_of_a_large_file_is_compared(pair: Pair) -> None:
    for root, last in zip(pair, (b"a", b"b")):
        (root / "big").write_bytes(b"\0" * (3 << 20) + last)
    assert differences_of(pair) == [changed_entry("big", "content")]


def test_sparse_files_are_not_read_beyond_the_limit_of_all_files(
        pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for root in pair:
        with open(root / "sparse", "wb") as file:
            file.truncate(limits.COMPARED_BYTES + 1)
    with pytest.raises(Refused, match="sparse in .*: the files to compare have more than"):
        differences_of(pair)
    monkeypatch.setattr(limits, "COMPARED_BYTES", 100)
    for root in pair:
        (root / "sparse").unlink()
        for number in range(3):
            (root / f"small{number}").write_bytes(b"x" * 40)
    with pytest.raises(Refused, match="more than 100 bytes together"):
        differences_of(pair)


def test_equal_times_are_trusted_for_trusted_paths(pair: Pair) -> None:
    _change_content(pair[1])
    for root, part in zip(pair, (0.1, 0.9)):  # some filesystems store whole seconds
        set_time(root / "etc/file", 1000 + part)
    assert differences_of(pair, trusted=["etc/file"]) == []
    assert differences_of(pair, trusted=["etc"]) == [changed_entry("etc/file", "content")]
    set_time(pair[1] / "etc/file", 1001)
    assert differences_of(pair, trusted=["etc/file"]) == [changed_entry("etc/file", "content")]


def test_times_of_files_are_compared_on_request(pair: Pair) -> None:
    for number, root in enumerate(pair):
        for name in ("etc/file", "etc/link", "etc/deep"):
            set_time(root / name, 1000 + number)
        for name in ("etc/twin", "etc/deep/deeper/file"):
            set_time(root / name, 5)
    assert differences_of(pair, times=True) == [changed_entry("etc/file", "mtime 1000 -> 1001")]


def test_a_file_with_several_links_is_read_once(
        pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("etc/twin", "etc/deep/twin"):
        assert (pair[1] / name).stat().st_nlink == 2
    (pair[1] / "etc/twin").write_text("TWIN")
    read, compare = [], trees._same_content

    def counted(old: trees._OpenEntry, new: trees._OpenEntry) -> bool:
        read.append(old.name)
        return compare(old, new)

    monkeypatch.setattr(trees, "_same_content", counted)
    assert differences_of(pair) == [changed_entry("etc/deep/twin", "content"),
                                    changed_entry("etc/twin", "content")]
    assert sorted(read) == ["file", "file", "twin"]


def test_links_to_other_files_are_reported(pair: Pair) -> None:
    """The files have the same number of links, but not the same ones."""
    for root, names in zip(pair, (("a", "b", "c", "d"), ("a", "c", "b", "d"))):
        for first, second in (names[:2], names[2:]):
            (root / first).write_text("same")
            os.link(root / first, root / second)
    assert differences_of(pair) == [changed_entry("b", "links a -> b"),
                                    changed_entry("c", "links c -> a"),
                                    changed_entry("d", "links c -> b")]


def test_a_name_may_contain_any_bytes(pair: Pair) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"back\\slash", "gr\u00fc\u00df".encode()):
        path = os.fsencode(pair[1]) + b"/etc/" + name
        with open(path, "wb") as stream:
            stream.write(b"x")
    assert [os.fsencode(entry.path) for entry in differences_of(pair)] == [
        b"etc/back\\slash", "etc/gr\u00fc\u00df".encode(), b"etc/new\nline", b"etc/\xff\xfe"]


@pytest.fixture
def deep_pair(pair: Pair) -> Iterator[Pair]:
    """Two trees whose DEEP is flattened at the end, as pytest removes trees recursively."""
    yield pair
    for root in pair:
        while (root / DEEP).is_dir():
            for path in (root / DEEP).iterdir():
                path.rename(root / f"{path.name}-up")
            (root / DEEP).rmdir()
            if (root / f"{DEEP}-up").exists():
                (root / f"{DEEP}-up").rename(root / DEEP)


def test_folders_may_be_nested_deeper_than_PATH_MAX(deep_pair: Pair) -> None:
    depth, name, pair = 1500, DEEP, deep_pair
    for root in pair:
        folder = os.open(root, os.O_RDONLY)
        for _ in range(depth):
            os.mkdir(name, dir_fd=folder)
            below = os.open(name, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
        with open(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as stream:
            stream.write(os.fsencode(root.name))
        if root == pair[1]:
            os.mkdir("more", dir_fd=folder)
        os.close(folder)
    before = os.listdir("/proc/self/fd")
    path = "/".join([name] * depth)
    assert differences_of(pair) == [changed_entry(f"{path}/file", "content"),
                                    Difference(f"{path}/more", "added")]
    assert os.listdir("/proc/self/fd") == before
    (pair[0] / name).rename(pair[0] / "moved")
    moved = differences_of(pair)
    (pair[0] / "moved").rename(pair[0] / name)
    assert len(moved) == 2 * depth + 3
    assert max(len(entry.path) for entry in moved) > 16000


def test_an_unreadable_entry_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> List[str]:
        raise OSError(5, "Input/output error", "/proc/self/fd/7/x")

    monkeypatch.setattr(os, "listxattr", damaged)
    with pytest.raises(OSError) as caught:
        differences_of(pair)
    assert (caught.value.errno, caught.value.filename) == (5, f"{pair[0]}/.")


def test_an_abandoned_comparison_closes_its_descriptors(pair: Pair) -> None:
    before = os.listdir("/proc/self/fd")
    _change_size(pair[1])
    walk = differences(*pair, content_limit_bytes=None)
    next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert os.listdir("/proc/self/fd") == before


def test_the_number_of_compared_entries_is_reported(pair: Pair) -> None:
    counts: List[int] = []
    list(differences(*pair, content_limit_bytes=0, advance=counts.append))
    entries = sum(len(folders) + len(files) for _, folders, files in os.walk(pair[0]))
    assert counts == sorted(counts) and counts[-1] == entries
    assert stat.S_ISFIFO((pair[0] / "etc/fifo").stat().st_mode)
