"""A Debian tree turned into one as EL's packages have it: accounts, units, policy, trust."""
from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Callable, Mapping, Tuple

from .debian import MERGED, DebianPackage
from .edited import EditedTree
from .names import DROPPED

# What only Debian's packaging, other init systems or readers of documentation need.
_GONE = """
    usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/lintian usr/share/bug
    usr/share/doc-base usr/share/debconf usr/share/apport usr/share/menu usr/share/calendar
    usr/share/pixmaps usr/share/zsh usr/share/fish usr/share/xml
    etc/apt etc/dpkg etc/kernel etc/initramfs-tools usr/share/initramfs-tools etc/init.d
    etc/rc0.d etc/rc1.d etc/rc2.d etc/rc3.d etc/rc4.d etc/rc5.d etc/rc6.d etc/rcS.d
    etc/sv etc/runit usr/share/runit etc/cron.daily/apt-compat etc/cron.daily/dpkg
    etc/apparmor.d etc/default/grub.d etc/environment.d etc/modules etc/xml etc/sgml
    etc/debian_version etc/os-release usr/lib/os-release etc/issue etc/issue.net
    etc/hostname etc/resolv.conf etc/mtab etc/.pwd.lock
    etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid-
    usr/sbin/update-passwd usr/sbin/update-ca-certificates usr/share/python3/runtime.d
    etc/ca-certificates etc/ca-certificates.conf etc/ssl usr/lib/ssl/certs
    var/lib/apt var/lib/dpkg var/lib/ucf var/lib/pam var/lib/shells.state var/lib/xml-core
    var/lib/sgml-base var/backups var/spool/mail var/mail var/local usr/local root/.rpmdb
    var/lib/systemd/deb-systemd-helper-enabled var/lib/systemd/deb-systemd-helper-masked
    var/lib/systemd/deb-systemd-user-helper-enabled vmlinuz vmlinuz.old initrd.img
    var/lib/selinux/default/semanage.read.LOCK var/lib/selinux/default/semanage.trans.LOCK
    """.split()
# Nothing of these is a package's, in an image.
_EMPTIED = ("dev", "proc", "run", "sys", "tmp", "var/cache", "var/log", "var/tmp",
            # what is enabled: presets say so, when the packages are installed
            "etc/systemd/system", "etc/systemd/user")
# Folders in which several packages, or plugins, put files.
_FOLDERS = """
    etc/sysconfig etc/modprobe.d etc/modules-load.d etc/sysctl.d etc/yum.repos.d etc/opt
    etc/pki etc/pki/rpm-gpg usr/lib/firmware usr/lib/modules-load.d usr/share/licenses
    usr/share/doc usr/share/man usr/share/man/man8 usr/share/locale usr/local usr/local/bin
    var/cache var/lib/selinux var/log
    """.split()
_VENDORS_ACCOUNTS = ("prometheus", "zabbix")
_KVM = 36  # as EL's package setup has it, and all of oVirt's storage
# What EL's 90-default.preset of systemd enables of what is here.
_ENABLED = ("chronyd.service", "crond.service", "dbus.service", "dbus.socket", "firewalld.service",
            "getty@.service", "iscsid.service", "lvm2-monitor.service", "multipathd.service",
            "sshd.service", "systemd-network-generator.service")
_UPDATE_HELPER = """#!/bin/sh
command -v systemctl >/dev/null || exit 0
action=$1; shift
case $action in
install-system-units) systemctl --no-reload preset "$@" ;;
remove-system-units) systemctl --no-reload disable --no-warn "$@" ;;
esac
"""
_CA_TRUST = "etc/pki/ca-trust"
_TRUST_SOURCES = "/etc/pki/ca-trust/source:/usr/share/pki/ca-trust-source"
_UPDATE_CA_TRUST = f"""#!/bin/sh
extract() {{ /usr/bin/trust extract --overwrite "$@"; }}
cd /{_CA_TRUST}/extracted || exit
extract --comment --format=openssl-bundle --filter=certificates openssl/ca-bundle.trust.crt
extract --comment --format=pem-bundle --filter=ca-anchors --purpose server-auth \\
    pem/tls-ca-bundle.pem
extract --comment --format=pem-bundle --filter=ca-anchors --purpose email \\
    pem/email-ca-bundle.pem
extract --format=java-cacerts --filter=ca-anchors --purpose server-auth java/cacerts
"""
# Debian's package has an init script only.
_MONIT = """[Unit]
Description=Pro-active monitoring utility for unix systems
After=network.target

[Service]
ExecStart=/usr/bin/monit -I
ExecReload=/usr/bin/monit reload
Restart=on-abnormal

[Install]
WantedBy=multi-user.target
"""
_MULTIPATH = """# VDSM REVISION 2.2
defaults {
    polling_interval 5
    no_path_retry 16
    user_friendly_names no
}
"""


