"""The paths of a root that programs read by themselves, each with the source of that fact.

This is the only such list. Its users are the rules for the files of packages
(policy/path_rules.py), the items that a plan lists for review, the check for changed files,
the check of what scriptlets did, and the journal of a change.

Paths are relative to the root. ``*`` matches characters within one component; a path stands
for everything below it too. A source is a manual page, or a file of the program's source.
"""
from __future__ import annotations

from typing import Iterator, Mapping, Tuple

from .path_sets import (
    CONFIGURATION,
    DNF_STATE,
    IMAGE_MARK,
    REGISTRIES,
    RPM_DATABASES,
    TOOL_STATE,
    VDSM_HOOKS,
)

Sources = Mapping[str, Tuple[str, ...]]
"""Paths by the source that says who reads them."""

# Configuration that neither packages nor scriptlets of a plugin may change, in any root. A
# plugin's repositories are in its bundle instead, where they stay disabled.
CONFIGURING: Sources = {
    "dnf.conf(5), reposdir, varsdir, pluginconfpath; libdnf, conf/Const.hpp": (
        "etc/distro.repos.d", "etc/dnf", "etc/yum", "etc/yum.conf", "etc/yum.repos.d"),
    "dnf5.conf(5), reposdir, varsdir; libdnf5, conf/const.hpp": (
        "usr/share/dnf5/libdnf.conf.d", "usr/share/dnf5/repos.d", "usr/share/dnf5/vars.d"),
    "dnf-node-plugin(8), FILES": (CONFIGURATION,),
}
# Other paths in which no package of a plugin may have files, in any root.
RESERVED: Sources = {
    **CONFIGURING,
    "ovirt.plugins.d(5)": (*REGISTRIES, TOOL_STATE, IMAGE_MARK),
    "rpm(8), FILES; target.py": RPM_DATABASES,
    "dnf, logging.py, which opens them before it loads plugins": (
        "var/log/dnf.librepo.log", "var/log/dnf.log", "var/log/dnf.rpm.log",
        "var/log/hawkey.log"),
}

_SETTINGS = ("only the descriptor's settings change what services, timers, the firewall, SELinux"
             " and certificate authorities do")
_ACCOUNTS = "only the descriptor's settings create accounts"
_BOOT = "it changes how the system boots; the descriptor has settings for that"
_NETWORK = "VDSM sets up the network"
_DNF = "it changes dnf or rpm themselves"
_EVERY_RUN = "it changes every run of other programs"
_ACCESS = "access is decided by the administrator"

