"""An upgrade that fails is undone, step by step; bundles are chosen by version."""
from __future__ import annotations

import json
import os
import re
import signal
import stat
from dataclasses import replace
from pathlib import Path
from typing import Container, List, Optional, Sequence, Union

import pytest

from ovirt_node_plugin.cli import image_update
from ovirt_node_plugin.config import Config
from ovirt_node_plugin.errors import CommandError, NodePluginError, Refused, RolledBack
from ovirt_node_plugin.operations.model.results import Signature
from ovirt_node_plugin.plugin.library import Library
from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.inventory import Inventory, Operation
from ovirt_node_plugin.registry.record import InstalledPackage, Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.system.run import StrPath, run
from ovirt_node_plugin.undo.changes import Applied, AppliedState
from ovirt_node_plugin.upgrade import hook, restore
from ovirt_node_plugin.upgrade.layers import Layer
from ovirt_node_plugin.upgrade.survival import NEWER, SAME, Fate
from tests import support

pytestmark = pytest.mark.root

OLD = Layer("onn", "node-1-1+1", "/dev/onn/node-1-1+1", "/dev/mapper/onn-node--1--1+1")
NEW = Layer("onn", "node-2-1+1", "/dev/onn/node-2-1+1", "/dev/mapper/onn-node--2--1+1")
OTHER = Layer("onn", "node-3-1+1", "/dev/onn/node-3-1+1", "/dev/mapper/onn-node--3--1+1")
CIM = Record("cim", "1.0", "Test", "", "2026-11-29T12:00:00Z", "tool", "offline", "/cim", "node",
             "4.5.5", (), (), ())
BEFORE = hook.Before(OLD, (OLD,), ("vdsmd.service",), var_shared=True)
INFO = 'index=0\nargs="img.bootid=node-2-1+1"\nindex=1\nargs="img.bootid=node-1-1+1"\n'
STEPS = ["grubby --info=ALL", "grubby --set-default-index=1", "imgbase base --remove node-2-1",
         "mount --make-rshared /var", "systemctl start -- vdsmd.service"]


