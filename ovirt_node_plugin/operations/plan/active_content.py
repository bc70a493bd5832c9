"""What the content of files that programs read by themselves does: commands, names, rights."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence, Tuple

from ...system.globs import below_pattern
from ..model.results import ACCESS, BUS_NAME, COMMAND, DROP_IN, LIBRARY, PROTECTED

Reader = Callable[[str], List[str]]

_LINE = re.compile(r"[\n\r\0]")
_UDEV = re.compile(r"\b(?:RUN|PROGRAM|IMPORT)(?:\{(?:program|builtin)\})?\s*[-+:=!]?=\s*"
                   r"[ei]?\"[^\"]*\"")
_MODPROBE = re.compile(r"\s*(?:install|remove|softdep|alias)\s")
_OWNED = re.compile(r"\bown(?:_prefix)?\s*=\s*[\"']([^\"']*)[\"']")
_KERNEL_PROGRAM = re.compile(
    r"-?\s*kernel[./](?:core_pattern|modprobe|hotplug|poweroff_cmd|usermodehelper)\b")
_LOADING = re.compile(r"(?:export\s+)?(?:LD_|GCONV_PATH|PATH\b|PYTHON|PERL|BASH_ENV|ENV\b|OPENSSL_"
                      r"|GIO_|NODE_OPTIONS|JAVA_TOOL|QEMU_|LIBVIRT_|DBUS_|XDG_|http)", re.I)
_LOG_PROGRAM = re.compile(r"omprog|improg|mmexternal|module\s*\(|\$ModLoad|\^/|\bbinary\s*=", re.I)
_POLKIT_YES = re.compile(r"<(allow_(?:any|inactive|active))>\s*yes\s*<")
_POLKIT_PROGRAM = re.compile(r"policykit\.exec\.path[\"']>\s*([^<\s]+)")
_ACCOUNT_RIGHT = re.compile(
    r"m\s|[ug]!?\s+(?:root\s|\S+\s+[\"']?0+(?:[:\"'\s]|$)|\S+\s+\S+:(?:0|root)\b)")
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


def sysctl_programs(text: str) -> List[str]:
    """Return the lines of sysctl.d(5) that name a program which the kernel runs."""
    return [line for line in lines_of(text) if _KERNEL_PROGRAM.match(line)]


def loading_variables(text: str) -> List[str]:
    """Return the variables by which programs load or run other files."""
    return [line for line in lines_of(text) if _LOADING.match(line)]


def log_programs(text: str) -> List[str]:
    """Return the lines of rsyslog.conf(5) that start programs or load modules."""
    return [line for line in lines_of(text) if _LOG_PROGRAM.search(line)]


def key_values(*keys: str) -> Reader:
    """Return a reader of the lines that assign a value to one of ``keys``, as given or in []."""
    pattern = re.compile(rf"\s*-?(?:{'|'.join(keys)})\s*[-+:]?[=\s]\s*\S", re.I)
    return lambda text: [line for line in lines_of(text) if pattern.match(line)]


def mail_programs(text: str) -> List[str]:
    """Return the lines of aliases(5) that give mail to programs or write it to files."""
    return [line for line in lines_of(text) if re.search(r"[|/]|:include:", line)]


def polkit_rights(text: str) -> List[str]:
    """Return what the actions of polkit(8) in a file allow without a password, and run."""
    return [f"{word} yes" for word in dict.fromkeys(_POLKIT_YES.findall(text))] + [
        f"runs {program}" for program in dict.fromkeys(_POLKIT_PROGRAM.findall(text))]


def account_rights(text: str) -> List[str]:
    """Return the lines of sysusers.d(5) about the user or group 0, and about memberships."""
    return [line for line in lines_of(text) if _ACCOUNT_RIGHT.match(line)]


def rotate_scripts(text: str) -> List[str]:
    """Return the first line of each script in a logrotate file."""
    lines = lines_of(text)
    return [f"{line}: {after}" for line, after in zip(lines, lines[1:]) if _SCRIPT.match(line)]


_SYSCTL = ("etc/sysctl.d", "etc/sysctl.conf", "usr/lib/sysctl.d", "usr/local/lib/sysctl.d")
_ENVIRONMENT = ("etc/environment", "etc/environment.d", "usr/lib/environment.d")
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
    Listed(("etc/logrotate.d", "etc/logrotate.conf"), COMMAND, "run by logrotate",
           rotate_scripts, always=False),
    Listed(("usr/lib*/python*/site-packages/*.pth",), COMMAND, "read by each run of Python",
           lines_of),
    Listed(_SYSCTL, COMMAND, "run by the kernel", sysctl_programs, always=False),
    Listed(_ENVIRONMENT, LIBRARY, "set for each session", loading_variables, always=False),
    Listed(("etc/rsyslog.conf", "etc/rsyslog.d"), COMMAND, "run by rsyslogd", log_programs,
           always=False),
    Listed(("etc/mdadm", "etc/mdadm.conf"), COMMAND, "run by mdadm", key_values("PROGRAM"),
           always=False),
    Listed(("etc/audit", "etc/audisp"), COMMAND, "run by auditd", key_values("path"),
           always=False),
    Listed(("etc/kdump.conf",), COMMAND, "run by kdump", key_values("kdump_pre", "kdump_post"),
           always=False),
    Listed(("etc/tuned",), COMMAND, "run by tuned", key_values("script"), always=False),
    Listed(("etc/xinetd.d",), COMMAND, "run by xinetd", key_values("server", "user")),
    Listed(("etc/xdg/autostart",), COMMAND, "run in each desktop session", key_values("Exec")),
    Listed(("etc/aliases",), COMMAND, "run for mail", mail_programs, always=False),
    Listed(("etc/snmp",), COMMAND, "run by snmpd", key_values(
        "exec", "extend", "extend-sh", "pass", "pass_persist", "sh", "dlmod"), always=False),
    Listed(("etc/collectd.conf", "etc/collectd.d"), COMMAND, "run by collectd", key_values("Exec"),
           always=False),
    Listed(("etc/gitconfig",), COMMAND, "run by git", lines_of),
    Listed(("etc/exports", "etc/exports.d"), ACCESS, "shared by NFS", lines_of),
    Listed(("usr/share/polkit-1/actions",), ACCESS, "polkit", polkit_rights, always=False),
    Listed(("etc/sysusers.d", "usr/lib/sysusers.d", "usr/local/lib/sysusers.d"), ACCESS,
           "account", account_rights, always=False),
    Listed(("etc/krb5.conf", "etc/krb5.conf.d", "etc/sssd"), ACCESS, "decides who can log in"),
    Listed(("etc/fapolicyd", "etc/usbguard", "usr/share/fapolicyd"), ACCESS,
           "decides what may run or be connected"),
    Listed(("etc/pki/tls/certs", "etc/pki/tls/ct_log_list.cnf"), ACCESS,
           "trusted by programs with TLS"),
    Listed(("usr/share/crypto-policies",), ACCESS, "decides about encryption"),
    Listed(("etc/pki/tls/openssl.cnf", "etc/pki/tls/openssl.d", "etc/gss", "etc/sasl2",
           "usr/lib64/NetworkManager", "usr/lib*/libvirt", "usr/lib*/multipath"), LIBRARY,
           "loaded by other programs"),
    Listed(("root/.config/rpm", "root/.popt", "root/.rpmmacros", "root/.rpmrc"), COMMAND,
           "changes each run of rpm"),
    Listed(("etc/profile", "etc/zlogin", "etc/zlogout", "etc/zprofile", "root/.bash*", "etc/skel",
           "usr/share/bash-completion/completions"), COMMAND, "run by shells"),
    Listed(("usr/lib*/python*/site-packages/vdsm", "usr/share/vdsm"), COMMAND, "run by VDSM"),
    Listed(("usr/lib*/python*/site-packages/sos/report/plugins", "etc/sos"), COMMAND, "run by sos"),
    Listed(("etc/qemu-ga",), COMMAND, "run by the guest agent"),
    Listed(("etc/containers/oci/hooks.d", "usr/share/containers/oci/hooks.d"), COMMAND,
           "run with containers"),
    Listed(("etc/auto.*",), COMMAND, "run or mounted by autofs"),
    Listed(("etc/wdmd.d", "etc/watchdog.d"), COMMAND, "run by the watchdog"),
    Listed(("etc/abrt", "etc/libreport"), COMMAND, "run when a program fails"),
    Listed(("etc/gdbinit", "etc/gdbinit.d"), COMMAND, "run by gdb"),
    Listed(("etc/vimrc", "etc/vimrc.local", "usr/share/vim/vimfiles", "etc/tmux.conf",
           "etc/screenrc"), COMMAND, "run by programs in a terminal"),
    Listed(("etc/cloud", "var/lib/cloud/scripts"), COMMAND, "run by cloud-init at boot"),
    Listed(("etc/ansible",), COMMAND, "run by Ansible"),
    Listed(("var/lib/glusterd/hooks",), COMMAND, "run by glusterd"),
    Listed(("boot/grub2", "boot/loader"), PROTECTED, "changes how the system boots"),
    Listed((*_SYSCTL, *_ENVIRONMENT, "etc/modules-load.d", "usr/lib/modules-load.d",
           "usr/local/lib/modules-load.d", "etc/modprobe.d", "usr/lib/modprobe.d",
           "usr/local/lib/modprobe.d", "etc/systemd/*.conf.d", "usr/lib/systemd/*.conf.d"),
           DROP_IN, "", lines_of),
)
_ANY = below_pattern(*dict.fromkeys(glob for content in CONTENTS for glob in content.globs))
_PATTERNS = [(below_pattern(*content.globs), content) for content in CONTENTS]


def contents_at(place: str) -> Tuple[Listed, ...]:
    """Return how a file at ``place``, relative to a root, is read, the most dangerous first."""
    if place.startswith(("lib/", "lib64/")):
        place = f"usr/{place}"
    if not _ANY.match(place):
        return ()
    return tuple(content for pattern, content in _PATTERNS if pattern.match(place))
