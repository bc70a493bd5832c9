"""Named sets of paths in a root, such as those of this tool, of DNF or of the running system.

All are relative to the root; ``*`` matches characters within one component. This module
imports nothing, as the VDSM hook uses it.
"""
from __future__ import annotations

# -- this tool's own

REGISTRY = "etc/ovirt.plugins.d"
MANIFESTS = "etc/ovirt.plugins-manifests.d"
CONFIGURATION = "etc/ovirt-node-plugin"
TOOL_STATE = "var/lib/ovirt-node-plugin"
JOURNAL = f"{TOOL_STATE}/journal"
IMAGE_MARK = "usr/share/ovirt-node-plugin/image.json"
OWN = (REGISTRY, MANIFESTS, CONFIGURATION)

# -- of rpm and DNF

# The folders of an rpm database, newest convention first. In Node, var/lib/rpm is a link to
# usr/share/rpm, as imgbased makes it.
RPM_DATABASES = ("usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpm")
# Repositories and configuration, dnf.conf(5), "reposdir". A plugin's repositories are in its
# bundle instead, where they are known as its own and stay disabled.
DNF_FOLDERS = ("etc/yum.repos.d", "etc/yum/repos.d", "etc/distro.repos.d", "etc/dnf")
# The enabled modules, dnf.modularity(7).
DNF_MODULES = "etc/dnf/modules.d"
# dnf.conf(5), "persistdir" and "cachedir"
DNF_STATE, DNF_CACHE = "var/lib/dnf", "var/cache/dnf"
# The history of transactions; an undone one is not in it.
DNF_HISTORY = tuple(f"{DNF_STATE}/history.sqlite{end}" for end in ("", "-journal", "-shm", "-wal"))
# Folders that dnf opens by their path on this machine, and folders with all their files.
# dnf.conf(5): "cachedir", "persistdir", "reposdir", "varsdir" and others
DNF_OPENED = ("etc", "etc/dnf", "etc/yum", "var", "var/cache", DNF_CACHE, "var/lib", "usr",
              "usr/share")
DNF_OPENED_WITH_FILES = (
    DNF_MODULES, "etc/dnf/modules.defaults.d", "etc/dnf/protected.d", "etc/dnf/vars",
    "etc/distro.repos.d", "etc/yum.repos.d", "etc/yum/repos.d", "etc/yum/vars", DNF_STATE)
# Changed by every transaction, with plugins or without.
TRANSACTION_STATE = (REGISTRY, MANIFESTS, DNF_STATE, IMAGE_MARK)

# -- of the system, with any packages

KERNEL_VIEWS = ("dev", "proc", "run", "sys")
LOGS = "var/log"
# Caches and temporary files: they may be removed at any time.
CACHES = ("var/cache", "var/tmp", "tmp")
# State that running programs change.
STATE = (*KERNEL_VIEWS, "home", "root", "srv", "tmp", "var")
# Only in these, a file that a scriptlet wrote has to stay unchanged.
WRITTEN_ONCE = ("etc", "usr")
# Rebuilt by the system at any time.
REGENERATED = ("etc/.updated", "etc/ld.so.cache", "etc/mtab", "etc/resolv.conf",
               "etc/udev/hwdb.bin", "usr/lib/udev/hwdb.bin")
# Changed by a running system in /etc.
CHANGED_LIVE = (
    "etc/.updated", "etc/NetworkManager", "etc/adjtime", "etc/cni", "etc/hostname", "etc/iscsi",
    "etc/libvirt", "etc/lvm", "etc/machine-id", "etc/mtab", "etc/multipath", "etc/resolv.conf",
    "etc/vdsm")
# Links into usr in every system since EL7.
MERGED = ("bin", "lib", "lib64", "sbin")
# In a tmpfs of the running system: packages may own folders and names without content there.
NAMES_ONLY = ("run", "var/run", "var/lock")
# Changed by running services or owned by other tools: never compared, never undone.
LEFT_ALONE = (
    REGISTRY, MANIFESTS, TOOL_STATE, *KERNEL_VIEWS, LOGS, *CACHES, DNF_CACHE, DNF_STATE,
    "var/run", "var/spool", "var/crash", "var/imgbased", "var/lib/rpm", "var/lib/containers",
    "var/lib/docker", "var/lib/libvirt", "var/lib/machines", "var/lib/mock")