class Programs:
    """Records argument lists; ``failing`` are the programs that fail, lvs shows ``layers``."""

    def __init__(self, failing: Container[str] = (), *, layers: Sequence[Layer] = ()) -> None:
        self.failing = failing
        self.layers = layers
        self.calls: List[str] = []

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
                 polled: object = None) -> str:
        self.calls.append(" ".join(map(str, argv)))
        if argv[0] in self.failing:
            raise CommandError(f"{argv[0]} ended with status 1", argv=[*map(str, argv)],
                               returncode=1)
        volumes = [{"vg_name": layer.group, "lv_name": layer.name, "lv_path": layer.path,
                    "lv_dm_path": layer.mapped, "lv_tags": "imgbased:layer"}
                   for layer in self.layers]
        return {"grubby": INFO, "lvs": json.dumps({"report": [{"lv": volumes}]})}.get(
            str(argv[0]), "")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mark of a complete upgrade."""
    path = tmp_path / "updated"
    path.touch()
    monkeypatch.setattr(hook, "UPDATED", path)
    return path


def test_each_step_is_undone_in_order(mark: Path) -> None:
    programs = Programs()
    error = hook.undone(BEFORE, NEW, NodePluginError("it failed", hint="Look."), programs)
    assert programs.calls == STEPS and not mark.exists()
    assert error.message == ("the upgrade of this Node failed: it failed\n"
                             "It is undone: node-1-1+1 boots next.")
    assert error.hint == "Look.\nTo upgrade again: dnf reinstall ovirt-node-ng-image-update"


def test_without_a_layer_only_services_and_mounts_are_restored(mark: Path) -> None:
    programs = Programs(layers=[OLD])
    error = hook.undone(BEFORE, None, NodePluginError("it failed"), programs)
    assert programs.calls[0].startswith("lvs ")
    assert programs.calls[1:] == STEPS[3:] and not mark.exists()
    assert "There is no new layer" in error.message


@pytest.mark.parametrize("programs, reason", [
    (Programs({"lvs"}), "lvs ended with status 1"),
    (Programs(layers=[OLD, NEW, OTHER]), "the layers node-2-1+1, node-3-1+1 are new")])
def test_of_unknown_layers_none_is_removed_or_boots_next(mark: Path, programs: Programs,
                                                         reason: str) -> None:
    error = hook.undone(BEFORE, None, NodePluginError("it failed"), programs)
    assert programs.calls[1:] == [*STEPS[:2], *STEPS[3:]] and not mark.exists()
    assert "There is no new layer" not in error.message
    assert ("It is not undone completely. Run:\n  imgbase layout, and imgbase base --remove IMAGE"
            f" for each image that is new: {reason}") in error.message


@pytest.mark.parametrize("program, step", [
    ("grubby", "grubby --set-default-index=INDEX"), ("imgbase", "imgbase base --remove node-2-1"),
    ("mount", "mount --make-rshared /var"), ("systemctl", "systemctl start vdsmd.service")])
def test_a_step_that_fails_is_named_and_the_others_are_done(mark: Path, program: str,
                                                            step: str) -> None:
    programs = Programs({program})
    error = hook.undone(BEFORE, NEW, NodePluginError("it failed"), programs)
    assert "It is not undone completely. Run:\n  " + step in error.message
    assert f"{program} ended with status 1" in error.message
    assert {call.split()[0] for call in programs.calls} == {
        "grubby", "imgbase", "mount", "systemctl"} and not mark.exists()


@pytest.mark.parametrize("reason, text", [
    *((number, f"the command was ended by {number.name}") for number in (
        signal.SIGTERM, signal.SIGHUP, signal.SIGINT)),
    (ValueError("a bug"), "ValueError: a bug"),
    (NodePluginError("it is damaged"), "it is damaged")])
def test_whatever_ends_the_look_into_the_layer_undoes_the_upgrade(
        mark: Path, monkeypatch: pytest.MonkeyPatch, reason: Union[Exception, signal.Signals],
        text: str) -> None:
    def fail(*_: object) -> None:
        if isinstance(reason, Exception):
            raise reason
        os.kill(os.getpid(), reason)

    class Interrupting(Programs):
        """Ends this process again when the first step of undoing runs."""

        def __call__(self, argv: Sequence[StrPath], **options: object) -> str:
            os.kill(os.getpid(), signal.SIGTERM)
            return super().__call__(argv)

    programs = Interrupting()
    monkeypatch.setattr(hook, "before_update", lambda run: BEFORE)
    monkeypatch.setattr(hook, "new_layer", lambda before, run: NEW)
    monkeypatch.setattr(hook, "examine", fail)
    monkeypatch.setattr(image_update, "run", programs)
    with pytest.raises(RolledBack, match=f"the upgrade of this Node failed: {text}"):
        image_update.ImageUpdate(Config(), ()).finish()
    assert programs.calls == STEPS


@pytest.mark.parametrize("own, shipped, recorded, chosen", [
    ("1.0", "2.0", None, "1.0"), ("2.0", "1.0", None, "1.0"), ("1.1", "1.10", None, "1.10"),
    ("2.0", None, "1.0", "1.0"), (None, None, "1.0", "1.0"), ("1.1", "1.1~rc1", None, "1.1"),
    ("0.9", None, None, None), (None, None, None, None), ("0.9", None, "0.8", None)])
def test_the_bundle_of_a_plugin_is_that_of_its_version_or_the_newest(
        tmp_path: Path, own: Optional[str], shipped: Optional[str], recorded: Optional[str],
        chosen: Optional[str]) -> None:
    folders = []
    for name, version in (("own", own), ("shipped", shipped), ("recorded", recorded)):
        folders.append(tmp_path / name)
        if version is not None:
            repo = support.RpmRepo(tmp_path / f"{name}-repo", "cim")
            support.write_bundle(tmp_path / name / "cim", support.descriptor_xml(
                "cim", version, repos=["cim"]), repo=repo)
    lost = replace(CIM, source=str(tmp_path / "recorded/cim"))
    bundles, problems = restore.bundles_of([lost], Library(tuple(folders[:2])), run)
    if chosen is not None:
        assert (bundles["cim"].version, problems) == (chosen, {})
    else:
        assert (bundles, list(problems)) == ({}, ["cim"])
        assert "no bundle of version 1.0 or newer" in problems["cim"]


@pytest.mark.parametrize("checked, signer, owner, fingerprint, trusted", [
    (True, "b" * 16, "", "b" * 40, [f"--trust-key={'b' * 40}"]),
    (False, "b" * 16, "", "b" * 40, []), (True, "c" * 16, "", "b" * 40, []),
    (True, "b" * 16, "Acme", "b" * 40, []), (True, "b" * 16, "", "", [])])
def test_only_keys_that_had_checked_the_plugin_are_trusted(
        checked: bool, signer: str, owner: str, fingerprint: str, trusted: List[str]) -> None:
    package = InstalledPackage("cim-1-1.noarch", "", "requested", signer=signer, checked=checked)
    lost = replace(CIM, packages=(package,))
    signature = Signature("b" * 16, owner, ("cim-1-1.noarch",), True, fingerprint)
    assert restore._trusted([signature], [lost]) == trusted


def test_only_an_initramfs_that_was_built_again_is_copied(tmp_path: Path) -> None:
    """That of imgbased's own build has what this host needs."""
    boot, root = tmp_path / "boot", tmp_path / "root"
    for version in ("1", "2"):
        (root / "lib/modules" / version).mkdir(parents=True)
    for folder, text in ((root / "boot", "image"), (boot / NEW.name, "host")):
        folder.mkdir(parents=True)
        for version in ("1", "2"):
            (folder / f"initramfs-{version}.img").write_text(text)
    before = restore._initramfs(root)
    (root / "boot/initramfs-2.img").unlink()
    (root / "boot/initramfs-2.img").write_text("plugin")
    for path in (boot / NEW.name).iterdir():
        path.chmod(0o600)
    restore._copy_initramfs(NEW, root, before, boot)
    assert [(path.read_text(), stat.S_IMODE(path.stat().st_mode))
            for path in sorted((boot / NEW.name).iterdir())] == [("host", 0o600),
                                                                 ("plugin", 0o600)]


