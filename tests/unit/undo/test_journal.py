"""The undo journal on small trees without rpm."""
from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.errors import OutsideRoot, RecordError
from ovirt_node_plugin.system.path_sets import JOURNAL
from ovirt_node_plugin.undo import journal, undoing
from ovirt_node_plugin.undo.changes import Change
from ovirt_node_plugin.undo.journal import Intent, Scope
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.unit]

INTENT = Intent("install", ("one", "two"), "tool 1")
SCOPE = Scope(paths=("/usr/bin/new", "/opt/pkg/data", "/usr/bin/old"), trees=("etc", "links/etc2"),
              bare=("var", "opt"), near=("usr/share",), whole=("usr/db", "var/history"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for folder in ("etc/sub", "var/lib", "usr/bin", "usr/share", "usr/db", "usr/etc2", "opt",
                   "links"):
        (root / folder).mkdir(parents=True)
    for path in ("etc/file", "etc/sub/file", "usr/bin/old", "usr/db/data", "var/lib/state",
                 "var/history", "usr/etc2/file"):
        (root / path).write_text(f"this is {path}")
    os.symlink("../usr/etc2", root / "links/etc2")
    os.symlink("file", root / "etc/link")
    os.link(root / "etc/file", root / "etc/twin")
    return root


def paths(changes: List[Change]) -> List[str]:
    return [change.path for change in changes]


def change_everything(root: Path) -> None:
    (root / "etc/file").write_text("in place")
    (root / "etc/sub/file").unlink()
    shutil.rmtree(root / "etc/sub")
    (root / "etc/sub").write_text("a file now")
    (root / "etc/link").unlink()
    (root / "etc/link").mkdir()
    (root / "etc/link/new").write_text("x")
    (root / "etc/new\nline").write_text("x")
    (root / "usr/bin/new").write_text("x")
    (root / "usr/bin/old").unlink()
    (root / "usr/bin/old").write_text("another")
    (root / "usr/bin/old;5f3a").write_text("x")
    (root / "usr/share/new").mkdir()
    (root / "usr/share/new/x").write_text("x")
    (root / "usr/db/data").write_text("in place")
    (root / "usr/db/wal").write_text("x")
    (root / "var/history").write_text("in place")
    (root / "var/new").mkdir()
    (root / "usr/etc2/file").write_text("through a link")
    (root / "opt/pkg").mkdir()
    (root / "opt/pkg/data").write_text("x")
    (root / "opt/other").symlink_to("/usr")


def test_everything_in_scope_is_restored(root: Path) -> None:
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE)
    assert journal.pending(root) and journal.intent(root) == INTENT
    change_everything(root)
    undoing.undo(root)
    assert state_differences(before, tree_state(root)) == []
    assert not journal.left_over(root)


def test_times_of_files_and_folders_are_restored(root: Path) -> None:
    for path in ("etc/file", "etc/sub", "etc"):
        os.utime(root / path, ns=(10**18, 10**18 + 7))
    journal.begin(root, INTENT, SCOPE)
    change_everything(root)
    undoing.undo(root)
    for path in ("etc/file", "etc/sub", "etc"):
        assert os.stat(root / path).st_mtime_ns == 10**18 + 7


def test_undoing_twice_equals_undoing_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE)
    change_everything(root)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "finish", lambda _root: None)
        undoing.undo(root)
    wreck_a_little = root / "etc/file"
    wreck_a_little.unlink()
    undoing.undo(root)
    assert state_differences(before, tree_state(root)) == []


def test_finishing_keeps_the_change(root: Path) -> None:
    journal.begin(root, INTENT, SCOPE)
    change_everything(root)
    after = tree_state(root, excluded=("var/lib/ovirt-node-plugin",))
    journal.finish(root)
    journal.finish(root)
    assert state_differences(after, tree_state(root)) == []


def test_a_folder_of_a_package_is_kept(root: Path) -> None:
    (root / "var/lib/ovirt-node-plugin").mkdir(mode=0o755)
    journal.begin(root, INTENT, SCOPE)
    journal.finish(root)
    assert os.listdir(root / "var/lib/ovirt-node-plugin") == []


def test_files_of_a_killed_begin_are_removed(root: Path) -> None:
    (root / JOURNAL).mkdir(parents=True)
    (root / JOURNAL).parent.chmod(0o711)
    (root / JOURNAL / "content").write_text("x")
    assert journal.left_over(root) and not journal.pending(root)
    journal.begin(root, INTENT, SCOPE)
    journal.finish(root)
    assert not (root / "var/lib/ovirt-node-plugin").exists()


def test_a_second_journal_is_refused(root: Path) -> None:
    journal.begin(root, INTENT, SCOPE)
    with pytest.raises(RecordError):
        journal.begin(root, INTENT, SCOPE)
    assert journal.pending(root)


