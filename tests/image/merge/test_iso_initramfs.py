"""The initramfs on a live ISO, rebuilt by the root's real dracut if plugins need it."""
from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ContextManager, Iterator, List, Tuple

import pytest

from ovirt_node_plugin.images.digests import Digests
from ovirt_node_plugin.images.dnf_program import Dnf as MergeDnf
from ovirt_node_plugin.images.image import ISO, Image, Layout
from ovirt_node_plugin.images.iso import boot
from ovirt_node_plugin.images.iso.iso import IsoChanges, copy_span, read_iso, write_iso
from ovirt_node_plugin.images.mounts import overlaid
from ovirt_node_plugin.merge import forecast
from ovirt_node_plugin.merge.input.named_checksums import CheckedImage
from ovirt_node_plugin.merge.iso import iso_initramfs
from ovirt_node_plugin.merge.iso.file_changes import FileChanges
from ovirt_node_plugin.merge.iso.iso_boot import IsoBoot
from ovirt_node_plugin.merge.model import Merge, Order, Rehearsal
from ovirt_node_plugin.operations.model.answers import PlanAnswer
from ovirt_node_plugin.settings.boot.initramfs_images import KEPT, parse
from ovirt_node_plugin.system import json_answer
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run
from tests.root.settings.boot.test_initramfs import (
    CONFIGURATION,
    IMAGE,
    build_initramfs,
    run_in_root,
    write_kernel_module,
)
from tests.support.adhoc import RpmRepo, descriptor_xml, quick_rpm, write_bundle
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf
from tests.support.full_host import full_host_root
from tests.support.settings_root import KERNEL

pytestmark = [pytest.mark.root]

INITRD = "/isolinux/initrd0.img"
LIVE = "root=live:CDLABEL=node rd.live.image quiet"
UPDATED = f"The initramfs {INITRD}, with which the ISO boots, is also updated."
INSTALLER = "inst.stage2=hd:LABEL=node quiet"


@dataclass(frozen=True)
class ImageSetup:
    """The root of an image, an overlay to change it, and a plugin with a driver."""

    root: Path
    work: Path
    bundle: Path
    dnf: Dnf

    def image(self, arguments: str, initrd: bytes, kernel: bytes, *,
              name: str = "initrd0.img") -> Image:
        """Return the open image of an ISO that boots ``kernel`` with ``initrd``.

        ``name`` is that of the initramfs in the boot configuration.
        """
        tree = self.work / f"iso-{len(os.listdir(self.work))}/isolinux"
        tree.mkdir(parents=True)
        (tree / "initrd0.img").write_bytes(initrd)
        (tree / "vmlinuz0").write_bytes(kernel)
        (tree / "isolinux.cfg").write_text(
            f"label node\n  kernel vmlinuz0\n  append initrd={name} {arguments}\n")
        iso = tree.parent.with_suffix(".iso")
        run(["xorriso", "-outdev", iso, "-volid", "node", "-map", tree.parent, "/", "-commit"])
        return self.open_iso(iso)

    def open_iso(self, iso: Path) -> Image:
        """Return an open image of that ISO with this root."""
        return Image(Layout(iso, ISO, read_iso(iso, run=run)), self.root, self.root)

    def plan_notes(self, image: Image) -> Tuple[str, ...]:
        """Return the notes of the plan to merge the plugin into ``image``."""
        with overlay(self, f"planned-{len(os.listdir(self.work))}") as root:
            plan = json_answer.read(PlanAnswer, self.dnf.plugin(
                root, "install", "--dry-run", "--json", self.bundle).json)
            assert isinstance(plan, PlanAnswer)
        order = Order(image.layout.path, (str(self.bundle),))
        merge = Merge(order=order, image=image, checked=CheckedImage(Digests(order.image)),
                      work=self.work, dnf=MergeDnf((), run), run=run)
        return forecast.notes(merge, Rehearsal((plan,)))

    def initramfs_changes(self, image: Image, root: Path) -> FileChanges:
        """Return the change of the initramfs for the plugins in ``root``."""
        work = self.work / f"changes-{len(os.listdir(self.work))}"
        work.mkdir()
        iso = image.layout.iso
        assert iso is not None
        configurations = boot.boot_configurations(image.layout.path, iso, work, run=run)
        return iso_initramfs.initramfs_changes(image, root, IsoBoot(image, configurations), work,
                                               run=run, progress=Silent())