def test_kernel_arguments_without_a_boot_entry_are_refused(tmp_path: Path) -> None:
    record = replace(CIM, settings=(Applied(
        "kernel-argument", "iommu", "iommu=pt", "absent", ()),))
    store.save(tmp_path, record, UndoData("cim", b"<d/>", AppliedState()),
               Inventory("cim", (Operation("install", CIM.installed_at, "t", "", "1.0"),), ()))
    with pytest.raises(Refused, match=f"boots {re.escape(NEW.name)}, and plugins need kernel"
                                      " arguments: iommu=pt"):
        restore._write_arguments(NEW, tmp_path, ["cim"], tmp_path / "boot")


def test_a_change_of_origin_is_told_beside_the_one_line(
        monkeypatch: pytest.MonkeyPatch, mark: Path) -> None:
    fates = (Fate("cim", "1.0", "1.0", SAME), Fate("snmp", "1.0", "2.0", NEWER, notes=("other",)))
    monkeypatch.setattr(hook, "before_update", lambda run: BEFORE)
    monkeypatch.setattr(hook, "new_layer", lambda before, run: NEW)
    monkeypatch.setattr(hook, "examine", lambda *_: hook.Outcome(NEW.name, fates))
    update = image_update.ImageUpdate(Config(), ())
    assert update.finish() == (f"The new layer {NEW.name} has every plugin of this Node, in the"
                               " same or a newer version.\n  snmp: other")
    assert update.complete and mark.exists()
