"""Named sets of paths in a root, such as those of this tool, of DNF or of the running system.

All are relative to the root; ``*`` matches characters within one component. This module
imports nothing, as the VDSM hook uses it.
"""
from __future__ import annotations

# -- this tool's own

REGISTRY = "etc/ovirt.plugins.d"
MANIFESTS = "etc/ovirt.plugins-manifests.d"
# The image's own copy of both. /etc outlives an image, /usr is replaced with it: imgbased copies
# the /etc of the old layer over that of the new one, and bootc merges the two.
IMAGE_REGISTRY = "usr/lib/ovirt.plugins.d"
IMAGE_MANIFESTS = "usr/lib/ovirt.plugins-manifests.d"
# The pristine /etc of Node's image, with which imgbased compares /etc at an upgrade.
FACTORY = "usr/share/factory"
FACTORY_ETC = f"{FACTORY}/etc"
FACTORY_REGISTRY, FACTORY_MANIFESTS = f"{FACTORY}/{REGISTRY}", f"{FACTORY}/{MANIFESTS}"
REGISTRIES = (REGISTRY, MANIFESTS, IMAGE_REGISTRY, IMAGE_MANIFESTS, FACTORY_REGISTRY,
              FACTORY_MANIFESTS)
CONFIGURATION = "etc/ovirt-node-plugin"
TOOL_STATE = "var/lib/ovirt-node-plugin"
JOURNAL = f"{TOOL_STATE}/journal"
IMAGE_MARK = "usr/share/ovirt-node-plugin/image.json"
# What the unit ovirt-node-plugin-verify.service found, for VDSM's hook.
BOOT_PROBLEMS = "run/ovirt-node-plugin/problems.json"
# The name, version and release of a Node's image, as imgbase(8) writes it when it builds one.
IMAGE_VERSION = "usr/share/imgbase/build/meta/nvr"
OWN = (*REGISTRIES, CONFIGURATION)

# -- of rpm and DNF

# The folders of an rpm database, newest convention first. In Node, var/lib/rpm is a link to
# usr/share/rpm, as imgbased makes it.
RPM_DATABASES = ("usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpm")
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
# Suffixes of the copies that rpm makes of configuration files; lib/fsm.c, rpm(8).
RPM_COPIES = (".rpmnew", ".rpmsave", ".rpmorig")
# Changed by every transaction, with plugins or without.
TRANSACTION_STATE = (*REGISTRIES, DNF_STATE, IMAGE_MARK)

# -- of the system, with any packages

KERNEL_VIEWS = ("dev", "proc", "run", "sys")
# What a container has in memory: so have scriptlets in a root that is not running.
SURROUNDINGS = ("dev", "proc", "run", "tmp", "var/tmp")
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
# Packages may own folders and names without content there: in a tmpfs of the running system,
# and in folders of update-alternatives(8), which scriptlets call.
NAMES_ONLY = ("run", "var/run", "var/lock", "etc/alternatives", "var/lib/alternatives")
# Changed by running services or owned by other tools: never compared, never undone.
LEFT_ALONE = (
    *REGISTRIES, TOOL_STATE, *KERNEL_VIEWS, LOGS, *CACHES, DNF_CACHE, DNF_STATE,
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

# -- the allowed paths (policy/path_rules.py); read_paths.py has those that are denied

# The folders in which packages of every plugin may have files. Firmware has its own rule: it is
# read only for a device, so it needs no module of the plugin, but its folder has to stay one.
ALLOWED = (
    "etc", "opt",
    "usr/bin", "usr/include", "usr/lib", "usr/lib/firmware", "usr/lib64", "usr/libexec",
    "usr/sbin", "usr/share", "usr/src",
    "var/cache", "var/lib", "var/log", "var/opt", "var/spool",
)
# Also allowed for a plugin with kernel modules, or settings for them.
KERNEL_MODULE = (
    # Each folder of a kernel's tree: depmod(8) finds modules in all, and vendors have their own.
    # Also kernel/, in which drivers may lie; rpm keeps them from replacing the kernel's modules.
    "etc/depmod.d", "usr/lib/depmod.d", "usr/lib/modules/*/*",
)
# Not allowed for it either: the kernel's own folders and indexes.
KERNEL_OWN = ("usr/lib/modules/*/build", "usr/lib/modules/*/modules.*",
              "usr/lib/modules/*/source", "usr/lib/modules/*/vdso")
