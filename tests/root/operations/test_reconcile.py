"""Records in /etc of another image than the one that is there: shown, and reconciled."""
from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Set

import pytest

from ovirt_node_plugin.config import Config
from ovirt_node_plugin.operations.reconcile import reconcile as corrections
from ovirt_node_plugin.operations.verification import verify
from ovirt_node_plugin.registry import image_copy, store
from ovirt_node_plugin.registry.inventory import Inventory
from ovirt_node_plugin.registry.places import ETC, IMAGE
from ovirt_node_plugin.registry.record import Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.path_sets import FACTORY_ETC, IMAGE_MANIFESTS, IMAGE_REGISTRY
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.target import NODE, Target
from ovirt_node_plugin.undo.changes import AppliedState, Change
from ovirt_node_plugin.vdsm import capabilities
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.growth import calls_by_size, is_linear
from tests.support.repositories import remove_package
from tests.support.tree_states import State, state_differences, tree_state

pytestmark = [pytest.mark.root]

SETTINGS = ('<service name="gone.service" state="enabled"/>',
            '<sysctl name="net.core.somaxconn" value="4096"/>',
            '<sysctl name="vm.swappiness" value="5"/>',
            '<group name="gone"/>')
FILES = {"/usr/lib/systemd/system/gone.service":
         "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}
LINK = "etc/systemd/system/multi-user.target.wants/gone.service"
MADE = "etc/sysctl.d/node-plugin-net.core.somaxconn.conf"
GROUP = ("etc/.pwd.lock", "etc/sysusers.d", "etc/sysusers.d/node-plugin-group-gone.conf")
EDITED = "etc/sysctl.d/node-plugin-vm.swappiness.conf"
RECORD = Record(name="", version="1", vendor="v", summary="s", installed_at="2026-11-22T16:40:11Z",
                tool="t", mode="offline", source="/s", target_kind=NODE, target_version="4.5",
                repos=(), packages=(), settings=())


def install(dnf: Dnf, root: Path, *words: object) -> Answer:
    return succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, "--trust-keys", *words))


def reconcile(dnf: Dnf, root: Path, *words: str) -> Dict[str, Any]:
    answer: Dict[str, Any] = dnf.plugin(root, "verify", "--reconcile", "--json", *words).json
    return answer


def named(answer: Dict[str, Any]) -> Set[Any]:
    return {(item["plugin"], item["action"], item["path"]) for item in answer["corrections"]}


def without(state: State) -> State:
    """Return the state of a root without what each run of dnf writes."""
    return {path: entry for path, entry in state.items()
            if not path.startswith(("var/", "usr/share/rpm", "usr/share/dnf"))}


@pytest.mark.main_job
def test_an_older_image_s_records_give_way_to_those_of_the_image(
        built: support.Fixtures, node: Path, dnf: Dnf, tmp_path: Path) -> None:
    gone = make_plugin(tmp_path, "gone", settings=SETTINGS, files=FILES)
    install(dnf, node, built.bundle("agent", "1.0"), gone)
    # What imgbased makes of /etc: the old image's records over those of the new image, which
    # has the agent in another version, a new plugin, and none that is gone.
    for folder in ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d"):
        shutil.copytree(node / folder, tmp_path / folder)
    install(dnf, node, built.bundle("agent", "1.1"), make_plugin(tmp_path, "new"))
    remove_package(node, "gone")
    for path in IMAGE.files("gone"):
        (node / path).unlink()
    for path in ETC.files("new"):
        (node / path).unlink()
    shutil.copytree(tmp_path / "etc", node / "etc", dirs_exist_ok=True)
    (node / EDITED).write_text("vm.swappiness = 7\n")
    before = tree_state(node)

    states = {plugin["name"]: (plugin["version"], plugin["state"])
              for plugin in dnf.plugin(node, "list", "--json").json["plugins"]}
    assert states == {"agent": ("1.1", "broken"), "gone": ("", "broken"), "new": ("1.0", "broken")}
    plugins: Any = capabilities.describe_plugins(str(node))["plugins"]
    assert [(plugin["name"], plugin["version"]) for plugin in plugins] == [
        ("agent", "1.1"), ("new", "1.0")]
    answer = dnf.plugin(node, "verify")
    assert answer.status == 9
    assert ("gone: /etc/ovirt.plugins.d/gone is not that of the image, whose records are in"
            " /usr/lib/ovirt.plugins.d") in answer.out
    assert (f"To repair: dnf --installroot={node} node-plugin verify --reconcile" in answer.out)
    stale = {found["path"]: found["differences"]
            for plugin in dnf.plugin(node, "verify", "--json").json["plugins"]
            for found in plugin["findings"] if found["kind"] == "stale"}
    assert stale["/etc/ovirt.plugins.d/gone"] == [{"what": "present", "was": "no", "is": "yes"}]
    assert stale["/etc/ovirt.plugins.d/new"] == [{"what": "present", "was": "yes", "is": "no"}]
    assert "digest" in {each["what"] for each in stale["/etc/ovirt.plugins.d/agent"]}
    assert dnf.plugin(node, "info", "gone").status == 2
    planned = named(reconcile(dnf, node, "--dry-run"))
    told = dnf.plugin(node, "verify", "--reconcile", "--dry-run").out
    assert "new: to be restored /etc/ovirt.plugins.d/new: the image has " in told
    assert f"gone: to be left /{EDITED}: " in told
    assert without(tree_state(node)) == without(before)

    done = reconcile(dnf, node)
    assert done["ok"] is True and named(done) == planned
    assert planned == {
        *(("agent", "rewritten", f"/{path}") for path in ETC.files("agent")),
        *(("new", "restored", f"/{path}") for path in ETC.files("new")),
        *(("gone", "removed", f"/{path}") for path in (*ETC.files("gone"), LINK, MADE, *GROUP)),
        ("gone", "left", f"/{EDITED}")}
    assert (node / EDITED).read_text() == "vm.swappiness = 7\n"
    assert not os.path.lexists(node / LINK) and not (node / MADE).exists()
    for name in ("agent", "new"):
        for path, copy in zip(ETC.files(name), IMAGE.files(name)):
            assert (node / path).read_bytes() == (node / copy).read_bytes()
            assert (node / path).stat().st_mode == (node / copy).stat().st_mode
    answer = succeeded(dnf.plugin(node, "verify", "--reconcile"))
    assert answer.out == "agent 1.1: ok\nnew 1.0: ok\n"


