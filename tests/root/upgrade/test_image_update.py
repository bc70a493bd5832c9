"""ovirt-node-ng-image-update is installed on a running node that has plugins."""
from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Callable, Iterator

import pytest

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.system.path_sets import FACTORY, IMAGE_VERSION
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.file_contexts import add_file_contexts, label
from tests.support.imgbased import IMAGE, NEW, OLD
from tests.support.repositories import define_repo
from tests.support.update_node import UpdateNode, update_node

pytestmark = pytest.mark.root

_RECORDS = ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d",
            "usr/lib/ovirt.plugins.d", "usr/lib/ovirt.plugins-manifests.d")
_CONFIGURATION, _EDITED = "etc/tuned/tuned.conf", "etc/tuned/edited.conf"
BUILT = "dracut modules:\\nbase\\nrescue\\n===\\n"
Made = Callable[[Path], UpdateNode]


@pytest.fixture(scope="module")
def roots(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``old``, a node with the plugins snmp and tuned; ``plain``, the next image; ``merged``.

    ``carried`` is ``plain`` with what imgbased copies to a layer from /etc of ``old``.
    """
    folder = tmp_path_factory.mktemp("roots")
    dnf = Dnf(folder / "dnf")
    repo = support.RpmRepo(folder / "repo", "tuned", key=built.key)
    repo.add("tuned", "1.0", attributes={f"/{_EDITED}": "%config"}, files=dict.fromkeys(
        ("/opt/tuned/mode", f"/{_CONFIGURATION}", f"/{_EDITED}"), "fast"))
    tuned = support.write_bundle(folder / "tuned", support.descriptor_xml(
        "tuned", repos=["tuned"], settings=[
            '<kernel-argument name="tuned.mode" value="fast"/>',
            '<dracut-module name="rescue"/>']), repo=repo, key=built.key)
    for name, version in (("old", "4.5.5"), ("plain", "4.5.6"), ("merged", "4.5.6")):
        _add_dracut(built.node_root(folder / name, version))
    for name in ("old", "merged"):
        succeeded(dnf.plugin(folder / name, "install", built.bundle("snmp"), tuned, "-y",
                             "--trust-keys"))
    add_file_contexts(folder / "plain")
    support.copy_tree(folder / "plain", folder / "carried")
    for name in (*_RECORDS[:2], os.path.dirname(_CONFIGURATION)):
        shutil.copytree(folder / "old" / name, folder / "carried" / name)
    (folder / "carried" / _EDITED).write_text("the administrator's")
    (folder / "carried/etc/machine-id").write_text("4" * 32)
    return folder


def _add_dracut(root: Path) -> None:
    """Add stand-ins for dracut and lsinitrd, and an initramfs that is a list of its modules."""
    (root / "usr/lib/dracut/modules.d/00rescue").mkdir(parents=True)
    for name, text in (("lsinitrd", 'cat "$1"'),
                       ("dracut", f'for file; do :; done; printf "{BUILT}" > "$file"')):
        program = root / "usr/bin" / name
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    (kernel,) = (root / "lib/modules").iterdir()
    (root / f"boot/initramfs-{kernel.name}.img").write_text("dracut modules:\nbase\n===\n")


@pytest.fixture
def made(roots: Path, tmp_path: Path) -> Iterator[Made]:
    """Returns a node that is upgraded to a root."""
    space = tmp_path / "space"
    space.mkdir()
    run(["mount", "-t", "tmpfs", "tmpfs", space])
    try:
        yield lambda new: update_node(space, tmp_path / "node", roots / "old", new)
    finally:
        run(["umount", space])


@contextlib.contextmanager
def mounted(node: UpdateNode) -> Iterator[Path]:
    root = node.state / "mounted"
    root.mkdir()
    run(["mount", "-o", "loop", node.layer, root])
    try:
        yield root
    finally:
        run(["umount", root])


def test_an_image_with_the_plugins_is_one_line(made: Made, roots: Path) -> None:
    node = made(roots / "merged")
    answer = succeeded(node.upgrade())
    assert answer.text.count("layer") == 1
    assert (f"The new layer {NEW} has every plugin of this Node, in the same or a newer version."
            in answer.out.splitlines())
    assert node.marked() and node.calls("grubby") == []
    assert node.calls("systemctl") == []


@pytest.mark.parametrize("image", ["plain", "carried"])
def test_an_image_without_the_plugins_is_a_warning(made: Made, roots: Path, image: str) -> None:
    node = made(roots / image)
    answer = succeeded(node.upgrade())
    assert (f"The new layer {NEW} does not have these plugins of this Node:\n  snmp 1.0: missing\n"
            "  tuned 1.0: missing\n") in answer.err
    assert "ovirt-node-plugin merge RPM snmp tuned -o DIR" in answer.err
    assert "upgrade = restore in /etc/dnf/plugins/node-plugin.conf" in answer.err
    assert (f"imgbase base --remove {IMAGE} && dnf reinstall ovirt-node-ng-image-update\n"
            in answer.err)
    assert node.marked() and node.calls("grubby") == []


def test_what_the_upgrade_will_do_is_told_before_it(
        made: Made, roots: Path, built: support.Fixtures) -> None:
    node = made(roots / "plain")
    image, bundle = node.state / "image.squashfs", built.bundle("snmp")
    run(["mksquashfs", roots / "plain", image, "-no-progress"])
    node.dnf.configure(upgrade="restore")
    answer = node.dnf.plugin(Path("/"), "check-upgrade", image)
    assert answer.status == Status.BROKEN
    assert (f"snmp 1.0: missing\n  can be restored from {bundle}, version 1.0\n"
            f"tuned 1.0: missing\n  can be restored from {roots / 'tuned'}, version 1.0\n"
            "Note: With upgrade = restore in node-plugin.conf, the upgrade installs them into the"
            " new layer, and is undone if one cannot be installed.\n") in answer.out
    assert (f" merge {image} {bundle} {roots / 'tuned'} --plugins-from=/ -o OUTPUT\n"
            in answer.out)


def test_an_upgrade_that_is_refused_is_undone(made: Made, roots: Path) -> None:
    node = made(roots / "plain")
    node.dnf.configure(upgrade="refuse")
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert "the upgrade of this Node failed: the new layer" in answer.err
    assert "snmp 1.0: missing" in answer.err
    assert f"It is undone: {OLD} boots next." in answer.err
    _assert_undone(node)


def test_an_upgrade_that_a_signal_ends_is_undone(made: Made, roots: Path) -> None:
    """Also if another one comes while it is being undone."""
    node = made(roots / "merged")
    (node.state / "signal").write_text("TERM")
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert "the upgrade of this Node failed: the command was ended by SIGTERM" in answer.err
    assert f"It is undone: {OLD} boots next." in answer.err
    _assert_undone(node)


def test_plugins_are_restored_into_the_new_layer(made: Made, roots: Path,
                                                 built: support.Fixtures, tmp_path: Path) -> None:
    node = made(roots / "carried")
    node.dnf.configure(upgrade="restore")
    answer = succeeded(node.upgrade())
    assert (f"The new layer {NEW} has every plugin of this Node, in the same or a newer version;"
            " restored: snmp, tuned.") in answer.out.splitlines()
    assert node.marked() and node.calls("grubby") == [
        "--info=ALL", "--set-default-index=1", "--info=ALL", "--set-default-index=0"]
    boot = node.running.changes / "boot"
    assert [path.read_text() for path in sorted((boot / NEW).iterdir())] == [
        BUILT.replace("\\n", "\n"), "vmlinuz"]
    assert (boot / f"loader/entries/{NEW}-1.conf").read_text() == (
        f"options root=/dev/onn/new ro img.bootid={NEW} tuned.mode=fast\n")
    assert "tuned.mode" not in (boot / f"loader/entries/{OLD}-1.conf").read_text()
    with mounted(node) as root:
        assert succeeded(Dnf(tmp_path / "look").plugin(root, "verify")).out == (
            "snmp 1.0: ok\ntuned 1.0: ok\n"
            f"tuned 1.0: note: configuration file /{_EDITED} was changed (size, content, time)\n")
        assert [(root / FACTORY / path).read_text() for path in (_CONFIGURATION, _EDITED)] == (
            ["fast\n"] * 2)
        assert (root / _EDITED).read_text() == "the administrator's"
        assert sorted(os.listdir((root / _EDITED).parent)) == ["edited.conf", "tuned.conf"]
        assert label(root / "opt/tuned/mode") == "usr_t"
        assert list((root / "var/lib/ovirt-node-plugin").glob("*")) == []
    assert [path.name for path in (node.running.changes / "var/imgbased/persisted-rpms").iterdir()
            ] == ["ovirt-node-ng-image-update-4.5.6-1.noarch.rpm"]  # no package of the plugin
    assert not list(node.state.glob("*node-plugin-*"))


def test_a_plugin_that_cannot_be_restored_undoes_the_upgrade(
        made: Made, roots: Path, tmp_path: Path, built: support.Fixtures) -> None:
    node = made(roots / "plain")
    node.dnf.configure(upgrade="restore")
    _lose_bundle(node, built.bundle("snmp"))
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert "snmp: there is no bundle of version 1.0 or newer in the library" in answer.err
    assert "dnf node-plugin add BUNDLE" in answer.err
    _assert_undone(node)


def test_a_plugin_with_a_damaged_record_undoes_the_upgrade(made: Made, roots: Path) -> None:
    node = made(roots / "plain")
    node.dnf.configure(upgrade="restore")
    for name in ("etc/ovirt.plugins.d/snmp", "usr/lib/ovirt.plugins.d/snmp"):
        (node.running.changes / name).write_text("x")
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert "plugins whose records are damaged cannot be restored: snmp" in answer.err
    _assert_undone(node)


def test_a_layer_with_another_image_undoes_the_upgrade(made: Made, roots: Path) -> None:
    node = made(roots / "merged")
    with mounted(node) as root:
        (root / IMAGE_VERSION).write_text("ovirt-node-ng-4.5.7-1\n")
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert f"the layer {NEW} contains ovirt-node-ng-4.5.7-1" in answer.err
    _assert_undone(node)


def test_a_bundle_of_another_vendor_is_not_installed(
        made: Made, roots: Path, built: support.Fixtures, tmp_path: Path) -> None:
    node = made(roots / "plain")
    node.dnf.configure(upgrade="restore")
    _lose_bundle(node, built.bundle("snmp"))
    other = make_plugin(tmp_path / "other", "snmp", "1.1")
    shutil.copytree(other, node.dnf.own_library / "snmp")
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert (f"snmp: {node.dnf.own_library}/snmp is by Test, without checked"
            " signatures") in answer.err
    assert "and 1.0 is by Example Management Inc., signed by" in answer.err
    _assert_undone(node)


def test_a_failed_scriptlet_is_a_failed_upgrade(made: Made, roots: Path) -> None:
    node = made(roots / "merged")
    (node.state / "fails").touch()
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert ("the upgrade of this Node failed: imgbased did not complete the new layer\n"
            "There is no new layer, and the boot entries are as before.\n") in answer.err
    assert "/var/log/imgbased.log" in answer.err
    assert not node.marked() and "base --remove" not in "".join(node.calls("imgbase"))
    assert node.calls("systemctl")[-1] == "start -- vdsmd.service supervdsmd.service"
    (node.state / "fails").unlink()
    succeeded(node.upgrade("reinstall", "ovirt-node-ng-image-update"))


def test_a_layer_that_a_crash_left_has_to_be_removed(made: Made, roots: Path) -> None:
    node = made(roots / "merged")
    (node.state / "new").touch()
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert "as after a crash, run first: imgbase base --remove IMAGE\n" in (
        answer.err)
    assert not node.marked() and "base --remove" not in "".join(node.calls("imgbase"))
    run([*node.dnf.prefix, "imgbase", "base", "--remove", IMAGE])
    succeeded(node.upgrade("reinstall", "ovirt-node-ng-image-update"))


def test_an_incomplete_layer_is_removed_and_what_fails_of_that_is_told(
        made: Made, roots: Path) -> None:
    node = made(roots / "merged")
    (node.state / "incomplete").touch()
    (node.state / "stuck").touch()
    answer = node.upgrade()
    assert answer.status == 1, answer.text
    assert "It is not undone completely. Run:" in answer.err
    assert f"imgbase base --remove {IMAGE}: imgbase ended with status 5" in answer.err
    assert node.calls("systemctl")[-1] == "start -- vdsmd.service supervdsmd.service"


def test_a_node_without_plugins_is_upgraded_as_before(made: Made, roots: Path) -> None:
    node = made(roots / "plain")
    for name in _RECORDS:
        shutil.rmtree(node.running.changes / name, ignore_errors=True)
    answer = succeeded(node.upgrade())
    assert "layer" not in answer.text and node.calls("systemctl") == []


def test_an_unpacked_node_has_no_layers(roots: Path, tmp_path: Path, dnf: Dnf) -> None:
    root = support.copy_tree(roots / "old", tmp_path / "root")
    repo = support.RpmRepo(tmp_path / "update", "update")
    repo.add("ovirt-node-ng-image-update", "4.5.6")
    define_repo(root, "update", repo.url)
    answer = succeeded(dnf(root, "install", "ovirt-node-ng-image-update", "-y"))
    assert "ovirt-node-ng-image-update-4.5.6-1.noarch" in answer.out
    assert "layer" not in answer.text


def _lose_bundle(node: UpdateNode, bundle: Path) -> None:
    """Let the records name a place where there is no bundle."""
    for name in _RECORDS:
        record = node.running.changes / name / "snmp"
        if record.is_file():
            record.write_text(record.read_text().replace(str(bundle), "/gone"))


def _assert_undone(node: UpdateNode) -> None:
    assert not node.marked()
    assert node.calls("grubby")[-1] == "--set-default-index=1"
    assert node.calls("imgbase")[-1] == f"base --remove {IMAGE}"
    assert node.calls("systemctl")[-1] == "start -- vdsmd.service supervdsmd.service"
    assert node.calls("mount") == ["--make-rshared /var"]
    assert not (node.state / "new").exists()