def make_like_el(tree: EditedTree, packages: Mapping[str, DebianPackage]) -> None:
    """Change ``tree``, where ``packages`` are installed, and claim what is put there."""
    _certificates(tree)  # reads what is removed next
    _remove_debians(tree, packages)
    tree.folder("filesystem", *_FOLDERS)
    for step in _STEPS:
        step(tree)


def _remove_debians(tree: EditedTree, packages: Mapping[str, DebianPackage]) -> None:
    for name in sorted(DROPPED & set(packages)):
        for path in packages[name].paths:
            where = tree.root / path.lstrip("/")
            if path.lstrip("/") not in MERGED and (where.is_symlink() or where.is_file()):
                where.unlink()
    tree.remove(*_GONE, *_below(tree.root, "etc/ssh/ssh_host_*"), *_below(
        tree.root, "usr/lib/*/tc/q_atm.so"), "usr/lib/tc/q_atm.so")
    logs = [path.lstrip("/") for package in packages.values() if package.name not in DROPPED
            for path in package.paths if path.startswith("/var/log/")
            and (tree.root / path.lstrip("/")).is_dir()]
    owners = {path: os.lstat(tree.root / path) for path in sorted(logs)}
    for folder in _EMPTIED:
        tree.empty(folder)
    for path, info in owners.items():
        (tree.root / path).mkdir(mode=info.st_mode & 0o7777)
        os.chown(tree.root / path, info.st_uid, info.st_gid)


def _below(root: Path, pattern: str) -> Tuple[str, ...]:
    return tuple(str(path.relative_to(root)) for path in root.glob(pattern))


def _accounts(tree: EditedTree) -> None:
    """Move Debian's dynamic ids away from those that are fixed on EL, such as qemu's 107."""
    def moved(number: str) -> str:
        return str(int(number) + 700) if 100 <= int(number) < 200 else number

    def rows(name: str) -> Tuple[Tuple[str, ...], ...]:
        text = (tree.root / "etc" / name).read_text()
        return tuple(tuple(line.split(":")) for line in text.splitlines()
                     if line.split(":")[0] not in (*_VENDORS_ACCOUNTS, "_apt"))

    users = [(*row[:2], moved(row[2]), moved(row[3]), *row[4:]) for row in rows("passwd")]
    groups = [(*row[:2], str(_KVM) if row[0] == "kvm" else moved(row[2]), *row[3:])
              for row in rows("group")]
    for name, table, mode in (("passwd", users, 0o644), ("group", groups, 0o644),
                              ("shadow", rows("shadow"), 0), ("gshadow", rows("gshadow"), 0)):
        text = "".join(":".join(row) + "\n" for row in table)
        tree.write("setup", f"etc/{name}", text, mode)
        os.chown(tree.root / "etc" / name, 0, 0)


def _base(tree: EditedTree) -> None:
    tree.link("bash", "usr/bin/sh", "bash")
    tree.write("setup", "etc/fstab", "")
    tree.write("setup", "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    tree.claim("setup", "etc/profile", "etc/subuid", "etc/subgid", "etc/shells",
               "etc/environment", "etc/localtime", "etc/timezone", "etc/adjtime")
    tree.write("glibc", "etc/ld.so.conf.d/el.conf", "/usr/lib64\n")
    tree.claim("glibc", "etc/ld.so.cache", "etc/nsswitch.conf", "etc/ld.so.conf",
               "etc/ld.so.conf.d")
    tree.write("rpm", "usr/lib/rpm/macros.d/macros.el",
               "%_dbpath /var/lib/rpm\n%_db_backend sqlite\n")
    tree.write("device-mapper-multipath", "etc/multipath.conf", _MULTIPATH)
    tree.folder("device-mapper-multipath", "etc/multipath", "etc/multipath/conf.d")


def _kernel(tree: EditedTree) -> None:
    """Have the kernel's files in its folder of modules, with links in /boot."""
    (modules,) = (tree.root / "usr/lib/modules").iterdir()
    for name in ("config", "System.map", "vmlinuz"):
        shutil.copy2(tree.root / f"boot/{name}-{modules.name}", modules / name)
        tree.claim("kernel-core", f"usr/lib/modules/{modules.name}/{name}")
        tree.link("kernel-core", f"boot/{name}-{modules.name}",
                  f"../lib/modules/{modules.name}/{name}")


