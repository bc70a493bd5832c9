"""Changes that fail: the root is restored, and one message gives the reason."""
from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator, NoReturn

import pytest

from ovirt_node_plugin.errors import RecordError
from ovirt_node_plugin.operations.apply import change
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.target import identify
from ovirt_node_plugin.undo import journal, undoing
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, at_home
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

JOURNAL = "var/lib/ovirt-node-plugin"


def assert_fails_unchanged(dnf: Dnf, root: Path, *words: object) -> Answer:
    """Run a command; assert that it fails and that the root and dnf's history are unchanged."""
    before, history = tree_state(root), dnf(root, "history", "list").out
    answer = dnf.plugin(root, *words)
    assert answer.status != 0, answer.text
    assert state_differences(before, tree_state(root)) == []
    assert "Traceback" not in answer.text
    assert not os.path.lexists(root / JOURNAL)
    assert dnf(root, "history", "list").out == history
    assert dnf.plugin(root, "verify").status == 0
    return answer


@pytest.mark.main_job
@pytest.mark.parametrize("name", ["badscript", "badpost"])
def test_an_install_whose_scriptlet_fails_is_rolled_back(
        dnf: Dnf, node: Path, built: support.Fixtures, name: str) -> None:
    answer = assert_fails_unchanged(dnf, node, "install", "-y", "--trust-keys", built.bundle(name))
    assert answer.status == 8
    assert f"install of {name} failed and was rolled back" in answer.text
    assert f"The root {node} is as it was before." in answer.text


