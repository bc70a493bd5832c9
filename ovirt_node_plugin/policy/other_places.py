"""Where files outside the allowed paths belong: by another path, by a setting, or by a rule."""
from __future__ import annotations

import re
from pathlib import Path
from typing import FrozenSet, Iterable, List, Mapping, Sequence, Tuple

from ..system.path_sets import ALLOWED, MERGED, STATE
from ..system.paths import is_inside_any
from ..system.words import first_lines

# Paths, and what does the same as a file there.
_PLACES: Tuple[Tuple[Tuple[str, ...], str], ...] = (
    (("etc/systemd/system", "usr/lib/systemd/system"),
     "a unit to /usr/lib/systemd/system, enabled by <service>"),
    (("etc/firewalld", "usr/lib/firewalld"),
     "a service of firewalld to /usr/lib/firewalld/services, opened by <firewall-service>"),
    (("etc/nftables", "etc/sysconfig/iptables", "etc/sysconfig/ip6tables"),
     "an open port to <firewall-port>"),
    (("etc/selinux", "var/lib/selinux"), "a policy module to /usr/share/selinux/packages, with"
     " <selinux-module>"),
    (("etc/pki/ca-trust", "usr/share/pki"), "a certificate to /etc/pki/VENDOR or /usr/share/VENDOR,"
     " with <ca-certificate>"),
    (("etc/dracut.conf", "etc/dracut.conf.d", "usr/lib/dracut"),
     "the configuration of dracut to <initramfs-driver> or <dracut-module>"),
    (("etc/default/grub", "etc/default/grub.d", "etc/grub.d", "etc/kernel", "usr/lib/bootc"),
     "kernel arguments to <kernel-argument>"),
    (("etc/group", "etc/passwd", "etc/shadow", "etc/gshadow", "usr/lib/passwd", "usr/lib/group"),
     "accounts to <user> and <group>"),
    (("usr/lib/modules", "usr/lib/depmod.d", "etc/depmod.d"),
     "modules to /usr/lib/modules/KERNEL/extra, loaded by <kernel-module>"),
    (("etc/ssh", "etc/NetworkManager", "etc/vdsm/vdsm.conf.d", "etc/systemd/system.conf.d"),
     "configuration of such a program to files/ of the bundle, with <config-file>"),
    (("etc/hosts",), "names of hosts to <hosts-entry>"),
    (("etc/sudoers",), "rules of sudo to /etc/sudoers.d"),
    (("etc/ld.so.conf",), "library folders to /etc/ld.so.conf.d"),
    (("etc/vdsm", "var/lib/vdsm"), "hooks of VDSM to <vdsm-hook>"),
    (("usr/local", "srv", "home", "root"), "programs to /opt/VENDOR or /usr/libexec/VENDOR, data to"
     " /var/lib/VENDOR"),
)
# First components in which the system itself has its files.
_SYSTEM = frozenset((*(path.partition("/")[0] for path in (*ALLOWED, *STATE)), *MERGED, "boot",
                     "media", "mnt", "lost+found"))
# What the package filesystem, bootc and imgbased have in /var, and hier(7) in /usr/local.
_SYSTEM_OF: Mapping[str, FrozenSet[str]] = {
    "srv": frozenset(), "usr": frozenset(("local", "tmp")),
    "var": frozenset((
        "account", "adm", "crash", "db", "empty", "ftp", "games", "gopher", "home", "imgbased",
        "kerberos", "local", "lock", "mail", "nis", "preserve", "roothome", "run", "srv", "tmp",
        "yp")),
    "usr/local": frozenset(("bin", "etc", "games", "include", "lib", "lib64", "libexec", "man",
                            "sbin", "share", "src"))}
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]*")
_MOST_NAMED = 5


def hint(paths: Iterable[str], rules: Path) -> str:
    """Return what helps with the absolute ``paths``; ``rules`` is the administrator's folder."""
    relative = [path.lstrip("/") for path in paths]
    places = places_of(relative)
    move = ("Ask the vendor to move them: " + "; ".join(places) + "." if places else
            "Ask the vendor to move them to /opt/VENDOR, /usr/libexec/VENDOR and /var/lib/VENDOR.")
    lines = sorted({f"allow /{home}" for home in map(home_of, relative) if home})
    allow = f"To allow those paths on this machine, write rules into {rules}."
    if lines:
        allow = "\n  ".join(["To allow the vendor's folders on this machine, write into"
                             f" {rules}/site.conf:", *first_lines(lines, _MOST_NAMED)])
    return f"{move} See ALLOWED PATHS in dnf-node-plugin(8). {allow}"


def places_of(paths: Sequence[str]) -> List[str]:
    """Return where files belong, such as ``rules of sudo to /etc/sudoers.d``; paths as here."""
    return [place for folders, place in _PLACES
            if any(is_inside_any(path, folders) for path in paths)]


def home_of(path: str) -> str:
    """Return the folder of its own in which a vendor has the file ``path``, empty if it has none.

    It is one in the top folder or /srv, or beside the system's in /usr, /usr/local and /var.
    """
    parts = path.split("/")
    own = parts[:1]
    if parts[0] in _SYSTEM:
        above = 2 if parts[:2] == ["usr", "local"] else 1
        own = parts[:above + 1]
        of_system = _SYSTEM_OF.get("/".join(parts[:above]))
        if (of_system is None or len(own) <= above or own[-1] in of_system
                or is_inside_any("/".join(own), ALLOWED)):
            return ""
    return "/".join(own) if all(map(_PLAIN.fullmatch, own)) else ""