# -- the scope of the journal of a transaction

VDSM_HOOKS = "usr/libexec/vdsm/hooks"
# Folders to which scriptlets and settings write; in bare ones only new entries are undone.
TREES = ("etc", VDSM_HOOKS, "boot/loader/entries", "var/lib/alternatives")
BARE_TREES = ("boot", "home", "opt", "root", "srv", "usr/lib/firmware", "usr/lib/systemd",
              "usr/lib/udev", "usr/local", "var")
# /usr is too large to compare: only entries directly in these folders.
NEAR_FOLDERS = (
    "usr/bin", "usr/lib", "usr/lib/dracut", "usr/lib/modprobe.d", "usr/lib/modules-load.d",
    "usr/lib/sysctl.d", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/lib64", "usr/libexec",
    "usr/sbin", "usr/share", "usr/src")

# -- paths that a setting may keep over new images: below these, except shared folders

# Without /usr and /boot, which an image replaces.
KEPT_BELOW = ("etc", "home", "opt", "root", "srv", "var")
# Shared folders of the system.
OF_ALL = (*KEPT_BELOW, "usr", "boot", "etc/systemd", "etc/systemd/system", "etc/pki",
          "etc/selinux", "etc/sysconfig", "var/cache", "var/crash", "var/lib", "var/lock",
          LOGS, "var/opt", "var/run", "var/spool", "var/tmp", "var/home", "var/roothome", "var/srv")

# -- the allowed paths (policy/path_rules.py)