@pytest.mark.main_job
def test_a_failing_scriptlet_rolls_back_all_plugins_of_the_transaction(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    answer = assert_fails_unchanged(dnf, node, "install", "-y", "--trust-keys",
                                    *(built.bundle(name) for name in ("cim", "badpost", "storage")))
    assert answer.status == 8


def test_a_removal_whose_scriptlet_fails_is_rolled_back(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(
        tmp_path, "stays", requires="busybox", files={"/opt/stays/data": "data"},
        scriptlets={"preun": "echo changed >> /etc/passwd\nexit 1"},
        settings=['<kernel-module name="loop" load="yes"/>'])
    assert dnf.plugin(node, "install", "-y", UNSIGNED, bundle).status == 0
    answer = assert_fails_unchanged(dnf, node, "remove", "-y", "stays")
    assert answer.status == 8 and "remove of stays failed" in answer.text


def test_changes_by_scriptlets_are_undone_in_the_whole_root(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    (node / "etc/hard1").write_text("one")
    os.link(node / "etc/hard1", node / "etc/hard2")
    os.mknod(node / "etc/device", 0o20600, os.makedev(1, 3))
    os.mkfifo(node / "etc/fifo")
    os.setxattr(node / "etc/hard1", "user.note", b"kept")
    (node / "etc/line\nfeed \\n").write_text("odd")
    os.symlink("hard1", node / "etc/link")
    (node / "etc/dir").mkdir(mode=0o750)
    (node / "etc/dir/below").write_text("below")
    shell = """
        echo x >> /etc/passwd; echo y > /etc/hard1; rm /etc/hard2 /etc/device /etc/fifo
        ln -sf /etc/passwd /etc/link; rm /etc/line*; mkdir /etc/fifo; mkdir /etc/fifo/x
        rm -r /etc/dir; ln -s / /etc/dir; chmod 777 /etc /var/lib
        mkdir -p /opt/a/b /usr/share/new/sub /var/lib/new /srv/x /root/y
        echo z > /opt/a/b/c; echo z > /usr/share/new/sub/f; echo z > /var/lib/new/f
        dd if=/dev/zero of=/etc/huge bs=1 count=1 seek=8589934591
        touch "/etc/new
line" /usr/bin/new /boot/new; mknod /etc/node c 1 5
        exit 1"""
    bundle = make_plugin(tmp_path, "wild", requires="busybox", scriptlets={"post": shell},
                         files={"/opt/wild/data": "data"})
    os.mknod(node / "dev/zero", 0o20666, os.makedev(1, 5))
    answer = assert_fails_unchanged(dnf, node, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8
    assert os.getxattr(node / "etc/hard1", "user.note") == b"kept"
    assert (node / "etc/hard1").samefile(node / "etc/hard2")


def test_what_is_moved_or_removed_is_restored_or_named(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    for path in ("opt/tools/data", "srv/gone", "opt/edited"):
        (node / path).parent.mkdir(parents=True, exist_ok=True)
        (node / path).write_text("mine")
    assert (node / "var/lib/rpm").is_symlink()
    scripts = {
        "moves": "mv /var/lib /var/lib.old; mv /opt/tools /srv/tools; exit 1",
        "removes": "rm -rf /var/lib/rpm /usr/share/rpm; exit 1",
        "edits": "echo x >> /opt/edited; rm /srv/gone; exit 1"}
    for name in ("moves", "removes"):
        bundle = make_plugin(tmp_path, name, requires="busybox", files={f"/opt/{name}/x": "x"},
                             scriptlets={"post": scripts[name]})
        answer = assert_fails_unchanged(dnf, node, "install", "-y", UNSIGNED, bundle)
        assert f"The root {node} is as it was before.\n" in answer.text
    bundle = make_plugin(tmp_path, "edits", requires="busybox", files={"/opt/edits/x": "x"},
                         scriptlets={"post": scripts["edits"]})
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8 and "is as it was before." not in answer.text
    assert (f"The root {node} is as it was before, except for files of which no copy is made (see"
            " LIMITS in dnf-node-plugin(8)): /srv/gone was removed, /opt/edited was changed."
            in answer.text)


def test_a_missing_systemctl_is_reported_before_any_change(
        dnf: Dnf, node: Path, tmp_path: Path, built: support.Fixtures) -> None:
    dnf.prefix = ("env", f"PATH={path_without(tmp_path, 'systemctl')}")
    answer = assert_fails_unchanged(dnf, node, "install", "-y", "--trust-keys", built.bundle("cim"))
    assert "systemctl cannot be started" in answer.text


def test_a_missing_depmod_is_reported_before_any_change(dnf: Dnf, node: Path, tmp_path: Path,
                                                        built: support.Fixtures) -> None:
    dnf.prefix = ("env", f"PATH={path_without(tmp_path, 'depmod')}")
    answer = assert_fails_unchanged(dnf, node, "install", "-y", "--trust-keys",
                                    built.bundle("isv-module-foo"))
    assert "depmod cannot be started" in answer.text


def test_a_setting_that_fails_after_the_transaction_is_rolled_back(
        dnf: Dnf, node: Path, tmp_path: Path, built: support.Fixtures) -> None:
    folder = path_without(tmp_path, "systemctl")
    # Queries are answered; every change fails.
    (folder / "systemctl").write_text(
        '#!/bin/sh\ncase " $* " in *" is-enabled "*) exec /usr/bin/systemctl "$@";; esac\n'
        'echo "no room for links" >&2\nexit 1\n')
    (folder / "systemctl").chmod(0o755)
    dnf.prefix = ("env", f"PATH={folder}")
    answer = assert_fails_unchanged(dnf, node, "install", "-y", "--trust-keys", built.bundle("cim"))
    assert answer.status == 8 and "no room for links" in answer.text


def path_without(tmp_path: Path, program: str) -> Path:
    """Return a folder with links to all programs of this machine except ``program``."""
    folder = tmp_path / "path"
    folder.mkdir()
    for programs in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for name in os.listdir(programs):
            if name != program and not os.path.lexists(folder / name):
                (folder / name).symlink_to(f"{programs}/{name}")
    return folder


@contextlib.contextmanager
def mounted(source: object, mount_point: Path, *options: str) -> Iterator[Path]:
    mount_point.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, str(source), str(mount_point)], check=True)
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


def test_a_read_only_root_is_refused(
        dnf: Dnf, node: Path, tmp_path: Path, built: support.Fixtures) -> None:
    dnf.prefix = at_home(tmp_path / "home")
    words = ["install", "-y", "--trust-keys", built.bundle("cim")]
    for name in ("cache", "lib/dnf"):
        (node / "var" / name).mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(mounted(node, node, "--bind"))
        subprocess.run(["mount", "-o", "remount,ro,bind", str(node)], check=True)
        before = tree_state(node)
        answer = dnf.plugin(node, *words)  # dnf fails, as it cannot write its log
        assert answer.status == 1 and "Read-only file system" in answer.text, answer.text
        for name in ("log", "cache", "lib/dnf"):
            stack.enter_context(mounted("tmpfs", node / "var" / name, "-t", "tmpfs"))
        answer = dnf.plugin(node, *words)
        assert answer.status == 6, answer.text
        assert f"the root {node} is mounted read-only" in answer.text, answer.text
        error = dnf.plugin(node, *words, "--json").json["error"]
        assert dnf.plugin(node, "list", "--json").json["target"]["changes"] == {
            "allowed": False, "status": 6, "message": error["message"], "hint": error["hint"],
            "lines": []}
        assert state_differences(before, tree_state(node)) == []


@pytest.fixture
def small_root(built: support.Fixtures, tmp_path: Path) -> Iterator[Path]:
    """A node on its own filesystem, with some ten megabytes free."""
    image = tmp_path / "small.img"
    with open(image, "wb") as stream:
        stream.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    with mounted(image, tmp_path / "small", "-o", "loop") as mount_point:
        built.node_root(tmp_path / "node")
        root = mount_point / "node"
        support.copy_tree(tmp_path / "node", root)
        yield root


def fill(root: Path, leave_kib: int) -> Path:
    """Fill the root's filesystem up to ``leave_kib`` of free space; return the file."""
    state = os.statvfs(root)
    size = state.f_bavail * state.f_frsize - (leave_kib << 10)
    filler = root.parent / "filler"
    with open(filler, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, size)
    return filler


def test_packages_larger_than_the_free_space_are_refused_before_any_change(
        dnf: Dnf, small_root: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "large", files={"/opt/large/data": "x" * (3 << 20)})
    assert dnf.plugin(small_root, "list").status == 0  # creates dnf's logs and caches
    fill(small_root, 2500)
    answer = assert_fails_unchanged(dnf, small_root, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8
    assert "the packages need 3.0 MiB on the disk" in answer.text
    assert "Nothing was changed" in answer.text


def test_a_change_that_fills_the_disk_is_rolled_back(dnf: Dnf, small_root: Path,
                                                     tmp_path: Path) -> None:
    shell = "\n".join(f"dd if=/dev/zero of=/var/cache/filler{size} bs={size}"
                      for size in ("64k", "1k", "1"))
    bundle = make_plugin(
        tmp_path, "filler", requires="busybox", scriptlets={"post": shell + "\ntrue"},
        files={"/opt/filler/data": "x" * 100_000},
        settings=['<kernel-module name="loop" load="yes"/>'])
    os.mknod(small_root / "dev/zero", 0o20666, os.makedev(1, 5))
    before = tree_state(small_root)
    answer = dnf.plugin(small_root, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8, answer.text
    assert "No space left on device" in answer.text
    for path in (small_root / "var/cache").glob("filler*"):  # nothing in a cache is undone
        path.unlink()
    assert state_differences(before, tree_state(small_root)) == []
    assert dnf.plugin(small_root, "verify").status == 0


def test_a_disk_too_full_for_the_journal_is_an_error_without_changes(
        dnf: Dnf, small_root: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "little", files={"/opt/little/data": "x"})
    assert dnf.plugin(small_root, "install", "-y", UNSIGNED, bundle).status == 0
    assert dnf.plugin(small_root, "remove", "-y", "little").status == 0
    dnf.prefix = at_home(tmp_path / "home")
    fill(small_root, 250)
    answer = assert_fails_unchanged(dnf, small_root, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8 and "No space left" in answer.text, answer.text


def test_a_rollback_does_not_change_mounts_in_the_root(dnf: Dnf, node: Path,
                                                       tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "little", requires="busybox", scriptlets={
        "post": "touch /opt/outside/new /proc-here/new; exit 1"},
                         files={"/opt/little/data": "x"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    (node / "proc").mkdir(exist_ok=True)
    (node / "opt").mkdir(exist_ok=True)
    with mounted(outside, node / "opt/outside", "--bind"), \
            mounted("proc", node / "proc", "-t", "proc"):
        answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
        assert answer.status == 8, answer.text
        assert (outside / "mine").read_text() == "mine"
        assert (outside / "new").exists()  # a mount is not part of the root
        assert not (node / "opt/little").exists()


def test_a_change_that_cannot_be_undone_gives_one_hint(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> NoReturn:
        raise RecordError("the journal is incomplete", hint="Unpack the root again.")

    session: Any = SimpleNamespace(target=identify(tmp_path),
                                   exclusive=contextlib.nullcontext, close=lambda: None)
    monkeypatch.setattr(undoing, "undo", fail)
    with pytest.raises(RecordError) as caught:
        with change.journaled(session, journal.Intent("install", ("foo",), "test"),
                              journal.Scope(paths=()), run=run):
            raise OSError("broken")
    assert caught.value.message == (
        "the change failed (broken) and could not be undone: the journal is incomplete")
    assert caught.value.hint == "Unpack the root again."