def test_records_that_outlived_their_packages_are_removed_in_an_image_without_a_copy(
        built: support.Fixtures, node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = tree_state(node)
    pristine = support.copy_tree(node / FACTORY_ETC, tmp_path / "factory")
    install(dnf, node, make_plugin(tmp_path, "gone", settings=SETTINGS[:3], files=FILES),
            built.bundle("snmp"))
    for folder in (IMAGE_REGISTRY, IMAGE_MANIFESTS):
        shutil.rmtree(node / folder)
    shutil.rmtree(node / FACTORY_ETC)
    support.copy_tree(pristine, node / FACTORY_ETC)
    for package in ("gone", "net-snmp-utils"):
        remove_package(node, package)
    told = {name: [line for line in dnf.plugin(node, "verify", name).out.splitlines()
                   if "replaced since" in line] for name in ("gone", "snmp")}
    assert told == {"gone": ["gone 1.0: the image may have been replaced since: verify --reconcile"
                             " removes the record"],
                    "snmp": ["snmp 1.0: the image may have been replaced since"]}
    answer = dnf.plugin(node, "verify", "--reconcile")
    assert answer.status == 9  # a package of snmp is there: the rest is for a repair
    assert store.names(node) == ("snmp",)
    lines = answer.out.splitlines()
    assert (f"gone: removed /{LINK}: the plugin, which the image lacks, made it."
            in lines)
    assert ("gone: removed /etc/ovirt.plugins.d/gone: it has the record of a plugin of another"
            " image: none of its packages is installed.") in lines
    again = dnf.plugin(node, "verify", "--reconcile", "--json").json
    assert "corrections" not in again
    assert [line for line in state_differences(before, tree_state(node))
            if "sysctl" in line or "gone" in line] == []


def forget_in_usr(root: Path, name: str) -> None:
    """Make the root that of an image without a plugin, whose /etc has the plugin's record."""
    remove_package(root, name)
    for path in IMAGE.files(name):
        (root / path).unlink()


def test_what_the_administrator_moved_and_linked_stays(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    install(dnf, node, make_plugin(tmp_path, "gone", files={"/opt/gone": "x"}, scriptlets={
        "post": "mkdir -p /etc/gone/sub /etc/other; echo 1 > /etc/gone/sub/file"}))
    forget_in_usr(node, "gone")
    for name, target in (("gone", "srv/gone"), ("other", "etc/elsewhere")):
        shutil.move(node / "etc" / name, node / target)
        (node / "etc" / name).symlink_to(f"/{target}")
    answer = reconcile(dnf, node)
    assert answer["ok"] is True
    assert named(answer) == {
        *(("gone", "removed", f"/{path}") for path in ETC.files("gone")),
        *(("gone", "left", f"/etc/{path}") for path in (
            "gone", "gone/sub", "gone/sub/file", "other"))}
    assert (node / "srv/gone/sub/file").read_text() == "1\n"


def test_the_work_grows_with_the_number_of_records(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, names = store.read_undo_data, []

    def counted(root: Path, name: str, **place: Any) -> UndoData:
        names.append(name)
        return read(root, name, **place)

    monkeypatch.setattr(store, "read_undo_data", counted)

    def plan(size: int) -> None:
        root = tmp_path / str(size)
        for folder in ("etc", "usr/lib"):
            (root / folder).mkdir(parents=True)
        image_copy.keep(root)
        for number in range(2 * size):
            name = f"plugin{number}"
            made = Change(f"etc/{name}", None, Entry("dir", 0o755, 0, 0))
            store.save(root, dataclasses.replace(RECORD, name=name),
                       UndoData(name, b"<d/>", AppliedState(effects=(made,))),
                       Inventory(name, (), ()))
        for number in range(size):
            for path in IMAGE.files(f"plugin{number}"):
                (root / path).unlink()
        session: Any = SimpleNamespace(
            target=Target(root, NODE, "", "", ""), sealed=None, progress=Silent(),
            owners=lambda path: (), installed=dict, files_of=dict,
            policy=SimpleNamespace(config=Config()))
        assert len(corrections(session, only_plan=True)) == 3 * size
        names.clear()
        assert len(verify(session, (), run=run)) == 2 * size
        assert sorted(names) == sorted(2 * store.names(root))

    assert is_linear(calls_by_size(plan, (4, 8, 16)))


def test_only_what_nobody_else_has_is_removed(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    (node / "etc/site.conf").write_text("y\n")
    install(dnf, node, make_plugin(
        tmp_path, "gone", settings=SETTINGS[1:2], scriptlets={
            "post": "echo x >> /etc/site.conf; mkdir -p /etc/gone.d /etc/selinux/gone;"
                    " touch /etc/gone.d/own /etc/selinux/gone/module"}))
    support.copy_tree(node / "etc", tmp_path / "etc")
    succeeded(dnf.plugin(node, "remove", "-y", "gone"))
    install(dnf, node, make_plugin(tmp_path, "new", settings=SETTINGS[1:2]))
    for path in (*ETC.files("gone"), "etc/site.conf"):
        shutil.copy(tmp_path / path, node / path)
    for path in ("etc/gone.d", "etc/selinux"):
        support.copy_tree(tmp_path / path, node / path)
    (node / "etc/gone.d/other").touch()
    done = reconcile(dnf, node)
    assert named(done) == {
        *(("gone", "removed", f"/{path}") for path in (*ETC.files("gone"), "etc/gone.d/own")),
        *(("gone", "left", f"/{path}") for path in (
            "etc/site.conf", "etc/selinux/gone", "etc/selinux/gone/module"))}
    assert done["ok"] is True and (node / MADE).exists()
    assert os.listdir(node / "etc/gone.d") == ["other"]
    assert (node / "etc/site.conf").read_bytes() == (
        tmp_path / "etc/site.conf").read_bytes()


def test_a_host_keeps_records_of_missing_packages(host: Path, dnf: Dnf, tmp_path: Path) -> None:
    install(dnf, host, make_plugin(tmp_path, "tool", files={"/opt/tool/x": "x"}))
    remove_package(host, "tool")
    assert "corrections" not in reconcile(dnf, host)
    assert store.names(host) == ("tool",)
    for words, text in ((["verify", "--reconcile", "tool"], "for all plugins"),
                        (["list", "--reconcile"], "--reconcile is for verify")):
        answer = dnf.plugin(host, *words)
        assert answer.status == 2 and text in answer.err


def test_only_a_root_that_images_replace_has_its_own_copy(
        host: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "tool", files={"/opt/tool/x": "x"})
    install(dnf, host, bundle)
    assert not (host / IMAGE_REGISTRY).exists() and not (host / IMAGE_MANIFESTS).exists()
    (host / "usr/lib/bootc").mkdir()  # now the host is in image mode
    install(dnf, host, make_plugin(tmp_path, "more", files={"/opt/more/x": "x"}))
    for name in ("tool", "more"):
        for path, copy in zip(ETC.files(name), IMAGE.files(name)):
            assert (host / path).read_bytes() == (host / copy).read_bytes()
    succeeded(dnf.plugin(host, "verify"))
    succeeded(dnf.plugin(host, "remove", "-y", "tool", "more"))
    for folder in (*IMAGE.files("x"), *ETC.files("x")):
        assert not (host / folder).parent.exists()


def test_a_file_that_cannot_be_replaced_is_named(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    install(dnf, node, make_plugin(tmp_path, "gone", settings=SETTINGS[1:2]),
            make_plugin(tmp_path, "tool", files={"/opt/tool/x": "x"}))
    forget_in_usr(node, "gone")
    record = node / ETC.record("tool")
    record.unlink()
    record.mkdir()
    before = tree_state(node)
    answer = dnf.plugin(node, "verify", "--reconcile")
    assert answer.status == 9 and "/etc/ovirt.plugins.d/tool is a folder" in answer.err
    assert without(tree_state(node)) == without(before)
    folder = record.parent
    shutil.rmtree(folder)
    folder.touch()
    answer = dnf.plugin(node, "verify", "--reconcile")
    assert answer.status == 9 and "/etc/ovirt.plugins.d is not a folder" in answer.err
    folder.unlink()
    folder.mkdir()
    read_only = dataclasses.replace(dnf, prefix=(
        "unshare", "--mount", "sh", "-c", f"mount --bind -o ro {node}/etc {node}/etc"
        ' && exec "$@"', "sh"))
    answer = read_only.plugin(node, "verify", "--reconcile")
    assert answer.status == 6, answer.text
    assert f"/etc in {node} differs from the image and is mounted read-only" in answer.err
    record.symlink_to("/etc/passwd")
    succeeded(dnf.plugin(node, "verify", "--reconcile"))
    succeeded(read_only.plugin(node, "verify", "--reconcile"))  # nothing to correct
    assert record.is_file() and not record.is_symlink()