# The folders in which packages of every plugin may have files.
ALLOWED = (
    "etc", "opt",
    "usr/bin", "usr/include", "usr/lib", "usr/lib64", "usr/libexec", "usr/sbin", "usr/share",
    "usr/src",
    "var/cache", "var/lib", "var/log", "var/opt", "var/spool",
)
# Also allowed for a plugin with kernel modules, or settings for them.
KERNEL_MODULE = (
    "etc/depmod.d", "usr/lib/depmod.d", "usr/lib/firmware",
    "usr/lib/modules/*/extra", "usr/lib/modules/*/kernel", "usr/lib/modules/*/updates",
    "usr/lib/modules/*/weak-updates",
)
# Denied paths within the allowed ones, by reason. Files of core packages need no rule, as two
# packages cannot have one file. Drop-in folders that are active without a setting, such as
# sysctl.d or sudoers.d, are allowed, as ordinary packages have files there: see DROP_INS.
DENIED = {
    "only the descriptor's settings change what services, timers, the firewall, SELinux and"
    " certificate authorities do": (
        "etc/firewalld", "etc/pki/ca-trust", "etc/selinux", "etc/systemd/*.attached",
        "etc/systemd/*.control", "etc/systemd/*-preset", "etc/systemd/system",
        "usr/lib/systemd/*-preset", "usr/lib/systemd/system/*.requires",
        "usr/lib/systemd/system/*.upholds", "usr/lib/systemd/system/*.wants",
        "usr/share/pki/ca-trust-source", "var/spool/at", "var/spool/cron"),
    "only the descriptor's settings create accounts": (
        "etc/group", "etc/gshadow", "etc/passwd", "etc/shadow", "etc/subgid", "etc/subuid"),
    "it changes how the system boots; the descriptor has settings for that": (
        "etc/crypttab", "etc/default/grub", "etc/default/grub.d", "etc/dracut.conf.d", "etc/fstab",
        "etc/grub.d", "etc/kernel", "etc/systemd/*-generators", "etc/systemd/system.conf.d",
        "etc/systemd/user.conf.d", "usr/lib/bootupd", "usr/lib/dracut/dracut.conf.d",
        "usr/lib/kernel", "usr/lib/ostree-boot", "usr/lib/systemd/*-generators"),
    "only plugins with kernel modules have files there": (
        "etc/depmod.d", "usr/lib/depmod.d", "usr/lib/firmware", "usr/lib/modules"),
    "it says what the system is": (
        "etc/hostname", "etc/machine-id", "etc/os-release", "usr/lib/os-release",
        "usr/lib/os.release.d"),
    "VDSM sets up the network": (
        "etc/NetworkManager/system-connections", "etc/sysconfig/network-scripts",
        "etc/systemd/network", "usr/lib/NetworkManager/system-connections"),
    "it belongs to this tool": (
        "usr/lib*/python*/*/ovirt_node_plugin*", "usr/lib*/python*/ovirt_node_plugin*",
        "usr/share/ovirt-node-plugin"),
    "it changes dnf or rpm themselves": (
        "etc/rpm", "usr/lib*/libdnf*", "usr/lib*/python*/*/dnf*", "usr/lib*/python*/*/hawkey*",
        "usr/lib*/python*/*/libdnf*", "usr/lib*/python*/*/rpm*", "usr/lib*/python*/dnf*",
        "usr/lib*/python*/hawkey*", "usr/lib*/python*/libdnf*", "usr/lib*/python*/rpm*",
        "usr/lib*/rpm", "usr/lib*/rpm-plugins", "usr/share/dnf*"),
    "it changes every run of other programs": (
        "etc/ld.so.preload", "usr/lib*/python*.zip", "usr/lib*/python*/*/sitecustomize*",
        "usr/lib*/python*/*/usercustomize*", "usr/lib*/python*/sitecustomize*",
        "usr/lib*/python*/usercustomize*"),
    "access is decided by the administrator": (
        "etc/pki/libvirt", "etc/pki/vdsm", "etc/ssh", "etc/sudoers"),
    "it is another program's own state": (
        "etc/vdsm", "usr/lib/sysimage", "usr/share/factory",  # imgbased's pristine etc and var
        "usr/share/imgbase", "usr/share/rpm", DNF_STATE, "var/lib/rpm", "var/lib/systemd",
        "var/lib/vdsm"),
}
# Folders whose files are active without a setting.
DROP_INS = (
    "etc/NetworkManager/conf.d", "etc/NetworkManager/dispatcher.d", "etc/anacrontab",
    "etc/audit/rules.d", "etc/binfmt.d", "etc/cron.*", "etc/crontab", "etc/dbus-1",
    "etc/environment", "etc/environment.d", "etc/init.d", "etc/kdump", "etc/kdump.conf",
    "etc/ld.so.conf.d", "etc/libvirt/hooks", "etc/logrotate.d", "etc/lvm", "etc/modprobe.d",
    "etc/modules-load.d", "etc/multipath/conf.d", "etc/pam.d", "etc/polkit-1", "etc/profile.d",
    "etc/rc.d", "etc/rsyslog.d", "etc/security", "etc/sudoers.d", "etc/sysctl.d",
    "etc/systemd/*.conf.d", "etc/systemd/user", "etc/sysusers.d", "etc/tmpfiles.d", "etc/udev",
    "etc/vdsm", "etc/xinetd.d", "usr/lib*/glibc-hwcaps", "usr/lib*/python*/site-packages/*.pth",
    "usr/lib*/python*/site-packages/vdsm", "usr/lib*/security", "usr/lib/NetworkManager/conf.d",
    "usr/lib/NetworkManager/dispatcher.d", "usr/lib/binfmt.d", "usr/lib/dracut/modules.d",
    "usr/lib/environment.d", "usr/lib/modprobe.d", "usr/lib/modules-load.d", "usr/lib/sysctl.d",
    "usr/lib/systemd/*.conf.d", "usr/lib/systemd/network", "usr/lib/systemd/system-shutdown",
    "usr/lib/systemd/system-sleep", "usr/lib/systemd/system/*.d", "usr/lib/systemd/user",
    "usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/lib/udev", VDSM_HOOKS,
    "usr/share/dbus-1", "usr/share/polkit-1", "usr/share/vdsm",
)
