"""The Debian system that the full Node is made of, and what dpkg knows of it."""
from __future__ import annotations

import contextlib
import functools
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from ovirt_node_plugin.system.run import run

from ..rpms import HERE

_SUITE = "bookworm"
_PACKAGES = (
    # what boots
    "systemd", "systemd-sysv", "libpam-systemd", "dbus", "udev", "kmod", "procps", "iproute2",
    "mount", "util-linux", "busybox-static", "linux-image-cloud-amd64", "dracut-core",
    # what installs plugins
    "dnf", "python3-dnf", "python3-rpm", "rpm", "python3-lxml", "python3-gpg", "gpg", "gpg-agent",
    "zstd", "xz-utils", "cpio", "tar",
    # what settings call
    "firewalld", "nftables", "iptables", "polkitd", "policycoreutils",
    "policycoreutils-python-utils", "selinux-utils", "semodule-utils", "selinux-policy-default",
    "checkpolicy", "ca-certificates", "openssl", "p11-kit", "p11-kit-modules", "logrotate",
    "multipath-tools",
    # what else a Node has
    "chrony", "openssh-server", "sudo", "iputils-ping", "lvm2", "rsync", "xorriso", "dosfstools",
    "systemd-container", "pciutils",
    # what vendors bring: packages of their own, which the Node does not have
    "monit", "prometheus-node-exporter", "zabbix-agent")
# Folders that a merged system has below /usr; dpkg lists files by their names at the top.
MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True)
class DebianPackage:
    """One package: ``paths`` are absolute, all that dpkg lists, below /usr where it is merged.

    ``needs`` are the names of its dependencies, the first of each choice; ``programs`` the
    paths in /bin and /sbin by which others may require them.
    """

    name: str
    version: str
    arch: str
    needs: Tuple[str, ...]
    paths: Tuple[str, ...]
    programs: Tuple[str, ...]


@functools.lru_cache(maxsize=None)
def debian_tree() -> Path:
    """Return the tree, made on the first call on this machine; nobody may write to it.

    Making it takes two minutes, root, and a Debian mirror (tools/chroot says which). The
    initramfs is not Debian's: INITRD is for the hooks of Debian's kernel package.
    """
    return Path(run(["env", "INITRD=No", HERE.parent.parent / "tools" / "chroot", "node", _SUITE,
                     *_PACKAGES]).strip())


@contextlib.contextmanager
def writable(tree: Path, work: Path) -> Iterator[Path]:
    """Yield an overlay of ``tree``, mounted below ``work``; unmounted at the end.

    ``work`` must not be on an overlay. Raises CommandError if something still uses the
    overlay at the end, which is then still mounted.
    """
    root, upper, inner = (work / name for name in ("root", "upper", "overlay"))
    for folder in (root, upper, inner):
        folder.mkdir(parents=True)
    shutil.copystat(tree, upper)  # labels, too: the top of an overlay is that of its upper tree
    # with redirect_dir, folders of the lower tree can be renamed as anywhere else
    options = f"lowerdir={tree},upperdir={upper},workdir={inner},redirect_dir=on"
    run(["mount", "-t", "overlay", "-o", options, "overlay", root])
    try:
        yield root
    finally:
        run(["umount", root])


def read_packages(tree: Path) -> Dict[str, DebianPackage]:
    """Return the installed packages by name."""
    text = run(["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show", "--showformat",
                "${Package}|${Version}|${Architecture}|${Pre-Depends}, ${Depends}\\n"])
    found: Dict[str, DebianPackage] = {}
    for line in text.splitlines():
        name, version, arch, needs = line.split("|", 3)
        listed = _listed(tree, name, arch)
        found[name] = DebianPackage(
            name, version, arch, tuple(_first_choices(needs)),
            tuple(dict.fromkeys(merged(path) for path in listed)),
            tuple(path for path in listed if path.startswith(("/bin/", "/sbin/"))))
    return found


def merged(path: str) -> str:
    """Return the absolute ``path`` as it is called where /bin, /sbin and /lib* are links."""
    first, _, rest = path.lstrip("/").partition("/")
    return f"/usr/{first}/{rest}" if first in MERGED and rest else path


def _listed(tree: Path, name: str, arch: str) -> List[str]:
    info = tree / "var/lib/dpkg/info"
    path = info / f"{name}.list"
    text = (path if path.exists() else info / f"{name}:{arch}.list").read_text()
    return [line for line in text.splitlines() if line and line != "/."]


def _first_choices(text: str) -> Iterator[str]:
    """Yield the first name of each dependency of dpkg's field, without version and arch."""
    for clause in text.split(","):
        name = re.match(r"\s*([a-z0-9][a-z0-9+.-]*)", clause)
        if name:
            yield name.group(1)