# Denied, by reason; listed for review where the administrator allows them.
DENIED: Mapping[str, Sources] = {
    _SETTINGS: {
        "systemd.unit(5), UNIT FILE LOAD PATH; portablectl(1)": (
            "etc/systemd/*.attached", "etc/systemd/*.control", "etc/systemd/*.transient",
            "etc/systemd/system", "usr/lib/systemd/*.attached", "usr/lib/systemd/*.control",
            "usr/lib/systemd/system/*.requires", "usr/lib/systemd/system/*.upholds",
            "usr/lib/systemd/system/*.wants"),
        "systemd.preset(5)": ("etc/systemd/*-preset", "usr/lib/systemd/*-preset"),
        "podman-systemd.unit(5)": ("etc/containers/systemd", "usr/share/containers/systemd"),
        "firewalld(1), DIRECTORIES; firewalld.policies(5)": (
            "etc/firewalld", "usr/lib/firewalld/policies", "usr/lib/firewalld/zones"),
        "nftables.service, iptables.service": (
            "etc/nftables", "etc/sysconfig/ip6tables", "etc/sysconfig/iptables",
            "etc/sysconfig/nftables.conf"),
        "selinux_config(5)": ("etc/selinux", "etc/sysconfig/selinux"),
        "update-ca-trust(8)": ("etc/pki/ca-trust", "etc/pki/tls/cert.pem",
                               "usr/share/pki/ca-trust-legacy", "usr/share/pki/ca-trust-source"),
        "cron(8); at(1), FILES": ("var/spool/at", "var/spool/cron"),
    },
    _ACCOUNTS: {
        "passwd(5), group(5), shadow(5), gshadow(5), subuid(5), subgid(5)": (
            "etc/group", "etc/gshadow", "etc/passwd", "etc/shadow", "etc/subgid", "etc/subuid"),
        "nss-systemd(8)": ("etc/userdb", "usr/lib/userdb"),
        "nss-altfiles, README.md; ostree, \"Handling /lib/passwd\"": (
            "usr/lib/group", "usr/lib/gshadow", "usr/lib/passwd", "usr/lib/shadow"),
        "useradd(8), FILES": ("etc/default/useradd", "etc/login.defs"),
        "systemd.exec(5), ImportCredential; systemd.system-credentials(7)": (
            "etc/credstore", "etc/credstore.encrypted", "usr/lib/credstore",
            "usr/lib/credstore.encrypted"),
    },
    _BOOT: {
        "crypttab(5), fstab(5), integritytab(5), veritytab(5)": (
            "etc/crypttab", "etc/fstab", "etc/integritytab", "etc/veritytab"),
        "grub2-mkconfig(8); grub, util/grub-mkconfig.in": (
            "etc/default/grub", "etc/default/grub.d", "etc/grub.d", "etc/grub2-efi.cfg",
            "etc/grub2.cfg", "etc/sysconfig/grub"),
        "dracut.conf(5), FILES": ("etc/dracut.conf", "etc/dracut.conf.d",
                                  "usr/lib/dracut/dracut.conf.d"),
        "kernel-install(8), FILES": ("etc/kernel", "etc/sysconfig/kernel", "usr/lib/kernel"),
        "systemd.generator(7), systemd.environment-generator(7)": (
            "etc/systemd/*-generators", "usr/lib/systemd/*-generators"),
        "systemd-system.conf(5)": (
            "etc/systemd/system.conf", "etc/systemd/system.conf.d", "etc/systemd/user.conf",
            "etc/systemd/user.conf.d"),
        "systemd-sysext(8), systemd-confext(8)": (
            "etc/extensions", "usr/lib/confexts", "usr/lib/extensions", "var/lib/confexts",
            "var/lib/extensions"),
        "repart.d(5), sysupdate.d(5)": (
            "etc/repart.d", "etc/sysupdate.d", "usr/lib/repart.d", "usr/lib/sysupdate.d"),
        "bootc(8): kargs.d, install, bound-images.d": ("etc/bootc", "usr/lib/bootc"),
        "ostree(1), ostree-prepare-root(1)": (
            "etc/ostree", "usr/lib/ostree", "usr/lib/ostree-boot"),
        "bootupd, src/model.rs": ("usr/lib/bootupd",),
        "imgbased, imgbased/config.py and plugins/": (
            "etc/imgbased.conf", "usr/lib*/python*/*-packages/imgbased*"),
    },
    _NETWORK: {
        "NetworkManager(8), nm-settings-keyfile(5), nm-settings-ifcfg-rh(5)": (
            "etc/NetworkManager/system-connections", "etc/sysconfig/network",
            "etc/sysconfig/network-scripts", "usr/lib/NetworkManager/system-connections"),
        "nmstate.service(8)": ("etc/nmstate",),
        "systemd.network(5)": ("etc/systemd/network",),
        "resolv.conf(5)": ("etc/resolv.conf",),
    },
    _DNF: {
        "rpm(8), FILES: macros, rpmrc, plugins": (
            "etc/rpm", "etc/rpmrc", "usr/lib*/rpm", "usr/lib*/rpm-plugins"),
        "popt(3): aliases of rpm's options": (
            "etc/popt", "etc/popt.d", "usr/lib*/popt.d", "usr/share/popt.d"),
        "dnf.conf(5), pluginpath; libdnf, plugin/plugin.cpp": (
            "usr/lib*/libdnf*", "usr/lib*/yum-plugins", "usr/share/dnf*",
            "usr/share/yum-plugins"),
        "site(3) of Python: modules that dnf imports": tuple(
            f"usr/lib*/python*/{folder}{name}*" for folder in ("", "*-packages/", "lib-dynload/")
            for name in ("dnf", "hawkey", "libdnf", "rpm")),
    },
    "it belongs to this tool": {
        "site(3) of Python: this library": (
            "usr/lib*/python*/*-packages/ovirt_node_plugin*",
            "usr/lib*/python*/lib-dynload/ovirt_node_plugin*",
            "usr/lib*/python*/ovirt_node_plugin*"),
        "dnf-node-plugin(8), FILES": ("usr/share/ovirt-node-plugin",),
    },
    _EVERY_RUN: {
        "ld.so(8), ldconfig(8)": ("etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.preload"),
        "python(1), site(3) of Python; CPython, Modules/getpath.py": (
            "usr/bin/pyvenv.cfg", "usr/lib*/python*.zip", "usr/lib*/python*/encodings*",
            "usr/libexec/pyvenv.cfg", "usr/sbin/pyvenv.cfg", *(
                f"usr/lib*/python*/{folder}{name}*" for folder in ("", "*-packages/",
                                                                   "lib-dynload/")
                for name in ("sitecustomize", "usercustomize"))),
        "update-alternatives(8), FILES": (
            "etc/alternatives", "etc/alternatives.admindir", "var/lib/alternatives"),
        "nsswitch.conf(5), host.conf(5), hosts(5)": (
            "etc/host.conf", "etc/hosts", "etc/nsswitch.conf"),
        "crypto-policies(7)": ("etc/crypto-policies",),
    },
    _ACCESS: {
        "sshd(8), FILES": ("etc/ssh",),
        "sudo(8), sudoers(5), FILES": ("etc/sudo.conf", "etc/sudoers"),
        "pam.conf(5), authselect(8)": ("etc/authselect", "etc/pam.conf"),
        "at.allow(5)": ("etc/at.allow", "etc/at.deny"),
        "libvirtd(8), vdsm: lib/vdsm/tool": ("etc/pki/libvirt", "etc/pki/vdsm"),
    },
}
# Denied, by reason, but not by itself active; listed for review as protected places, except those
# of kernel modules.
DENIED_STATE: Mapping[str, Sources] = {
    "only plugins with kernel modules have files there": {
        "depmod(8), depmod.d(5)": ("etc/depmod.d", "usr/lib/depmod.d", "usr/lib/modules"),
    },
    "it says what the system is": {
        "hostname(5), machine-id(5), os-release(5), locale.conf(5), localtime(5)": (
            "etc/hostname", "etc/locale.conf", "etc/localtime", "etc/machine-id",
            "etc/os-release", "usr/lib/os-release", "usr/lib/os.release.d"),
    },
    "it is another program's own state": {
        "vdsm, lib/vdsm/constants.py.in": ("etc/vdsm", "var/lib/vdsm"),
        "imgbased, imgbased/plugins/osupdater.py": ("usr/share/factory", "usr/share/imgbase"),
        "rpm(8), FILES": ("usr/lib/sysimage", "usr/share/rpm", "var/lib/rpm"),
        "dnf.conf(5), persistdir": (DNF_STATE,),
        "systemd-random-seed(8) and others": ("var/lib/systemd",),
        "iscsid(8), FILES": ("var/lib/iscsi",),
        "semanage.conf(5)": ("var/lib/selinux",),
    },
}
# Allowed, as ordinary packages have files there, or outside the allowed paths; listed for
# review.
REVIEWED: Sources = {
    "systemd.unit(5): drop-ins, units of users": (
        "etc/systemd/user", "etc/xdg/systemd", "usr/lib/systemd/system/*.d",
        "usr/lib/systemd/user", "usr/local/lib/systemd"),
    "systemd-system.conf(5) and others": (
        "etc/systemd/*.conf", "etc/systemd/*.conf.d", "usr/lib/systemd/*.conf",
        "usr/lib/systemd/*.conf.d"),
    "systemd-suspend.service(8), systemd-poweroff.service(8)": (
        "usr/lib/systemd/system-shutdown", "usr/lib/systemd/system-sleep"),
    "systemd.network(5), systemd.nspawn(5), systemd.dnssd(5)": (
        "etc/systemd/dnssd", "etc/systemd/nspawn", "usr/lib/systemd/dnssd",
        "usr/lib/systemd/network"),
    "portablectl(1)": ("etc/portables", "usr/lib/portables", "var/lib/portables"),
    "binfmt.d(5)": ("etc/binfmt.d", "usr/lib/binfmt.d", "usr/local/lib/binfmt.d"),
    "environment.d(5), pam_env(8)": (
        "etc/environment", "etc/environment.d", "usr/lib/environment.d"),
    "modprobe.d(5)": ("etc/modprobe.d", "usr/lib/modprobe.d", "usr/local/lib/modprobe.d"),
    "modules-load.d(5)": (
        "etc/modules-load.d", "usr/lib/modules-load.d", "usr/local/lib/modules-load.d"),
    "sysctl.d(5)": ("etc/sysctl.conf", "etc/sysctl.d", "usr/lib/sysctl.d",
                    "usr/local/lib/sysctl.d"),
    "sysusers.d(5)": ("etc/sysusers.d", "usr/lib/sysusers.d", "usr/local/lib/sysusers.d"),
    "tmpfiles.d(5)": ("etc/tmpfiles.d", "usr/lib/tmpfiles.d", "usr/local/lib/tmpfiles.d",
                      "usr/share/user-tmpfiles.d"),
    "udev(7)": ("etc/udev", "usr/lib/udev", "usr/local/lib/udev"),
    "dracut.modules(7)": ("usr/lib/dracut/modules.d",),
    "init(8) of sysvinit: scripts": ("etc/init.d", "etc/rc*.d", "etc/rc.d", "etc/rc.local"),
    "grub2-mkconfig(8), Boot Loader Specification": ("boot/grub2", "boot/loader"),
    "kdump.conf(5)": ("etc/kdump", "etc/kdump.conf", "etc/sysconfig/kdump", "usr/lib/kdump"),
    "greenboot(8)": ("etc/greenboot", "usr/lib/greenboot"),
    "cron(8), crontab(5), anacrontab(5)": ("etc/anacrontab", "etc/cron.*", "etc/crontab"),
    "logrotate(8), logrotate.conf(5)": ("etc/logrotate.conf", "etc/logrotate.d"),
    "rsyslog.conf(5)": ("etc/rsyslog.conf", "etc/rsyslog.d"),
    "augenrules(8), auditd-plugins(5)": ("etc/audisp", "etc/audit"),
    "dbus-daemon(1)": (
        "etc/dbus-1", "usr/local/share/dbus-1", "usr/share/dbus-1"),
    "polkit(8)": ("etc/polkit-1", "usr/share/polkit-1"),
    "pam(8), pam.d(5); Linux-PAM, libpam/pam_private.h": (
        "etc/pam.d", "etc/security", "usr/lib*/security", "usr/lib/pam.d", "usr/share/pam.d"),
    "sudoers(5), Including other files": ("etc/sudoers.d",),
    "nsswitch.conf(5): libraries by name": ("usr/lib*/libnss_*",),
    "krb5.conf(5), sssd.conf(5)": (
        "etc/krb5.conf", "etc/krb5.conf.d", "etc/sssd", "usr/lib*/krb5/plugins"),
    "gssproxy.conf(5); MIT krb5, gssapi/mechglue/g_initialize.c": ("etc/gss", "etc/gssproxy"),
    "cyrus-sasl, lib/dlopen.c": ("etc/sasl2", "usr/lib*/sasl2"),
    "pkcs11.conf(5)": ("etc/pkcs11", "usr/share/p11-kit/modules"),
    "openssl-config(5ssl), openssl-rehash(1ssl)": (
        "etc/pki/tls/certs", "etc/pki/tls/ct_log_list.cnf", "etc/pki/tls/openssl.cnf",
        "etc/pki/tls/openssl.d"),
    "update-crypto-policies(8)": ("usr/share/crypto-policies",),
    "rpmkeys(8), subscription-manager(8)": (
        "etc/pki/consumer", "etc/pki/entitlement", "etc/pki/product",
        "etc/pki/product-default", "etc/pki/rpm-gpg", "etc/rhsm"),
    "rpm(8): macros of the superuser": ("root/.config/rpm", "root/.popt", "root/.rpmmacros",
                                        "root/.rpmrc"),
    "sshd(8), AUTHORIZED_KEYS; bash(1), FILES": (
        "root/.bash_login", "root/.bash_logout", "root/.bash_profile", "root/.bashrc",
        "root/.profile", "root/.ssh"),
    "bash(1), csh(1), zsh(1), fish(1): files read at start": (
        "etc/bashrc", "etc/csh.*", "etc/fish", "etc/inputrc", "etc/profile", "etc/profile.d",
        "etc/zlogin", "etc/zlogout", "etc/zprofile", "etc/zsh*"),
    "bash-completion, README.md": ("etc/bash_completion.d",
                                   "usr/share/bash-completion/completions"),
    "useradd(8), FILES": ("etc/skel",),
    "XDG Autostart Specification": ("etc/xdg/autostart",),
    "ld.so(8), ldconfig(8)": ("etc/ld.so.conf.d", "usr/lib*/glibc-hwcaps"),
    "iconv(3); glibc, iconv/gconv_conf.c": ("usr/lib*/gconv/gconv-modules*",),
    "gio(1): modules": ("usr/lib*/gio/modules",),
    "site(3) of Python": (
        "usr/lib*/python*/site-packages/*.pth", "usr/local/lib*/python*/site-packages"),
    "vdsm, lib/vdsm; vdsm-hooks README": (
        "etc/vdsm", "usr/lib*/python*/site-packages/vdsm", VDSM_HOOKS, "usr/share/vdsm"),
    "NetworkManager(8), NetworkManager.conf(5)": (
        "etc/NetworkManager", "usr/lib*/NetworkManager"),
    "dhclient-script(8), pppd(8)": ("etc/dhcp", "etc/ppp"),
    "chrony.conf(5)": ("etc/chrony.conf", "etc/chrony.d"),
    "libvirtd(8), https://libvirt.org/hooks.html": ("etc/libvirt", "usr/lib*/libvirt"),
    "qemu(1), qemu-ga(8)": ("etc/qemu", "etc/qemu-ga", "etc/qemu-kvm"),
    "containers.conf(5), oci-hooks(5), CNI specification": (
        "etc/cni", "etc/containers", "usr/share/containers/oci/hooks.d"),
    "multipath.conf(5)": ("etc/multipath", "etc/multipath.conf", "usr/lib*/multipath"),
    "lvm.conf(5), lvmlocal.conf(5)": ("etc/lvm",),
    "iscsid(8), nvme-connect-all(1)": ("etc/iscsi", "etc/nvme"),
    "mdadm.conf(5), udisks2.conf(5)": ("etc/mdadm", "etc/mdadm.conf", "etc/udisks2"),
    "exports(5), auto.master(5), targetctl(8)": (
        "etc/auto.*", "etc/exports", "etc/exports.d", "etc/target"),
    "sanlock(8), wdmd(8)": ("etc/sanlock", "etc/wdmd.d"),
    "cockpit(1), cockpit.conf(5)": (
        "etc/cockpit", "root/.local/share/cockpit", "usr/local/share/cockpit",
        "usr/share/cockpit"),
    "anaconda, docs/configuration-files.rst": ("etc/anaconda", "usr/share/anaconda"),
    "tuned(8), tuned-main.conf(5)": ("etc/tuned", "usr/lib/tuned/recommend.d"),
    "smartd.conf(5), acpid(8)": ("etc/acpi", "etc/smartmontools"),
    "report_event.conf(5), abrt.conf(5)": ("etc/abrt", "etc/libreport"),
    "aliases(5)": ("etc/aliases",),
    "gdb(1)": ("etc/gdbinit", "etc/gdbinit.d"),
    "xinetd.conf(5)": ("etc/xinetd.d",),
    "sos(1): what a report runs and collects": (
        "etc/sos", "usr/lib*/python*/site-packages/sos/report/plugins"),
    "snmpd.conf(5), collectd.conf(5)": (
        "etc/collectd.conf", "etc/collectd.d", "etc/snmp"),
    "watchdog(8), test-directory": ("etc/watchdog.d",),
    "cloud-init, reference/base_config_reference.html": ("etc/cloud", "var/lib/cloud/scripts"),
    "ansible.cfg, facts.d: ansible.builtin.setup": ("etc/ansible",),
    "glusterd(8), extras/hook-scripts": ("var/lib/glusterd/hooks",),
    "fapolicyd(8), usbguard-daemon(8)": (
        "etc/fapolicyd", "etc/usbguard", "usr/share/fapolicyd"),
    "vim(1), git-config(1), tmux(1), screen(1): files read at start": (
        "etc/gitconfig", "etc/screenrc", "etc/tmux.conf", "etc/vimrc", "etc/vimrc.local",
        "usr/share/vim/vimfiles"),
    "ovirt-imageio, docs/configuration.md; otopi, ovirt-hosted-engine-ha": (
        "etc/otopi.conf.d", "etc/ovirt-host-deploy.conf.d", "etc/ovirt-hosted-engine",
        "etc/ovirt-hosted-engine-ha", "etc/ovirt-imageio"),
}


def paths_of(sources: Sources) -> Tuple[str, ...]:
    """Return the paths of a part of the list."""
    return tuple(dict.fromkeys(path for paths in sources.values() for path in paths))


def denied() -> Iterator[Tuple[str, str]]:
    """Yield each denied path after the reason why it is."""
    for reasons in (DENIED, DENIED_STATE):
        for reason, sources in reasons.items():
            for path in paths_of(sources):
                yield reason, path


def active() -> Tuple[str, ...]:
    """Return the paths whose files are active without a setting, without reserved ones."""
    return tuple(dict.fromkeys((
        *paths_of(REVIEWED),
        *(path for sources in DENIED.values() for path in paths_of(sources)))))
