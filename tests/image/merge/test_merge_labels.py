"""SELinux labels of changed paths, by the file contexts of a root."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import List, Optional, Tuple

import pytest

from ovirt_node_plugin.compare.trees import ADDED, Difference, differences
from ovirt_node_plugin.images.image import FOLDER, Layout
from ovirt_node_plugin.merge.model import MergeResult
from ovirt_node_plugin.merge.root import labels as module
from ovirt_node_plugin.merge.root.labels import Labels, paths_to_label, set_labels, wrong_labels
from ovirt_node_plugin.merge.root.marks import Mark
from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.inventory import Inventory, Operation
from ovirt_node_plugin.registry.record import Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.report import image_data
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.limits import FILE_CONTEXTS_BYTES
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import AppliedState, Change
from tests.support.file_contexts import FILE_CONTEXTS, POLICY, add_file_contexts, label

pytestmark = pytest.mark.root

OLD = b"system_u:object_r:old_t:s0\0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "opt").mkdir(parents=True)
    add_file_contexts(root)
    return root


def labelled(root: Path, *paths: str) -> Optional[Labels]:
    work = root.parent / "work"
    work.mkdir(exist_ok=True)
    return set_labels(root, paths, work, run=run)


def failure(root: Path) -> str:
    answer = labelled(root, "opt")
    assert answer is not None and answer.paths == ()
    assert answer.note == ("No SELinux labels are set or compared by the image's policy targeted:"
                           f" {answer.failure}")
    return answer.failure


def problems(root: Path, labels: Labels) -> list[str]:
    return list(wrong_labels(root, labels, root.parent / "work", run=run))


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_each_path_gets_the_label_of_its_type_and_others_keep_theirs(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ARGUMENTS_BYTES", 100)  # several runs of matchpathcon
    undecodable = os.fsdecode(b"opt/\xff")
    expected = {
        ".": "root_t", "opt": "usr_t", "opt/a/text": "text_t", "opt/b/text": "link_t",
        "opt/c/text": "usr_t", "opt/site/x": "site_t", "opt/alias/x": "site_t",
        "usr/lib64/x": "lib_t", "home/u": "user_home_dir_t", "srv": "default_t",
        "opt/-n": "usr_t", "opt/a\nb c": "usr_t", undecodable: "usr_t"}
    make(root, "opt/a/text", "opt/site/x", "opt/alias/x", "usr/lib64/x", "srv", "opt/-n",
         "opt/a\nb c", undecodable, "var/cache/x", "opt/a/other")
    for folder in ("opt/b", "opt/c/text", "home/u"):
        (root / folder).mkdir(parents=True)
    os.symlink("/nowhere", root / "opt/b/text")
    for path in ("var/cache/x", "opt/a/other", "opt/a/text"):
        os.setxattr(root / path, "security.selinux", OLD)
    answer = labelled(root, *expected, "var/cache/x")
    assert answer == Labels(POLICY, tuple(sorted(expected)), ("var/cache/x",))
    assert {path: label(root / path) for path in expected} == expected
    assert label(root / "var/cache/x") == label(root / "opt/a/other") == "old_t"
    assert label(root / "opt/a") == label(root / "usr") == ""
    assert problems(root, answer) == []


def test_a_file_that_is_written_again_with_the_same_content_keeps_its_label(
        root: Path, tmp_path: Path) -> None:
    old, new = root, tmp_path / "new"
    make(old, "same", "time", "content", "lost")
    for name in ("same", "time", "content", "lost"):
        (old / name).write_text("text")
        os.utime(old / name, (1, 1))
        os.setxattr(old / name, "security.selinux", OLD)
    subprocess.run(["cp", "-a", old, new], check=True)
    (new / "content").write_text("TEXT")
    (new / "time").touch()
    (new / "lost").touch()
    os.removexattr(new / "lost", "security.selinux")
    changes = {found.path: found for found in differences(
        old, new, content_limit_bytes=0, times=True)}
    assert sorted(changes) == ["content", "lost", "time"]
    assert sorted(paths_to_label(changes, old, new, ())) == ["content", "lost"]


@pytest.mark.parametrize("claimed, now, changed", [
    ((), OLD, []), (("file",), OLD, ["file"]), (("other",), OLD, []),
    ((), b"system_u:object_r:new_t:s0\0", ["file"]), ((), None, ["file"])])
def test_a_path_keeps_a_label_that_a_removal_restored(
        root: Path, tmp_path: Path, claimed: Tuple[str, ...], now: Optional[bytes],
        changed: List[str]) -> None:
    before = Entry("dir", 0o755, 0, 0, xattrs=(("security.selinux", OLD),))
    record = Record("cim", "1", "v", "s", "2026-11-29T12:00:00Z", "t", "offline", "/s", "node",
                    "4.5", (), (), ())
    store.save(root, record, UndoData("cim", b"<d/>", AppliedState(
        effects=(Change("file", before, None),))), Inventory(
            "cim", (Operation("install", record.installed_at, "t", "", "1"),), ()))
    new = tmp_path / "new"
    make(new, "file")
    if now is not None:
        os.setxattr(new / "file", "security.selinux", now)
    assert paths_to_label({"file": Difference("file", ADDED)}, root, new, claimed) == changed


@pytest.mark.parametrize("checked, failure, compared", [
    (True, "", True), (False, "", False), (True, "a reason", False)])
def test_the_answer_says_whether_the_labels_were_compared(
        checked: bool, failure: str, compared: bool) -> None:
    mark = Mark("2026-11-29T12:00:00Z", "t", "node.img", "", ())
    outcome = MergeResult(mark, {}, (), (), checked=checked,
                          labels=Labels(POLICY, ("opt",), ("var",), failure))
    assert image_data._labels(outcome) == {
        "policy": POLICY, "paths": 1, "without": 1, "compared": compared}


def test_the_names_of_one_file_have_the_label_of_the_first(root: Path) -> None:
    make(root, "opt/a/other")
    os.link(root / "opt/a/other", root / "opt/a/text")
    answer = labelled(root, "opt/a/text", "opt/a/other")
    assert answer is not None and label(root / "opt/a/text") == "usr_t"
    assert problems(root, answer) == []


def test_wrong_labels_are_named(root: Path) -> None:
    make(root, "opt/a/text", "opt/a\nb", "opt/x")
    answer = labelled(root, "opt/a/text", "opt/a\nb", "opt/x")
    assert answer is not None
    os.setxattr(root / "opt/a/text", "security.selinux", OLD)
    os.removexattr(root / "opt/a\nb", "security.selinux")
    assert problems(root, answer) == [
        "/'opt/a\\nb' has no SELinux label, not system_u:object_r:usr_t:s0",
        "/opt/a/text has the SELinux label system_u:object_r:old_t:s0,"
        " not system_u:object_r:text_t:s0"]
    (root / FILE_CONTEXTS).unlink()
    assert problems(root, answer) == ["the SELinux policy targeted is missing"]


@pytest.mark.parametrize("config", ["", "SELINUX=enforcing\n", "SELINUXTYPE=mls\n",
                                    "SELINUXTYPE=../targeted\n"])
def test_nothing_is_labelled_without_a_policy(root: Path, config: str) -> None:
    (root / "etc/selinux/config").write_text(config)
    assert labelled(root, "opt") is None
    assert label(root / "opt") == ""


def test_a_missing_matchpathcon_is_the_reason(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Layout(root, FOLDER)
    assert module.forecast(folder, root) == ""
    monkeypatch.setenv("PATH", "/nowhere")
    assert failure(root) == (
        "matchpathcon cannot be started: No such file or directory. Install the program"
        " matchpathcon on this machine, then try again.")
    assert module.forecast(folder, root).endswith(failure(root))
    (root / FILE_CONTEXTS).unlink()
    assert module.forecast(folder, root) == ""


@pytest.mark.parametrize(("text", "reason"), [
    ("/opt(/.*)?\n", f" /{FILE_CONTEXTS}.local: line 1 is missing fields"),
    ("/a\u00e9 x:y:z:s0\n", "Non-ASCII"),
    ("#" * (FILE_CONTEXTS_BYTES + 1), "bytes")])
def test_file_contexts_that_cannot_be_read_are_the_reason(
        root: Path, text: str, reason: str) -> None:
    (root / f"{FILE_CONTEXTS}.local").write_text(text)
    assert reason in failure(root)
    assert label(root / "opt") == ""


def test_a_slow_regular_expression_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LABELS_S", 1)
    (root / f"{FILE_CONTEXTS}.local").write_text("/opt/(([a-z])+.)+[A-Z]([a-z])+ x:y:z:s0\n")
    paths = [f"opt/{'a' * 60}{number}" for number in range(300)]
    make(root, *paths)
    answer = labelled(root, *paths)
    assert answer is not None and "matchpathcon ended with signal" in answer.failure


def test_an_invalid_regular_expression_gives_no_label(root: Path) -> None:
    (root / f"{FILE_CONTEXTS}.local").write_text("/opt(( x:y:z:s0\n")
    assert labelled(root, "opt") == Labels(POLICY, without=("opt",))


def test_a_filesystem_without_labels_is_the_reason_and_no_path_is_labelled(root: Path) -> None:
    make(root, "etc/new", "etc/old")
    os.setxattr(root / "etc/old", "security.selinux", OLD)
    subprocess.run(["mount", "-t", "ramfs", "ramfs", root / "opt"], check=True)
    try:
        answer = labelled(root, "etc/new", "etc/old", "opt")
        assert answer == Labels(POLICY, failure="/opt: Operation not supported")
        assert [label(root / name) for name in ("etc/new", "etc/old")] == ["", "old_t"]
    finally:
        subprocess.run(["umount", root / "opt"], check=True)
