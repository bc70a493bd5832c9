"""Node's pristine copy of /etc follows what plugins change, and nothing else."""
from __future__ import annotations

import filecmp
import hashlib
import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from ovirt_node_plugin.operations.apply.factory import Factory
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.system.entries import Entry, read_entry, write_entry
from ovirt_node_plugin.system.limits import EDITED_BYTES
from ovirt_node_plugin.system.path_sets import FACTORY, FACTORY_ETC
from ovirt_node_plugin.target import NODE, Target
from ovirt_node_plugin.undo.changes import comparable
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

BUILT = ("cim", "snmp", "storage", "isv-module-foo")
FILES = {"/etc/acme/acme.conf": "level=1\n", "/etc/acme/deep/er/x": "x", "/usr/lib/acme": "a",
         "/usr/lib/systemd/system/acme.service":
             "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}
SCRIPT = """
echo '# acme' >> /etc/libvirt/libvirtd.conf
chmod 0600 /etc/chrony.conf
chown 0:12 /etc/nsswitch.conf
rm /etc/profile
ln -sf ../usr/share /etc/acme/link
"""


def etc(root: Path, top: str = "") -> Dict[str, Optional[Entry]]:
    """Return the states in /etc or its pristine copy, without SELinux labels, by path."""
    start = root / top / "etc"
    paths = [Path(folder) / name for folder, folders, files in os.walk(start)
             for name in (*folders, *files)]
    return {path.relative_to(start).as_posix():
            comparable(read_entry(root, path.relative_to(root).as_posix())) for path in paths}


def differing(before: Dict[str, Optional[Entry]],
              after: Dict[str, Optional[Entry]]) -> List[str]:
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def test_the_copy_has_what_plugins_changed_and_is_as_before_after_their_removal(
        dnf: Dnf, node: Path, built: support.Fixtures, tmp_path: Path) -> None:
    before, pristine, tree = etc(node), etc(node, FACTORY), tree_state(node)
    assert differing(before, pristine), "the image build changed /etc after the copy"
    acme = make_plugin(tmp_path, "acme", files=FILES, requires=["busybox"],
                       scriptlets={"post": SCRIPT},
                       settings=['<service name="acme.service" state="enabled"/>'])
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", UNSIGNED, acme,
                         *map(built.bundle, BUILT)))
    changed = differing(before, etc(node))
    assert {"ovirt.plugins.d/acme", "ovirt.plugins-manifests.d/acme.xml",
            "ovirt.plugins-manifests.d/acme.json.gz"} <= set(changed)
    assert {"acme/acme.conf", "acme/link", "libvirt/libvirtd.conf", "chrony.conf",
            "nsswitch.conf", "profile", "passwd", "group",
            "systemd/system/multi-user.target.wants/acme.service"} <= set(changed)
    assert differing({path: etc(node).get(path) for path in changed},
                     {path: etc(node, FACTORY).get(path) for path in changed}) == []
    assert not set(differing(pristine, etc(node, FACTORY))).difference(changed)
    succeeded(dnf.plugin(node, "verify"))
    for name in ("acme", *BUILT):
        succeeded(dnf.plugin(node, "remove", "-y", name))
        assert not set(differing(pristine, etc(node, FACTORY))).difference(
            differing(before, etc(node)))
    assert state_differences(tree, tree_state(node)) == []


PATH = "etc/a/b/file"


def file(content: bytes, **values: Any) -> Entry:
    entry = Entry("file", 0o644, 0, 0, hashlib.sha256(content).hexdigest(), content)
    return replace(entry, **values)


FILE = file(b"one\n")
STATES: Dict[str, Optional[Entry]] = {
    "nothing": None, "a file": FILE, "another file": file(b"two\n"),
    "a private file": file(b"one\n", mode=0o600),
    "a file of another": file(b"one\n", uid=7, gid=8),
    "a file with attributes": file(b"one\n", xattrs=(("user.x", b"1"),)),
    "a large file": file(b"0" * 100_000),
    "a link": Entry("link", 0o777, 0, 0, hashlib.sha256(b"/usr/lib/x").hexdigest(), b"/usr/lib/x"),
    "a folder": Entry("dir", 0o750, 0, 3)}


def small_root(root: Path, here: Optional[Entry], there: Optional[Entry]) -> Target:
    """Make a Node with these states of PATH in /etc and in its copy."""
    for top, entry in (("", here), (f"{FACTORY}/", there)):
        (root / top / "etc/a/b").mkdir(parents=True)
        put(root, f"{top}{PATH}", entry)
    (root / FACTORY_ETC / "passwd").touch()
    return Target(root=root, kind=NODE, name="", version="", rpmdb="usr/share/rpm")


