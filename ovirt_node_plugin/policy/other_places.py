"""Where files outside the allowed paths belong: by another path, by a setting, or by a rule."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Iterable, Tuple

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
    (("etc/sudoers",), "rules of sudo to /etc/sudoers.d"),
    (("etc/ld.so.conf",), "library folders to /etc/ld.so.conf.d"),
    (("etc/vdsm", "var/lib/vdsm"), "hooks of VDSM to <vdsm-hook>"),
    (("usr/local", "srv", "home", "root"), "programs to /opt/VENDOR or /usr/libexec/VENDOR, data to"
     " /var/lib/VENDOR"),
)
# First components in which the system itself has its files.
_SYSTEM = frozenset((*(path.partition("/")[0] for path in (*ALLOWED, *STATE)), *MERGED, "boot",
                     "media", "mnt", "lost+found"))
_PLAIN = re.compile(r"[A-Za-z0-9._+@-]+")
_MOST_NAMED = 5


def hint(paths: Iterable[str], rules: Path) -> str:
    """Return what helps with the absolute ``paths``; ``rules`` is the administrator's folder."""
    relative = [path.lstrip("/") for path in paths]
    places = [place for folders, place in _PLACES
              if any(is_inside_any(path, folders) for path in relative)]
    move = ("Ask the vendor to move them: " + "; ".join(places) + "." if places else
            "Ask the vendor to move them to /opt/VENDOR, /usr/libexec/VENDOR and /var/lib/VENDOR.")
    lines = sorted({f"allow /{home}" for home in map(_home, relative) if home})
    allow = (f" To allow the vendor's folders on this machine, write into {rules}/site.conf: "
             + "; ".join(first_lines(lines, _MOST_NAMED)) + ", each on its own line." if lines else
             f" To allow those paths on this machine, write rules into {rules}.")
    return f"{move}{allow} See ALLOWED PATHS in dnf-node-plugin(8)."


def _home(path: str) -> str:
    """Return the folder of its own in which a vendor has the file ``path``, empty if it has none.

    It is one in the top folder, or beside the system's folders of /usr and in /srv.
    """
    parts = path.split("/")
    if parts[0] not in _SYSTEM and parts[0] not in ("", ".", ".."):
        own = parts[:1]
    elif len(parts) > 1 and (parts[0] == "srv" or parts[0] == "usr" and parts[1] != "local"
                             and not is_inside_any("/".join(parts[:2]), ALLOWED)):
        own = parts[:2]
    else:
        return ""
    return "/".join(own) if all(map(_PLAIN.fullmatch, own)) and ".." not in own else ""
