"""What the content of files that programs read by themselves does: commands, names, rights."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence

from ...system.globs import below_pattern
from ..model.results import ACCESS, BUS_NAME, COMMAND, DROP_IN, LIBRARY

Reader = Callable[[str], List[str]]

_LINE = re.compile(r"[\n\r\0]")
_UDEV = re.compile(r"\b(?:RUN|PROGRAM|IMPORT)(?:\{(?:program|builtin)\})?\s*[-+:=!]?=\s*"
                   r"[ei]?\"[^\"]*\"")
_MODPROBE = re.compile(r"\s*(?:install|remove|softdep)\s")
_OWNED = re.compile(r"\bown(?:_prefix)?\s*=\s*[\"']([^\"']*)[\"']")
_SCRIPT = re.compile(r"\s*(?:prerotate|postrotate|firstaction|lastaction|preremove)\b")


@dataclass(frozen=True)
class Listed:
    """How the files below ``globs`` are read: ``kind`` of Notable, and ``text`` for people.

    ``reader`` returns what of the content takes effect, if that decides. Files of which it
    returns nothing are ordinary drop-ins, unless the file alone matters (``always``).
    """

    globs: Sequence[str]
    kind: str
    text: str = ""
    reader: Optional[Reader] = None
    always: bool = True


def lines_of(text: str) -> List[str]:
    """Return the lines that are neither empty nor comments, each without blanks around it."""
    stripped = map(str.strip, _LINE.split(text))
    return [line for line in stripped if line and line[0] not in "#;"]


def sudo_lines(text: str) -> List[str]:
    """Return the rules of sudoers(5), and what it includes by ``#include``."""
    return [line for line in map(str.strip, _LINE.split(text))
            if line and (line[0] != "#" or re.match(r"#include|#\d", line))]


def udev_programs(text: str) -> List[str]:
    """Return the assignments of udev(7) that start programs."""
    return [match.group() for line in lines_of(text) for match in _UDEV.finditer(line)
            if not match.group().startswith("IMPORT=")]


def modprobe_commands(text: str) -> List[str]:
    """Return the lines of modprobe.d(5) that run commands, or load other modules."""
    return [line for line in lines_of(text.replace("\\\n", " ")) if _MODPROBE.match(line)]


def bus_service(text: str) -> List[str]:
    """Return the name that a D-Bus service file activates, its program and its user."""
    values = dict(line.split("=", 1) for line in lines_of(text) if "=" in line)
    fields = {name.strip(): value.strip() for name, value in values.items()}
    name = fields.get("Name", "")
    program = fields.get("SystemdService") or fields.get("Exec", "")
    return [f"{name} starts {program} as {fields.get('User') or 'the user of the bus'}"
            ] if name else []


def bus_policy(text: str) -> List[str]:
    """Return the names on the bus that a policy of dbus-daemon(1) lets programs own."""
    return [f"name {name}" for name in dict.fromkeys(_OWNED.findall(text))]


def python_imports(text: str) -> List[str]:
    """Return the lines of a .pth file that Python runs, and the folders that it adds."""
    return lines_of(text)


def rotate_scripts(text: str) -> List[str]:
    """Return the first line of each script in a logrotate file."""
    lines = lines_of(text)
    return [f"{line}: {after}" for line, after in zip(lines, lines[1:]) if _SCRIPT.match(line)]