def put(root: Path, path: str, entry: Optional[Entry]) -> None:
    now = read_entry(root, path)
    if now is not None and (entry is None or now.kind != entry.kind):
        write_entry(root, path, None)
    if entry is not None:
        write_entry(root, path, entry)


def states(root: Path) -> Tuple[Optional[Entry], Optional[Entry]]:
    return (comparable(read_entry(root, PATH)), comparable(read_entry(root, f"{FACTORY}/{PATH}")))


def change(root: Path, ledger: Ledger, entry: Optional[Entry], *plugins: str) -> None:
    """Change PATH in /etc; afterwards, ``plugins`` claim it."""
    factory = Factory(Target(root=root, kind=NODE, name="", version="", rpmdb=""))
    put(root, PATH, entry)
    factory.follow({plugin: [PATH] for plugin in plugins}, ledger)


@pytest.mark.parametrize(("before", "after"), itertools.permutations(STATES, 2))
def test_every_change_is_followed_and_undone(tmp_path: Path, before: str, after: str) -> None:
    for number, pristine in enumerate(dict.fromkeys((before, "nothing", "a private file"))):
        root, ledger = tmp_path / str(number), Ledger()
        small_root(root, STATES[before], STATES[pristine])
        first, copy = tree_state(root), states(root)[1]
        change(root, ledger, STATES[after], "one")
        assert states(root)[0] == states(root)[1]
        assert states(root)[0] == comparable(STATES[after])
        assert all(found.path.startswith(f"{FACTORY}/etc/")
                   for found in ledger.state("one").factory)
        if before == pristine == "a large file":
            assert [found.before.content for found in ledger.state("one").factory
                    if found.before is not None] == [None], "it can be taken from /etc again"
        change(root, ledger, STATES[before])
        assert states(root)[1] == copy
        assert state_differences(first, tree_state(root)) == []
        assert ledger.state("one").factory == ()


def test_a_file_of_any_size_is_followed(tmp_path: Path) -> None:
    ledger = Ledger()
    target = small_root(tmp_path, None, None)
    factory = Factory(target)
    with open(tmp_path / PATH, "wb") as stream:
        stream.truncate(EDITED_BYTES + 1)
    factory.follow({"one": [PATH]}, ledger)
    assert filecmp.cmp(tmp_path / PATH, tmp_path / FACTORY / PATH, shallow=False)
    (tmp_path / PATH).unlink()
    Factory(target).follow({}, ledger)
    assert not (tmp_path / FACTORY / PATH).exists()


@pytest.mark.parametrize("order", itertools.permutations(("one", "two")))
def test_a_path_of_two_plugins_is_restored_with_the_last(
        tmp_path: Path, order: Tuple[str, str]) -> None:
    ledger = Ledger()
    small_root(tmp_path, FILE, FILE)
    change(tmp_path, ledger, STATES["another file"], "one")
    change(tmp_path, ledger, STATES["a private file"], "one", "two")
    change(tmp_path, ledger, STATES["a large file"], order[1])
    assert states(tmp_path)[0] == states(tmp_path)[1]
    assert [bool(ledger.state(name).factory) for name in order] == [False, True]
    change(tmp_path, ledger, FILE)
    assert states(tmp_path)[1] == comparable(read_entry(tmp_path, PATH))
    assert not any(state.factory for state in ledger.states.values())


@pytest.mark.parametrize(("before", "after", "pristine"),
                         itertools.permutations(("nothing", "a file", "a private file"), 3))
def test_the_administrators_change_in_an_installed_system_does_not_become_pristine(
        tmp_path: Path, before: str, after: str, pristine: str) -> None:
    ledger = Ledger()
    small_root(tmp_path, STATES[before], STATES[pristine])
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    copy = states(tmp_path)[1]
    change(tmp_path, ledger, STATES[after], "one")
    assert states(tmp_path)[1] == copy
    assert ledger.state("one").factory == ()


def test_in_an_installed_system_the_copy_follows_until_the_administrator_changes_the_path(
        tmp_path: Path) -> None:
    ledger = Ledger()
    small_root(tmp_path, FILE, FILE)
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    change(tmp_path, ledger, STATES["another file"], "one")
    assert states(tmp_path)[0] == states(tmp_path)[1]
    put(tmp_path, PATH, STATES["a private file"])
    change(tmp_path, ledger, STATES["a private file"], "one", "two")
    assert states(tmp_path)[1] == comparable(STATES["another file"]), "what the image gave"
    change(tmp_path, ledger, STATES["a private file"])
    assert states(tmp_path)[1] != states(tmp_path)[0]
    assert read_entry(tmp_path, f"{FACTORY}/{PATH}") == FILE


