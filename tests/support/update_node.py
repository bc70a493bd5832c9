"""A running node that is upgraded by an RPM, with stand-ins for LVM and imgbased.

Kernels here have no device-mapper, so a layer is a file with a filesystem.
"""
from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import List

from ovirt_node_plugin.system.run import run

from . import imgbased
from .adhoc import RpmRepo
from .dnf_runner import TOP, Answer, Dnf
from .imgbased import IMAGE, MARK, NEW, OLD
from .repositories import define_repo
from .running_system import RunningSystem

_PERSIST = TOP / "tests/support/foreign_plugins/imgbased-persist.py"
# In each, STATE is a folder of the test, in which the layer is there once "new" is.
_PROGRAMS = {
    "findmnt": """
case "$*" in
*PROPAGATION*) echo shared;;
*) echo /dev/mapper/onn-old;;
esac""",
    "mount": """
case "$*" in
*/var) echo "$@" >> STATE/mount;;
*) exec /usr/bin/mount "$@";;
esac""",
    "lvs": f"""
test ! -e STATE/signal || test ! -e STATE/new || kill -s "$(cat STATE/signal)" $PPID
volume() {{ printf '{{"vg_name":"onn","lv_name":"%s","lv_path":"%s","lv_dm_path":"%s",'\\
'"lv_tags":"%s"}}' "$1" "$2" "$3" "$4"; }}
printf '{{"report":[{{"lv":['
volume root /dev/onn/root /dev/mapper/onn-root imgbased:init
printf ,
volume {OLD} /dev/onn/old /dev/mapper/onn-old imgbased:layer
if test -e STATE/new; then
    printf ,; volume {IMAGE} /dev/onn/base /dev/mapper/onn-base imgbased:base
    printf ,; volume {NEW} STATE/layer.img /dev/mapper/onn-new imgbased:layer
fi
echo ']}}]}}'""",
    "systemctl": """
case $1 in
is-active) printf 'active\\nactive\\ninactive\\n'; exit 3;;
start) echo "$@" >> STATE/systemctl;;
*) exec /usr/bin/systemctl "$@";;
esac""",
    "grubby": f"""
echo "$@$(test ! -e /{MARK} || echo ' of a complete upgrade')" >> STATE/grubby
test "$1" = --info=ALL || exit 0
cat <<END
index=0
kernel="/boot/{NEW}/vmlinuz-1"
args="ro img.bootid={NEW}"
title="{IMAGE} (1)"
id="{NEW}-1"
index=1
kernel="/boot/{OLD}/vmlinuz-1"
args="ro rhgb img.bootid={OLD}"
title="ovirt-node-ng-4.5.5 (1)"
id="{OLD}-1"
END""",
    "imgbase": imgbased.UPDATE_TO_FILE,
}


@dataclass
class UpdateNode:
    """A booted node: ``running`` is its root, ``state`` the folder of the stand-ins."""

    running: RunningSystem
    state: Path

    @property
    def dnf(self) -> Dnf:
        """Runs dnf on the node."""
        return self.running.dnf

    @property
    def layer(self) -> Path:
        """The file with the filesystem of the new layer."""
        return self.state / "layer.img"

    def upgrade(self, *words: str) -> Answer:
        """Install the RPM of the image as an administrator does, with imgbased's dnf plugin."""
        return self.dnf(Path("/"), f"--setopt=pluginpath={TOP}/dnf-plugins,{self.state}/plugins",
                        *(words or ("install", "ovirt-node-ng-image-update")), "-y")

    def calls(self, program: str) -> List[str]:
        """Return the argument lists with which a stand-in was called."""
        log = self.state / program
        return log.read_text().splitlines() if log.exists() else []

    def marked(self) -> bool:
        """Return whether the upgrade counts as complete for the Engine."""
        return (self.running.changes / MARK).exists()


def update_node(space: Path, folder: Path, old: Path, new: Path) -> UpdateNode:
    """Return a booted node with the packages and plugins of the root ``old``.

    ``space`` is a folder on a filesystem for an overlay; ``folder`` is a new one; the root ``new``
    becomes the layer of the upgrade. The node has the folder that contains ``old``, with bundles.
    """
    state = folder / "state"
    (state / "plugins").mkdir(parents=True)
    shutil.copy(_PERSIST, state / "plugins")
    running = RunningSystem(space, Dnf(folder / "dnf"), shown=(old.parent,))
    running.take_identity(old, "usr/share/rpm")
    for name in ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d",
                 "usr/lib/ovirt.plugins.d", "usr/lib/ovirt.plugins-manifests.d"):
        if (old / name).is_dir():
            shutil.copytree(old / name, running.changes / name, dirs_exist_ok=True)
    (running.changes / "run/systemd/system").mkdir(parents=True)
    for name, text in _PROGRAMS.items():
        program = running.changes / "usr/local/sbin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n" + text.replace("STATE", str(state)).strip() + "\n")
        program.chmod(0o755)
    running.dnf.prefix = (*running.prefix, "env", f"TMPDIR={state}",
                          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
    repo = RpmRepo(folder / "update", "update")
    repo.add("ovirt-node-ng-image-update", "4.5.6", scriptlets={
        "post": "set -e\n/usr/local/sbin/imgbase --debug update --format liveimg FILE"})
    define_repo(running.changes, "update", repo.url)
    (state / "boot").mkdir()
    for path in (new / "boot").glob("initramfs-*.img"):
        shutil.copy(path, state / "boot")
    (state / "boot/vmlinuz").write_text("vmlinuz")
    make_layer(new, state / "layer.img")
    return UpdateNode(running, state)


def make_layer(root: Path, layer: Path) -> Path:
    """Make a filesystem with the tree ``root`` in the file ``layer`` and return it."""
    run(["mkfs.ext4", "-q", "-O", "^has_journal", "-d", root, layer, "64m"])
    return layer