def test_saved_contents_are_readable_by_root_only(root: Path) -> None:
    journal.begin(root, INTENT, SCOPE)
    for path in (root / JOURNAL).iterdir():
        if path.name in ("content", "journal.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((root / JOURNAL).stat().st_mode) == 0o711


def test_a_failed_begin_leaves_no_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree_state(root)

    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(journal, "write_atomic", full)
    with pytest.raises(OSError):
        journal.begin(root, INTENT, SCOPE)
    assert state_differences(before, tree_state(root)) == []


def test_effects_exclude_the_changes_of_packages(root: Path) -> None:
    opened = journal.begin(root, INTENT, SCOPE)
    change_everything(root)
    effects = opened.effects(owned={"usr/bin/new", "opt/pkg", "opt/pkg/data"},
                             replaced={"usr/bin/old"}, ours={"etc/new\nline"})
    assert paths(list(effects)) == [
        "etc/file", "etc/link", "etc/link/new", "etc/sub", "etc/sub/file", "etc/twin", "opt/other",
        "usr/bin/old;5f3a", "usr/etc2/file", "usr/share/new", "usr/share/new/x", "var/new"]
    first = effects[0]
    assert first.before is not None and first.before.content == b"this is etc/file"
    assert first.after is not None and first.after.content is None


def test_an_entry_replaced_by_a_package_has_two_changes(root: Path) -> None:
    opened = journal.begin(root, INTENT, SCOPE)
    (root / "usr/bin/old").write_text("the package's")
    first, then = opened.effects(owned={"usr/bin/old"})
    assert first.before is not None and first.before.content == b"this is usr/bin/old"
    assert (first.after, None) == (then.before, then.after)


def test_large_files_of_packages_are_not_copied(root: Path) -> None:
    large = root / "opt/large"
    large.write_bytes(b"x" * 3_000_000)
    number = large.stat().st_ino
    journal.begin(root, INTENT, Scope(paths=("/opt/large",)))
    assert sum(path.stat().st_size for path in (root / JOURNAL).iterdir()
               if path.stat().st_nlink == 1) < 1_200_000
    large.unlink()
    undoing.undo(root)
    assert large.read_bytes() == b"x" * 3_000_000 and large.stat().st_ino == number
    assert large.stat().st_nlink == 1


def test_later_changes_of_other_programs_are_kept_on_a_running_system(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "_SLACK_NS", -1)
    journal.begin(root, INTENT, Scope(
        paths=("/usr/bin/new",), trees=("etc",), live=True, spared=("etc/sub",)))
    (root / "usr/bin/new").write_text("x")
    (root / "usr/bin/others").write_text("x")
    (root / "etc/sub/file").write_text("spared")
    later = os.stat(root / "usr/bin/new").st_ctime_ns
    while os.stat(root / "etc/file").st_ctime_ns <= later:
        (root / "etc/file").write_text("later")
    undoing.undo(root)
    assert not (root / "usr/bin/new").exists()
    assert (root / "usr/bin/others").exists()
    assert (root / "etc/file").read_text() == "later"
    assert (root / "etc/sub/file").read_text() == "spared"


def test_undoing_a_folder_replaced_by_a_link_changes_nothing_else(root: Path) -> None:
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE)
    shutil.rmtree(root / "opt")
    (root / "opt").symlink_to("usr")
    shutil.rmtree(root / "etc")
    (root / "etc").symlink_to("/usr/db")
    undoing.undo(root)
    assert state_differences(before, tree_state(root)) == []


@pytest.mark.parametrize("link", ["/", "/elsewhere"])
def test_a_journal_folder_that_links_elsewhere_is_refused_and_never_pending(
        root: Path, link: str) -> None:
    journal_folder = root / "elsewhere/journal"
    journal_folder.mkdir(parents=True)
    (journal_folder / "journal.json").write_text("{}")
    os.symlink(link, root / "var/lib/ovirt-node-plugin")
    assert not journal.pending(root) and not journal.left_over(root)
    journal.finish(root)
    with pytest.raises(RecordError) as caught:
        journal.begin(root, INTENT, SCOPE)
    assert "leads elsewhere" in str(caught.value)
    assert (journal_folder / "journal.json").exists()


def test_paths_outside_the_root_are_refused(root: Path) -> None:
    before = tree_state(root)
    with pytest.raises(OutsideRoot):
        journal.begin(root, INTENT, Scope(paths=("/usr/../../x",)))
    assert state_differences(before, tree_state(root)) == []


def test_extended_attributes_and_links_are_restored(root: Path) -> None:
    try:
        os.setxattr(root / "etc/file", "user.note", b"one")
        os.setxattr(root / "etc/sub", "user.note", b"two")
    except OSError:
        pytest.skip("this filesystem keeps no extended attributes")
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE)
    os.removexattr(root / "etc/file", "user.note")
    os.setxattr(root / "etc/sub", "user.more", b"three")
    (root / "etc/twin").unlink()
    undoing.undo(root)
    assert state_differences(before, tree_state(root)) == []
    assert (root / "etc/file").samefile(root / "etc/twin")


def test_packages_changed_after_a_crash_of_a_running_system_are_kept(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = root / "var/lib/rpm/rpmdb.sqlite"
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(b"old")
    journal.begin(root, Intent("install", ("foo",), "test"),
                  Scope(paths=(), trees=("etc",), whole=("var/lib/rpm",), live=True))
    database.write_bytes(b"new")
    monkeypatch.setattr(undoing, "_LATE_NS", -10**12)
    with pytest.raises(RecordError, match="packages were changed") as caught:
        undoing.undo(root)
    assert "move" in caught.value.hint and database.read_bytes() == b"new"
    monkeypatch.setattr(undoing, "_LATE_NS", 10**12)
    undoing.undo(root)
    assert database.read_bytes() == b"old"