def test_a_folder_that_only_etc_has_is_made_for_the_file_of_a_plugin(tmp_path: Path) -> None:
    ledger = Ledger()
    small_root(tmp_path, None, None)
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    folder = (tmp_path / FACTORY / PATH).parent
    folder.rmdir()
    (tmp_path / PATH).with_name("mine").write_text("the administrator's")
    change(tmp_path, ledger, FILE, "one")
    assert states(tmp_path)[0] == states(tmp_path)[1]
    assert [path.name for path in folder.iterdir()] == [Path(PATH).name]
    change(tmp_path, ledger, None)
    assert not folder.exists() and folder.parent.is_dir()
    assert ledger.state("one").factory == ()


@pytest.mark.parametrize("pristine", [STATES["a large file"], FILE])
def test_a_copy_that_somebody_else_changed_stays(tmp_path: Path, pristine: Entry) -> None:
    ledger = Ledger()
    small_root(tmp_path, pristine, pristine)
    change(tmp_path, ledger, STATES["another file"], "one")
    put(tmp_path, f"{FACTORY}/{PATH}", STATES["a link"])
    change(tmp_path, ledger, pristine)
    assert states(tmp_path)[1] == comparable(STATES["a link"])
    assert ledger.state("one").factory == ()


def test_a_large_file_that_is_not_as_before_in_etc_is_not_taken_from_there(
        tmp_path: Path) -> None:
    ledger = Ledger()
    small_root(tmp_path, STATES["a large file"], STATES["a large file"])
    change(tmp_path, ledger, STATES["another file"], "one")
    change(tmp_path, ledger, STATES["a private file"])
    assert states(tmp_path)[1] == comparable(STATES["another file"])


def test_folders_that_the_copy_lacked_go_with_the_last_path(tmp_path: Path) -> None:
    ledger = Ledger()
    small_root(tmp_path, None, None)
    (tmp_path / FACTORY_ETC / "a/b").rmdir()
    (tmp_path / FACTORY_ETC / "a").rmdir()
    for content in ("a file", "another file"):
        change(tmp_path, ledger, STATES[content], "one")
        assert states(tmp_path)[1] == comparable(STATES[content])
    change(tmp_path, ledger, None)
    assert not (tmp_path / FACTORY_ETC / "a").exists()


def test_a_folder_with_other_files_in_the_copy_stays(tmp_path: Path) -> None:
    ledger = Ledger()
    small_root(tmp_path, None, STATES["a folder"])
    (tmp_path / FACTORY / PATH / "other").touch()
    change(tmp_path, ledger, FILE, "one")
    assert os.listdir(tmp_path / FACTORY / PATH) == ["other"]


def test_a_copy_keeps_the_label_of_its_place(tmp_path: Path) -> None:
    ledger, label = Ledger(), "security.selinux"
    small_root(tmp_path, FILE, FILE)
    os.setxattr(tmp_path / FACTORY / PATH, label, b"usr")
    put(tmp_path, PATH, file(b"two\n", xattrs=((label, b"etc"),)))
    change(tmp_path, ledger, file(b"three\n", xattrs=((label, b"etc"),)), "one")
    assert (tmp_path / FACTORY / PATH).read_bytes() == b"three\n"
    assert os.getxattr(tmp_path / FACTORY / PATH, label) == b"usr"


@pytest.mark.parametrize("target", ["/etc/other", "../../../../../etc/other"])
def test_the_copy_is_not_written_through_links(tmp_path: Path, target: str) -> None:
    ledger = Ledger()
    small_root(tmp_path, FILE, None)
    (tmp_path / FACTORY_ETC / "a/b").rmdir()
    (tmp_path / FACTORY_ETC / "a/b").symlink_to(target)
    (tmp_path / "etc/other").mkdir()
    change(tmp_path, ledger, STATES["another file"], "one")
    assert os.listdir(tmp_path / "etc/other") == []


def test_a_host_and_a_node_without_the_copy_get_none(tmp_path: Path) -> None:
    for number, kind in enumerate((NODE, "host")):
        root, ledger = tmp_path / str(number), Ledger()
        (root / "etc/a/b").mkdir(parents=True)
        (root / FACTORY_ETC).mkdir(parents=True)  # systemd has one too
        if kind == "host":
            (root / FACTORY_ETC / "passwd").touch()
        factory = Factory(Target(root=root, kind=kind, name="", version="", rpmdb=""))
        write_entry(root, PATH, FILE)
        factory.follow({"one": [PATH]}, ledger)
        assert not (root / FACTORY_ETC / "a").exists()
        assert ledger.states == {}
