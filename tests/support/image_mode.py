"""A root in image mode (bootc), and commands in it as a container build runs them."""
from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from ovirt_node_plugin.system.run import run

from .cache import cache_root
from .dnf_runner import TOP, Dnf, at_home

DATABASE = "usr/share/rpm"
OTHER_DATABASE = "usr/lib/sysimage/rpm"
KARGS = "usr/lib/bootc/kargs.d"
INITRAMFS = "initramfs of the base image\n"
# Links of a base image into the only tree that stays: the tree file's "opt-usrlocal: var",
# and rpm-ostree's usual links.
LINKS = {"opt": "var/opt", "home": "var/home", "root": "var/roothome", "srv": "var/srv"}
# Trees of the root that show nothing of this machine.
_OWN = ("etc", "var", "boot", "home", "mnt", "usr/lib/modules", "usr/lib/systemd/system",
        "usr/lib/bootc", "usr/lib/ostree", "usr/lib/sysctl.d", "usr/lib/sysusers.d",
        "usr/lib/tmpfiles.d", "usr/share/rpm", "usr/libexec", "usr/share/dbus-1")
# Programs of this machine instead of stand-ins of the root, which are no links to busybox.
_PROGRAMS = ("dnf-3", "python3", "rpm")
# The capabilities of a RUN line: containers/common, pkg/config/default.go.
_RIGHTS = ("chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service", "setfcap",
           "setgid", "setpcap", "setuid", "sys_chroot")
# The upper layer is the root itself, so what a command changes is there afterwards. /run is
# that of a container: in memory, without systemd.
_ENTER = """
top=$1 root=$2 work=$3 shown=$4 programs=$5 rights=$6
shift 6
if [ -n "$work" ]; then
    mount -t overlay overlay "$top" -o "lowerdir=/,upperdir=$root,workdir=$work"
else
    mount --bind "$root" "$top"
fi
mount -t tmpfs -o mode=755 tmpfs "$top/run"
touch "$top/run/.containerenv"
for folder in /proc /sys /dev; do mount --rbind "$folder" "$top$folder"; done
mount -t tmpfs -o mode=1777 tmpfs "$top/tmp"
for folder in $shown; do
    mkdir -p "$top$folder"
    mount --bind "$folder" "$top$folder"
done
for name in $programs; do
    [ ! -e "$root/usr/bin/$name" ] || mount --bind "/usr/bin/$name" "$top/usr/bin/$name"
done
exec setpriv --bounding-set "-all,$rights" chroot "$top" "$@"
"""


def make_image_mode(root: Path, *, database: str = DATABASE) -> Path:
    """Change a node's or host's root into one of image mode, and return it.

    ``database`` is the real place of the rpm database, DATABASE or OTHER_DATABASE; the other
    is a link to it. The kernel has its initramfs beside it, and /boot is empty.
    """
    _move_database(root, database)
    (root / KARGS).mkdir(parents=True)
    (root / "usr/lib/ostree").mkdir()
    (root / "usr/lib/ostree/prepare-root.conf").write_text("[composefs]\nenabled = yes\n")
    (kernel,) = (root / "usr/lib/modules").iterdir()
    (kernel / "initramfs.img").write_text(INITRAMFS)
    shutil.rmtree(root / "boot")
    (root / "boot").mkdir()
    for name, target in LINKS.items():
        run(["mv", "--no-target-directory", root / name, root / target])
        (root / name).symlink_to(target)
    (root / "sysroot").mkdir()
    (root / "ostree").symlink_to("sysroot/ostree")
    return root


def container_build(root: Path, dnf: Dnf, *, complete: bool = False) -> Dnf:
    """Return a dnf that runs as in a ``RUN`` line of a Containerfile whose base is ``root``.

    Its root is ``/``: call it with ``Path("/")``. It is in a chroot without systemd, with the
    kernel of this machine and the capabilities of a build. Its programs and libraries are this
    machine's, or, if the root is ``complete``, its own.
    """
    space = root.with_name(f"{root.name}-build")
    for folder in (space / "top", space / "work"):
        folder.mkdir(parents=True)
    for name in _OWN:
        if (root / name).is_dir() and not complete:
            os.setxattr(root / name, "trusted.overlay.opaque", b"y")
    shown = f"{TOP} {cache_root()} {dnf.folder.parent}"
    prefix = ("unshare", "--mount", "--propagation", "slave", "sh", "-euc", _ENTER, "sh",
              str(space / "top"), str(root), "" if complete else str(space / "work"), shown,
              "" if complete else " ".join(_PROGRAMS),
              ",".join(f"+{name}" for name in _RIGHTS))
    return replace(dnf, prefix=(*prefix, *at_home(dnf.folder / "home")))


def _move_database(root: Path, database: str) -> None:
    present = next(path for path in (DATABASE, "var/lib/rpm") if (root / path / "rpmdb.sqlite"
                                                                  ).exists())
    if present != database:
        (root / database).parent.mkdir(parents=True, exist_ok=True)
        run(["mv", root / present, root / database])
    for name in (DATABASE, OTHER_DATABASE, "var/lib/rpm"):
        if name != database:
            (root / name).unlink(missing_ok=True)
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(os.path.relpath(root / database, (root / name).parent))