CONTENTS = (
    Listed(("etc/ld.so.preload",), LIBRARY, "loaded into every program", lines_of),
    Listed(("usr/lib*/security", "usr/lib*/libnss_*", "usr/lib*/gio/modules", "usr/lib*/sasl2",
             "usr/lib*/gconv", "usr/lib*/krb5/plugins", "usr/lib*/glibc-hwcaps",
             "usr/share/p11-kit/modules", "etc/pkcs11"), LIBRARY, "loaded by other programs"),
    Listed(("etc/sudoers.d", "etc/sudoers"), ACCESS, "sudo", sudo_lines),
    Listed(("etc/polkit-1", "usr/share/polkit-1/rules.d"), ACCESS, "polkit"),
    Listed(("etc/pam.d", "usr/lib/pam.d", "usr/share/pam.d", "etc/security"), ACCESS, "PAM",
            lines_of),
    Listed(("etc/ssh", "root/.ssh"), ACCESS, "ssh", lines_of),
    Listed(("usr/share/dbus-1/system-services", "usr/share/dbus-1/services",
             "usr/local/share/dbus-1/system-services"), BUS_NAME, "", bus_service),
    Listed(("etc/dbus-1", "usr/share/dbus-1/system.d", "usr/share/dbus-1/session.d",
             "usr/local/share/dbus-1/system.d"), BUS_NAME, "policy of the bus", bus_policy),
    Listed(("etc/cron.d", "etc/crontab", "etc/anacrontab", "var/spool/cron"), COMMAND, "cron",
            lines_of),
    Listed(("etc/cron.*", "var/spool/at"), COMMAND, "run by cron"),
    Listed(("etc/profile.d", "etc/bashrc", "etc/zsh*", "etc/csh.*", "etc/fish",
             "etc/bash_completion.d", "root/.bash*", "root/.profile"),
            COMMAND, "run by each shell that starts"),
    Listed(("usr/lib/systemd/system-sleep", "usr/lib/systemd/system-shutdown"), COMMAND,
            "run when the system sleeps or ends"),
    Listed(("etc/systemd/*-generators", "usr/lib/systemd/*-generators"), COMMAND,
            "run at each start of systemd"),
    Listed(("etc/NetworkManager/dispatcher.d", "usr/lib/NetworkManager/dispatcher.d", "etc/dhcp",
             "etc/ppp"), COMMAND, "run when a network changes"),
    Listed(("etc/libvirt/hooks",), COMMAND, "run by libvirt"),
    Listed(("usr/libexec/vdsm/hooks",), COMMAND, "run by VDSM"),
    Listed(("usr/lib/dracut/modules.d", "etc/dracut.conf.d", "usr/lib/dracut/dracut.conf.d"),
            COMMAND, "run by dracut, and part of the initramfs"),
    Listed(("etc/kernel/*.d", "usr/lib/kernel/*.d", "etc/grub.d"), COMMAND,
            "run when the boot is set up"),
    Listed(("etc/kdump", "usr/lib/kdump"), COMMAND, "run by kdump"),
    Listed(("etc/greenboot", "usr/lib/greenboot", "etc/init.d", "etc/rc*.d", "etc/rc.d",
             "etc/rc.local"), COMMAND, "run at boot"),
    Listed(("etc/acpi", "etc/smartmontools"), COMMAND, "run at an event of the hardware"),
    Listed(("etc/binfmt.d", "usr/lib/binfmt.d", "usr/local/lib/binfmt.d"), COMMAND,
            "interpreter of programs", lines_of),
    Listed(("etc/udev/rules.d", "usr/lib/udev/rules.d", "usr/local/lib/udev/rules.d"), COMMAND,
            "run by udev", udev_programs, always=False),
    Listed(("etc/modprobe.d", "usr/lib/modprobe.d", "usr/local/lib/modprobe.d"), COMMAND,
            "run by modprobe", modprobe_commands, always=False),
    Listed(("etc/logrotate.d",), COMMAND, "run by logrotate", rotate_scripts, always=False),
    Listed(("usr/lib*/python*/site-packages/*.pth",), COMMAND, "read by each run of Python",
            python_imports),
    Listed(("etc/sysctl.d", "etc/sysctl.conf", "usr/lib/sysctl.d", "usr/local/lib/sysctl.d",
             "etc/environment", "etc/environment.d", "usr/lib/environment.d",
             "etc/modules-load.d", "usr/lib/modules-load.d"), DROP_IN, "", lines_of),
)
_PATTERNS = [(below_pattern(*content.globs), content) for content in CONTENTS]


def content_at(place: str) -> Optional[Listed]:
    """Return how a file at ``place``, relative to a root, is read, None if it is not listed."""
    if place.startswith(("lib/", "lib64/")):
        place = f"usr/{place}"
    return next((content for pattern, content in _PATTERNS if pattern.match(place)), None)
