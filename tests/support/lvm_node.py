"""A running node on LVM in QEMU, as imgbased lays it out, that dnf upgrades.

``lvm_init`` makes the volume group, the first base and the first layer. /usr of the running layer
is Debian's.
"""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Mapping

from ovirt_node_plugin.system.run import run

from . import qemu
from .adhoc import RpmRepo
from .cache import cached
from .dnf_runner import TOP
from .fixtures import Fixtures
from .full_node.debian import debian_tree
from .imgbased import NEW, OLD, UPDATE_ON_LVM
from .repositories import define_repo
from .rpms import HERE

MAPPED = f"/dev/mapper/onn-{OLD.replace('-', '--')}"
_OLD_IMAGE = OLD.partition("+")[0]
_MODULES = ("virtio_pci", "virtio_blk", "squashfs", "ext4", "overlay", "dm_mod", "dm_thin_pool",
            "dm_snapshot")
_DISK_BYTES = 600 << 20
_PLAIN = ("-quiet", "-noappend", "-noI", "-noD", "-noF", "-noX")  # decompression takes long there
_LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/perl",
             "usr/share/info", "usr/share/selinux", "usr/share/zoneinfo", "usr/lib/modules",
             "usr/lib/udev/hwdb.d", "usr/lib/file")
_FOLDERS = ("proc", "sys", "dev", "run", "tmp", "mnt", "payload", "usr", "root", "boot")
_LVM = """\
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
devices { obtain_device_list_from_udev = 0 external_device_info_source = "none" }
global { event_activation = 0 thin_check_executable = "" use_lvmpolld = 0 }
"""
_GRUBBY = f"""\
#!/bin/sh
echo "$@" >> /var/log/grubby
printf 'index=0\\nargs="img.bootid={NEW}"\\ntitle="{NEW}"\\n'
printf 'index=1\\nargs="img.bootid={OLD}"\\ntitle="{OLD}"\\n'
"""


def upgraded(built: Fixtures, old: Path, questions: Mapping[str, str],
             folder: Path) -> Mapping[str, qemu.ShellResult]:
    """Boot a node with the registry of the root ``old``; return what ``questions`` printed.

    They map names, run in sorted order, to shell. The repository ``update`` has the RPM of an
    image that is node 4.5.6, and the library has the plugin snmp. The folders
    ``/payload/restore`` and ``/payload/refuse`` have a node-plugin.conf with that value of
    ``upgrade``. ``folder`` is a new folder for disks.
    """
    payload = folder / "payload"
    for name in ("programs", "lvm", "plugins", "restore", "refuse", "code"):
        (payload / name).mkdir(parents=True)
    (payload / "names").write_text(f"OLD={OLD} OLD_IMAGE={_OLD_IMAGE} MAPPED={MAPPED}\n")
    (payload / "lvm/lvm.conf").write_text(_LVM)
    for name, text in (("imgbase", UPDATE_ON_LVM), ("grubby", _GRUBBY)):
        (payload / "programs" / name).write_text(text)
        (payload / "programs" / name).chmod(0o755)
    for upgrade in ("restore", "refuse"):
        (payload / upgrade / "node-plugin.conf").write_text(
            "[main]\nlibrary = /payload/plugins\ncore_lists = /payload/code/core.d\n"
            f"upgrade = {upgrade}\n")
    shutil.copytree(built.bundle("snmp"), payload / "plugins/snmp")
    for name in ("ovirt_node_plugin", "dnf-plugins", "etc/ovirt-node-plugin/core.d"):
        shutil.copytree(TOP / name, payload / "code" / name.rpartition("/")[2])
    run(["/usr/bin/python3", "-m", "compileall", "-q", payload / "code"])
    built.node_root(payload / "new", "4.5.6")
    _running_root(old, payload / "old")
    repo = RpmRepo(payload / "update", "update")
    repo.add("ovirt-node-ng-image-update", "4.5.6", scriptlets={
        "post": "set -e\n/payload/programs/imgbase update"})
    define_repo(payload / "old", "update", repo.url.replace(str(payload), "/payload"))
    run(["mksquashfs", payload, folder / "payload.img", *_PLAIN])
    with open(folder / "disk.img", "wb") as disk:
        disk.truncate(_DISK_BYTES)
    initramfs = qemu.pack_initramfs(HERE / "lvm_init", _MODULES, folder / "initramfs", questions)
    return qemu.answers(qemu.boot_disks(
        (folder / "disk.img", _system() / "system.img", folder / "payload.img"),
        qemu.kernel_file(), initramfs, "console=ttyS0 quiet panic=-1"))


def _running_root(old: Path, root: Path) -> None:
    """Make the root of the running layer: Debian's, with the identity and records of ``old``."""
    tree = debian_tree()
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copytree(tree / "etc", root / "etc", symlinks=True)
    for name in ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d"):
        shutil.copytree(old / name, root / name)
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").write_text((old / "etc/os-release").read_text())
    for name in ("var/tmp", "var/lib", "var/cache", "var/log", "etc/yum.repos.d"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copytree(old / "usr/share/rpm", root / "var/lib/rpm")


def _system() -> Path:
    """Return the folder with ``system.img``, a squashfs with Debian's /usr and /etc."""
    tree = debian_tree()

    def build(out: Path, final: Path) -> None:
        system = out / "system"
        for name in _FOLDERS:
            if name != "usr":
                (system / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (system / name).symlink_to(f"usr/{name}")
        # of several sources, mksquashfs makes a folder each
        run(["mksquashfs", *sorted(system.iterdir()), tree / "etc", tree / "usr",
             out / "system.img", *_PLAIN, "-e", *(tree / name for name in _LEFT_OUT)])
        shutil.rmtree(system)

    return cached(f"lvm-{tree.name}", build)