def _policy(tree: EditedTree) -> None:
    """Have Debian's SELinux policy under the name of EL's."""
    for folder in ("etc/selinux", "var/lib/selinux", "usr/share/selinux"):
        os.rename(tree.root / folder / "default", tree.root / folder / "targeted")
    tree.write("selinux-policy-targeted", "etc/selinux/config",
               "SELINUX=enforcing\nSELINUXTYPE=targeted\n")


def _certificates(tree: EditedTree) -> None:
    files = sorted((tree.root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    # p11-kit takes certificates that are not in a folder of this name for distrusted
    tree.write("ca-certificates", "usr/share/pki/ca-trust-source/anchors/ca-bundle.pem",
               "".join(file.read_text() for file in files))
    tree.remove("usr/share/ca-certificates")


def _trust(tree: EditedTree) -> None:
    tree.claim("ca-certificates", "usr/share/pki", "etc/pki/tls", "etc/ssl")
    tree.folder("ca-certificates", _CA_TRUST, *(f"{_CA_TRUST}/{name}" for name in (
        "source/anchors", "source/blocklist", "extracted/pem", "extracted/openssl",
        "extracted/java", "extracted/edk2")))
    tree.write("ca-certificates", "usr/bin/update-ca-trust", _UPDATE_CA_TRUST, 0o755)
    tree.write("p11-kit-trust", "usr/share/p11-kit/modules/p11-kit-trust.module",
               "module: p11-kit-trust.so\npriority: 1\ntrust-policy: yes\n"
               f"x-init-reserved: paths='{_TRUST_SOURCES}'\n")
    bundle = f"/{_CA_TRUST}/extracted/pem/tls-ca-bundle.pem"
    for path, target in (("etc/pki/tls/certs/ca-bundle.crt", bundle),
                         ("etc/pki/tls/cert.pem", bundle),
                         ("etc/pki/tls/certs/ca-certificates.crt", "ca-bundle.crt"),
                         ("etc/ssl/certs", "../pki/tls/certs"),
                         ("usr/lib/ssl/certs", "/etc/pki/tls/certs")):
        tree.link("ca-certificates", path, target)


def _units(tree: EditedTree) -> None:
    presets = "usr/lib/systemd/system-preset"
    tree.write("systemd", f"{presets}/90-default.preset",
               "".join(f"enable {unit}\n" for unit in _ENABLED))
    tree.write("systemd", f"{presets}/99-default-disable.preset", "disable *\n")
    tree.write("systemd", f"{presets}/80-el.preset",
               "disable systemd-networkd*\ndisable systemd-resolved.service\n")
    tree.write("systemd", "usr/lib/systemd/systemd-update-helper", _UPDATE_HELPER, 0o755)
    tree.write("systemd", "etc/machine-id", "")
    for package, old, new in (("openssh-server", "ssh", "sshd"), ("chrony", "chrony", "chronyd"),
                              ("cronie", "cron", "crond")):
        where = tree.root / f"usr/lib/systemd/system/{old}.service"
        text = re.sub(r"^Alias=.*\n", "", where.read_text(), flags=re.MULTILINE)
        if new == "sshd":  # on EL, a unit of its own makes the keys at the first boot
            text = text.replace("ExecStartPre=", "ExecStartPre=/usr/bin/ssh-keygen -A\n"
                                "ExecStartPre=", 1)
        where.unlink()
        tree.write(package, f"usr/lib/systemd/system/{new}.service", text)


def _initramfs(tree: EditedTree) -> None:
    """Configure dracut for speed: by itself it takes gzip -9, four times the rest's time."""
    tree.write("dracut", "usr/lib/dracut/dracut.conf.d/01-dist.conf",
               'compress="zstd -3 -q -T0"\nhostonly="no"\n')


def _vendors(tree: EditedTree) -> None:
    tree.write("monit", "usr/lib/systemd/system/monit.service", _MONIT)
    # The user comes with a setting of the plugin, after the packages.
    for folder in ("var/lib/prometheus", "var/log/prometheus"):
        os.chown(tree.root / folder, 0, 0)


def _python(tree: EditedTree) -> None:
    folders = [f"usr/{lib}/python3.11/site-packages" for lib in ("lib", "lib64")]
    tree.folder("python3-libs", "usr/lib64/python3.11", *folders)
    tree.write("python3-libs", "usr/lib/python3/dist-packages/el.pth",
               "".join(f"/{folder}\n" for folder in folders))
    tree.link("python3", "usr/libexec/platform-python", "../bin/python3")


_STEPS: Tuple[Callable[[EditedTree], None], ...] = (
    _accounts, _base, _kernel, _policy, _trust, _units, _initramfs, _vendors,
    _python)