@pytest.fixture
def setup(tmp_path: Path, dnf: Dnf) -> Iterator[ImageSetup]:
    with full_host_root(tmp_path / "system") as root:
        for name in ("core", "other"):
            write_kernel_module(root, name)
        for name in ("order", "builtin", "builtin.modinfo"):
            (root / f"lib/modules/{KERNEL}/modules.{name}").write_text("")
        run(["depmod", "-b", root, KERNEL])
        (root / "boot" / f"vmlinuz-{KERNEL}").write_bytes(b"kernel")
        (root / "etc/dracut.conf.d").mkdir(exist_ok=True)
        configuration = root / "etc/dracut.conf.d/image.conf"
        configuration.write_text(CONFIGURATION.replace("core other", "core"))
        core = quick_rpm("core", "1.0", files={"/usr/share/core": "core"})
        run(["rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nosignature", "--noplugins",
             "-i", core])
        build_initramfs(root)
        repo = RpmRepo(tmp_path / "isv.repo", "isv")
        repo.add("isv", "1.0", files={"/opt/isv": ""})
        bundle = write_bundle(tmp_path / "isv", descriptor_xml("isv", repos=["isv"], settings=[
            '<initramfs-driver name="other"/>']), repo=repo)
        work = tmp_path / "work"
        work.mkdir()
        yield ImageSetup(root, work, bundle, dnf)


def overlay(setup: ImageSetup, name: str) -> ContextManager[Path]:
    folder = setup.work / name
    (folder / "at").mkdir(parents=True)
    return overlaid(setup.root, folder, folder / "at", run=run)


def drivers(path: Path, root: Path, tmp_path: Path) -> List[str]:
    shutil.copyfile(path, tmp_path / "listed.img")
    return sorted(parse(run_in_root(root, tmp_path, "lsinitrd", "/tmp/listed.img")).drivers)


def install(setup: ImageSetup, root: Path) -> None:
    answer = setup.dnf.plugin(root, "install", "-y", UNSIGNED, setup.bundle)
    assert answer.status == 0, answer.text


def test_an_initramfs_that_the_root_also_has_is_copied_from_it(setup: ImageSetup) -> None:
    image = setup.image(LIVE, (setup.root / IMAGE).read_bytes(), b"kernel")
    assert setup.plan_notes(image) == (UPDATED,)
    with overlay(setup, "changed") as root:
        assert setup.initramfs_changes(image, root) == FileChanges()
        install(setup, root)
        changes = setup.initramfs_changes(image, root)
        assert changes.files[INITRD].read_bytes() == (root / IMAGE).read_bytes()
        assert changes.files[INITRD].read_bytes() != (setup.root / IMAGE).read_bytes()
        assert list(changes.files) == [INITRD] and not changes.removed and not changes.notes


def test_an_initramfs_of_the_iso_is_rebuilt_and_restored(setup: ImageSetup, tmp_path: Path) -> None:
    own = (setup.root / IMAGE).read_bytes() + b"\0" * 512
    image = setup.image(LIVE, own, b"kernel")
    assert setup.plan_notes(image) == (UPDATED,)
    with overlay(setup, "changed") as root:
        install(setup, root)
        changes = setup.initramfs_changes(image, root)
        assert sorted(changes.files) == [INITRD, INITRD + KEPT]
        assert drivers(changes.files[INITRD], root, tmp_path) == ["core", "other"]
        assert changes.files[INITRD + KEPT].read_bytes() == own
        assert image.layout.iso is not None
        merged = setup.work / "merged.iso"
        write_iso(image.layout.path, image.layout.iso, merged, IsoChanges(changes.files), run=run)
        after = Image(setup.open_iso(merged).layout, root, root)
        with overlay(setup, "restored") as bare:
            restored = setup.initramfs_changes(after, bare)
            assert list(restored.files) == [INITRD] and restored.removed == (INITRD + KEPT,)
            assert restored.files[INITRD].read_bytes() == own


def test_two_builds_with_source_date_epoch_are_the_same(
        setup: ImageSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    image = setup.image(LIVE, (setup.root / IMAGE).read_bytes() + b"\0" * 512, b"kernel")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with overlay(setup, "changed") as root:
        install(setup, root)
        first, second = (setup.initramfs_changes(image, root).files[INITRD] for _ in range(2))
    assert first != second and first.read_bytes() == second.read_bytes()


def test_an_initramfs_that_is_not_updated_has_a_note_in_the_plan_and_the_result(
        setup: ImageSetup) -> None:
    with overlay(setup, "changed") as root:
        install(setup, root)
        for image, reason in (
                (setup.image(INSTALLER, b"anaconda", b"kernel"), "the installer's own initramfs"),
                (setup.image(LIVE, b"other", b"another kernel"), "not in the image's root"),
                (setup.image(LIVE, b"other", b"kernel", name="none.img"), "names an initramfs")):
            changes = setup.initramfs_changes(image, root)
            assert not changes.files
            (note,) = changes.notes
            assert reason in note
            assert setup.plan_notes(image) == changes.notes


def test_the_copy_on_the_iso_equals_the_file(setup: ImageSetup, tmp_path: Path) -> None:
    image = setup.image(LIVE, b"content of it", b"kernel")
    assert image.layout.iso is not None
    (file,) = [file for file in image.layout.iso.files if file.path == INITRD]
    copy_span(image.layout.path, file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content of it"
