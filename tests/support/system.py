"""A whole Debian 12 system with systemd, dnf and the tools of settings, to change and to boot."""
from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Iterator

from ovirt_node_plugin.run import run

_TOP = Path(__file__).resolve().parent.parent.parent
_SUITE = "bookworm"
_PACKAGES = (
    # what boots
    "systemd", "systemd-sysv", "libpam-systemd", "dbus", "udev", "kmod", "procps", "iproute2",
    "mount", "util-linux", "busybox-static",
    # what installs plugins
    "dnf", "python3-dnf", "python3-rpm", "rpm", "python3-lxml", "python3-gpg", "gpg", "gpg-agent",
    "zstd", "xz-utils", "cpio", "tar",
    # what settings call
    "firewalld", "nftables", "iptables", "polkitd", "policycoreutils",
    "policycoreutils-python-utils", "selinux-utils", "semodule-utils", "selinux-policy-default",
    "checkpolicy", "dracut-core", "ca-certificates", "openssl", "p11-kit", "p11-kit-modules",
    "logrotate")


@functools.lru_cache(maxsize=None)
def system_tree() -> Path:
    """Return the tree, made on the first call on this machine; nobody may write to it.

    Making it takes two minutes, root, and a Debian mirror (tools/chroot says which).
    """
    return Path(run([_TOP / "tools" / "chroot", "system", _SUITE, *_PACKAGES]).strip())


@contextlib.contextmanager
def system_root(work: Path) -> Iterator[Path]:
    """Yield an overlay of the system, mounted below ``work``; unmounted at the end.

    Its rpm database is an empty one in ``/var/lib/rpm``, as on EL, in place of
    Debian's in root's home. ``work`` must not be on an overlay. Raises CommandError
    if something still uses the tree at the end, which is then still mounted.
    """
    root, upper, inner = (work / name for name in ("root", "upper", "overlay"))
    for folder in (root, upper, inner):
        folder.mkdir(parents=True)
    # with redirect_dir, folders of the lower tree can be renamed as anywhere else
    options = f"lowerdir={system_tree()},upperdir={upper},workdir={inner},redirect_dir=on"
    run(["mount", "-t", "overlay", "-o", options, "overlay", root])
    try:
        (root / "etc/rpm").mkdir(exist_ok=True)
        (root / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n", encoding="utf-8")
        run(["chroot", root, "rpmdb", "--initdb"])
        yield root
    finally:
        run(["umount", root])
