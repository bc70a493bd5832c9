"""Names of hosts in /etc/hosts, read by the resolver of this machine."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import Drifted, Refused
from ovirt_node_plugin.plugin.settings import HostsEntry
from ovirt_node_plugin.settings.engine import checking
from ovirt_node_plugin.system import kernel
from ovirt_node_plugin.undo.changes import Applied
from tests.support.full_node import in_root
from tests.support.settings_root import (
    RecordingRunner,
    apply_settings,
    context,
    differences,
    make_root,
    problem_texts,
    revert_settings,
    tree,
    wanted_settings,
    write_file,
)

pytestmark = [pytest.mark.root]

CIM = HostsEntry("192.0.2.1", ("cim.example", "CIM"))
BACKUP = HostsEntry("2001:db8::1", ("backup.example",))
HOSTS = "127.0.0.1 localhost\n192.0.2.7 storage.example # of the site"  # and no line end
Installed = Dict[str, Tuple[Applied, ...]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root_folder = make_root(tmp_path / "root")
    write_file(root_folder, "etc/hosts", HOSTS)
    write_file(root_folder, "etc/hostname", "node1.example\n")
    return root_folder


def test_a_program_of_the_node_resolves_a_name_until_its_plugin_is_removed(
        full_root: Path) -> None:
    before = (full_root / "etc/hosts").read_bytes()
    applied: Installed = {}
    apply_settings(full_root, "foo", applied, CIM)
    assert in_root(full_root, "getent", "hosts", "cim").split() == [
        "192.0.2.1", "cim.example", "CIM"]
    revert_settings(full_root, "foo", applied)
    assert (full_root / "etc/hosts").read_bytes() == before


def test_a_line_is_added_by_no_program_and_the_file_is_restored(root: Path) -> None:
    before, runner = tree(root), RecordingRunner()
    applied: Installed = {}
    (item,) = wanted_settings(context(root, runner=runner), CIM)
    assert item.text == ("give cim.example, CIM the address 192.0.2.1 in /etc/hosts, before DNS")
    assert item.danger
    apply_settings(root, "foo", applied, CIM)
    apply_settings(root, "bar", applied, BACKUP, CIM)
    assert (root / "etc/hosts").read_text() == (
        f"{HOSTS}\n192.0.2.1 cim.example CIM # node-plugin\n"
        "2001:db8::1 backup.example # node-plugin\n")
    assert runner.argvs == []
    revert_settings(root, "foo", applied)
    assert "cim.example" in (root / "etc/hosts").read_text()  # bar has it too
    assert problem_texts(applied["bar"], context(root)) == ()
    revert_settings(root, "bar", applied)
    assert differences(before, tree(root)) == []


def test_other_lines_stay_when_a_plugin_is_removed(root: Path) -> None:
    applied: Installed = {}
    apply_settings(root, "foo", applied, CIM)
    with (root / "etc/hosts").open("a") as stream:
        stream.write("192.0.2.8 new.example\n")
    assert problem_texts(applied["foo"], context(root)) == ()
    revert_settings(root, "foo", applied)
    assert (root / "etc/hosts").read_text() == f"{HOSTS}\n192.0.2.8 new.example\n"


def test_a_root_without_the_file_gets_one_that_is_removed_again(root: Path) -> None:
    (root / "etc/hosts").unlink()
    before = tree(root)
    applied: Installed = {}
    apply_settings(root, "foo", applied, CIM)
    assert (root / "etc/hosts").read_text() == "192.0.2.1 cim.example CIM # node-plugin\n"
    revert_settings(root, "foo", applied)
    assert differences(before, tree(root)) == []


@pytest.mark.parametrize(("text", "problem"), [
    ("", "/etc/hosts does not have cim.example"),
    ("192.0.2.3 cim.example cim\n", "/etc/hosts gives cim.example the address 192.0.2.3,"
                                    " not 192.0.2.1")])
def test_a_name_that_is_changed_or_missing_is_found(root: Path, text: str, problem: str) -> None:
    applied: Installed = {}
    apply_settings(root, "foo", applied, CIM)
    (root / "etc/hosts").write_text(text)
    assert problem_texts(applied["foo"], context(root))[0] == problem
    if text:
        with pytest.raises(Drifted):
            revert_settings(root, "foo", applied)


@pytest.mark.parametrize(("names", "why"), [
    (("Storage.Example",), "storage.example cannot be changed: /etc/hosts has it already, for"
                           " 192.0.2.7"),
    (("a.example", "node1.example"), "node1.example cannot be changed: it is the name of the root"),
])
def test_a_name_of_the_root_is_refused(root: Path, names: Tuple[str, ...], why: str) -> None:
    ctx = context(root)
    with pytest.raises(Refused, match=why):
        checking.check(wanted_settings(ctx, HostsEntry("192.0.2.1", names)), ctx, others={})


def test_a_name_of_another_plugin_with_another_address_is_refused(root: Path) -> None:
    applied: Installed = {}
    apply_settings(root, "foo", applied, CIM)
    with pytest.raises(Refused, match="plugin foo has hosts-entry cim.example"):
        apply_settings(root, "bar", applied, HostsEntry("192.0.2.2", ("x.example", "cim")))


def test_a_file_that_is_a_link_or_mounted_is_refused(
        root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = context(root)
    mount = kernel.Mount(str(root / "etc/hosts"), "tmpfs", 0, "0:1", "/")
    monkeypatch.setattr(kernel, "mounts_below", lambda path: iter([mount]))
    with pytest.raises(Refused, match="something else is mounted at /etc/hosts"):
        checking.check(wanted_settings(ctx, CIM), ctx, others={})
    monkeypatch.undo()
    (root / "etc/hosts").unlink()
    (root / "etc/hosts").symlink_to("hostname")
    with pytest.raises(Refused, match="/etc/hosts is not a regular file"):
        checking.check(wanted_settings(ctx, CIM), ctx, others={})
