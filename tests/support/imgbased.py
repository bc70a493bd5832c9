"""What imgbased does with /etc and /var when an installed Node is upgraded.

The layers are filesystem images that stand for logical volumes. Each function names the one
of imgbased 1.2.26 that it stands for, and is written to what that does. Not reproduced are
the steps that need a running Node: relabelling, the scriptlets of packages with SELinux
commands, the restoring of modes and owners by rpm (hack_rpm_permissions), versionlock.list,
the change from ntpd to chrony, and motd. UPDATE_TO_FILE and UPDATE_ON_LVM are stand-ins for the
program imgbase, with layers that are files and volumes.
"""
from __future__ import annotations

import contextlib
import filecmp
import fnmatch
import os
import shutil
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Set, Tuple

from ovirt_node_plugin.system.path_sets import FACTORY_ETC
from ovirt_node_plugin.system.run import run

# The running layer, the image of an upgrade and its layer: naming.py, NvrNaming.
OLD = "ovirt-node-ng-4.5.5-0.20231130.0+1"
IMAGE = "ovirt-node-ng-4.5.6-0.20240515.0"
NEW = f"{IMAGE}+1"
MARK = "var/imgbased/.image-updated"
# imgbase update: update.py (LiveimgExtractor.extract) makes the layer, bootsetup.py
# (BootSetupHandler) its boot entry and its folder in /boot, and the mark is written last. imgbase
# base --remove: imgbase.py (remove_base), osupdater.py (remove_boot). The layer is there once the
# file "new" is in the test's folder STATE.
UPDATE_TO_FILE = f"""
echo "$@" >> STATE/imgbase
case "$1 $2" in
"base --remove")
    test ! -e STATE/stuck || {{ echo "Logical volume in use" >&2; exit 5; }}
    rm -rf STATE/new "/boot/loader/entries/{NEW}-1.conf" "/boot/{NEW}";;
*)
    rm -f /{MARK}
    test ! -e STATE/fails || exit 1
    test ! -e STATE/new || {{ echo "Logical volume already exists" >&2; exit 5; }}
    : > STATE/new
    test ! -e STATE/incomplete || exit 1
    mkdir -p /boot/loader/entries "/boot/{NEW}" /var/imgbased
    for name in STATE/boot/*; do cp "$name" "/boot/{NEW}"; done
    echo "options root=/dev/onn/new ro img.bootid={NEW}" > "/boot/loader/entries/{NEW}-1.conf"
    echo "options root=/dev/onn/old ro img.bootid={OLD}" > "/boot/loader/entries/{OLD}-1.conf"
    echo ovirt-node-ng-image-update-4.5.6-1.squashfs.img > /{MARK};;
esac"""
# The same with volumes: update.py (add_base_with_tree); imgbase.py (add_base, add_layer,
# _add_lvm_snapshot; remove_base, remove_layer).
UPDATE_ON_LVM = f"""\
#!/bin/sh
set -e
exec >/dev/null
if [ "$1 $2 $3" = "base --remove {IMAGE}" ]; then
    for name in {NEW} {IMAGE}; do
        lvchange --activate n onn/$name
        lvremove onn/$name
    done
    exit
fi
rm -f /{MARK}
lvcreate --thin --virtualsize 200M --name {IMAGE} --addtag imgbased:base onn/pool
mkfs.ext4 -q -E lazy_itable_init=1 /dev/onn/{IMAGE}
mount /dev/onn/{IMAGE} /mnt
cp -a /payload/new/. /mnt
umount /mnt
lvchange --permission r --setactivationskip y onn/{IMAGE}
lvcreate --snapshot --name {NEW} --addtag imgbased:layer --setactivationskip n onn/{IMAGE}
mkdir -p /boot/loader/entries /boot/{NEW} /var/imgbased
echo "options root=/dev/onn/new ro img.bootid={NEW}" > "/boot/loader/entries/{NEW}-1.conf"
echo FILE > /{MARK}
"""
_SIZE = "64M"
# Files of which the old layer's are kept: remediate_etc, "critical_files".
_CRITICAL = ("*initiatorname.iscsi", "*group", "*group-", "*passwd", "*passwd-", "*shadow",
             "*shadow-", "*fstab", "*ifcfg-*")
# Not synchronized by remediate_etc, not copied by migrate_etc.
_EXCLUDED = ("*targeted/active/modules*", "*selinux/targeted/policy/policy.31",
             "*network-scripts/ifcfg-*")
# Copied by migrate_etc in any case: "required_files".
_REQUIRED = ("passwd", "group", "fstab", "shadow", "iscsi/initiatorname.iscsi",
             "systemd/system/multi-user.target.wants/chronyd.service")
_POLICY = "selinux/targeted/policy/policy.31"
_MODULES = "targeted/active/modules"
_CRYPTO_LINK = "etc/crypto-policies/back-ends/.config"
# rpm's lib/rpmfiles.h: RPMFILE_CONFIG, RPMFILE_NOREPLACE, RPMFILE_GHOST
_CONFIG, _NOREPLACE, _GHOST = 1, 1 << 4, 1 << 6
_HIGHEST_SYSTEM_ID = 1000


def make_layer(root: Path, image: Path) -> Path:
    """Write the tree ``root`` to ``image``, a new filesystem image, and return it.

    It stands for imgbase.add_base and add_layer, which copy the image's tree to a new volume.
    """
    run(["mkfs.ext4", "-q", "-O", "^has_journal", "-N", "8192", "-d", root, image, _SIZE])
    return image


@contextlib.contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """Mount a layer at the folder ``at``, which is made, as utils.mounted does."""
    at.mkdir()
    run(["mount", "-o", "loop", image, at])
    try:
        yield at
    finally:
        run(["umount", at])
        at.rmdir()


def upgrade(old: Path, new: Path, var: Path, work: Path) -> None:
    """Migrate from the layer ``old`` to ``new``, two images: osupdater.on_new_layer.

    ``var`` is the volume that all layers have as /var, ``work`` a folder for mounts.
    """
    with mounted(old, work / "old") as old_root, mounted(new, work / "new") as new_root:
        remediate_etc(old_root, new_root)
        migrate_var(new_root, var)
        migrate_etc(old_root, new_root)


def remediate_etc(old: Path, new: Path) -> None:
    """Synchronize /etc, and take the image's files where nobody changed the old ones.

    osupdater.remediate_etc in update mode; the layers are the running and the new one.
    """
    for root in (old, new):
        with contextlib.suppress(FileNotFoundError):
            (root / _CRYPTO_LINK).unlink()
    only_old = [path for kind, path in _compared(old / "etc", new / "etc") if kind == "left_only"]
    # utils.Rsync.sync with checksum_only, update_only, without preserve_owner
    run(["rsync", "-pAXlHrx", "-SWc", "--no-i-r", "--checksum", "--update", "--exclude=mnt.*/*",
         *(f"--exclude={pattern}" for pattern in _EXCLUDED), f"{old}/etc/", new / "etc"])
    for path in sorted(_unchanged_in_old(old, new)):
        source, target = new / FACTORY_ETC / path, new / "etc" / path
        if _MODULES not in path and not filecmp.cmp(source, target):
            shutil.copy2(source, target)
    fix_systemd_services(old, new)
    for path in only_old:
        target = new / "etc" / path
        if not os.path.exists(new / FACTORY_ETC / path) and (
                target.is_file() or target.is_symlink()):
            target.unlink()


def _unchanged_in_old(old: Path, new: Path) -> Set[str]:
    """Return the files that are as in the old layer's factory and not as in the new one's.

    osupdater.remediate_etc: find_problems and find_candidates.
    """
    same = {path for kind, path in _compared(old / "etc", old / FACTORY_ETC)
            if kind == "same_files"}
    changed = {path for kind, path in _compared(old / "etc", new / FACTORY_ETC)
               if kind == "diff_files" and not os.path.islink(old / "etc" / path)
               and not _matches(os.path.basename(path), _CRITICAL)}
    return {path for path in same & changed if not os.path.islink(old / "etc" / path) and (
        (old / "etc" / path).read_bytes() == (old / FACTORY_ETC / path).read_bytes())}


def migrate_etc(old: Path, new: Path) -> None:
    """Copy what differs in the old layer's /etc from its factory: osupdater.migrate_etc.

    Both layers are of one product.
    """
    accounts = merged_accounts(old / "etc", new / FACTORY_ETC)
    _renumber(new, accounts)
    changed = [path for kind, path in _compared(old / "etc", old / FACTORY_ETC)
               if kind in ("left_only", "diff_files")]
    changed += [path for path in _REQUIRED
                if path not in changed and (old / "etc" / path).exists()]
    for path in changed:
        if path != _POLICY and _MODULES not in path:
            source, target = old / "etc" / path, new / "etc" / path
            run(["cp", "-a", "-r", source, target.parent if source.is_dir() else target])
    for name, (text, _) in accounts.items():
        (new / "etc" / name).write_text(text)
    fix_systemd_services(old, new)


def fix_systemd_services(old: Path, new: Path) -> None:
    """Remove from the new layer what the old factory has in /etc/systemd and old /etc has not.

    osupdater.fix_systemd_services: the path, and all entries of that name in /etc/systemd.
    """
    systemd = new / "etc/systemd"
    for kind, path in _compared(old / "etc/systemd", old / FACTORY_ETC / "systemd"):
        if kind != "right_only":
            continue
        found = [Path(folder) / name for folder, folders, files in os.walk(systemd)
                 for name in (*folders, *files) if name == os.path.basename(path)]
        for entry in found:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif os.path.lexists(entry):
                entry.unlink()


def migrate_var(new: Path, var: Path) -> None:
    """Copy to ``var`` what the new layer's /var has in addition: osupdater.migrate_var.

    Existing files of packages of the new layer are replaced: migrate_rpm_files.
    """
    existing: List[str] = []
    for folder, folders, files in os.walk(new / "var"):
        here = Path(folder).relative_to(new / "var")
        for name in folders:
            source, target = Path(folder) / name, var / here / name
            # os.path.exists there; a link of the running /var leads to a folder
            if not os.path.lexists(target) and (
                    "cache/libvirt/qemu/capabilities" not in str(target)):
                shutil.copytree(source, target, symlinks=True)
        for name in files:
            if not (var / here / name).exists():
                shutil.copy2(Path(folder) / name, var / here / name)
            else:
                existing.append(str(here / name))
    flags = _file_flags(new)
    for path in existing:
        flag = flags.get(f"/var/{path}", _GHOST)
        if not flag & _GHOST:
            _replace(new / "var" / path, var / path, keep=bool(flag & _CONFIG
                                                               and flag & _NOREPLACE))


def _replace(source: Path, target: Path, *, keep: bool) -> None:
    if source.is_symlink():
        if not target.is_symlink() or os.readlink(source) != os.readlink(target):
            target.rename(f"{target}.{'imglnk' if target.is_symlink() else 'imgbak'}")
            target.symlink_to(os.readlink(source))
    elif not filecmp.cmp(source, target):
        if keep:
            shutil.copy2(source, f"{target}.imgnew")
        else:
            target.rename(f"{target}.imgbak")
            shutil.copy2(source, target)


def _file_flags(root: Path) -> Mapping[str, int]:
    """Return rpm's flags of each file: utils.RpmPackageDb.get_file_flags."""
    lines = run(["rpm", "--root", root, "--dbpath", "/usr/share/rpm", "-qa", "--queryformat",
                 r"[%{FILEFLAGS} %{FILENAMES}\n]"]).splitlines()
    return {path: int(flags) for flags, _, path in (line.partition(" ") for line in lines)}


Accounts = Dict[str, Tuple[str, Mapping[int, int]]]
"""The text of ``passwd`` and ``group``, and the number for each number in the new layer."""


def merged_accounts(old: Path, new: Path) -> Accounts:
    """Return the old accounts with those that only ``new`` has: utils.IDMap.

    ``old`` is the old layer's /etc, ``new`` the factory of the new layer. Accounts keep their
    old numbers; new ones get the next one that is free, if theirs is taken.
    """
    group, moved_groups = _merged((old / "group").read_text(), (new / "group").read_text(), {})
    passwd, moved_users = _merged((old / "passwd").read_text(), (new / "passwd").read_text(),
                                  moved_groups)
    return {"group": (group, moved_groups), "passwd": (passwd, moved_users)}


def _merged(old: str, new: str, groups: Mapping[int, int]) -> Tuple[str, Mapping[int, int]]:
    ids = {line.split(":")[0]: int(line.split(":")[2]) for line in old.splitlines()}
    moved: Dict[int, int] = {}
    lines = old.splitlines()
    for line in new.splitlines():
        fields = line.split(":")
        number = int(fields[2])
        is_new = fields[0] not in ids
        if is_new:
            ids[fields[0]] = _free(number, set(ids.values()))
        if ids[fields[0]] != number:
            moved[number] = ids[fields[0]]
        if is_new:
            fields[2] = str(ids[fields[0]])
            if len(fields) > 4 and int(fields[3]) in groups:  # passwd(5)
                fields[3] = str(groups[int(fields[3])])
            lines.append(":".join(fields))
    return "\n".join(lines) + "\n", moved


def _free(number: int, used: Set[int]) -> int:
    while number in used:
        number = number + 1 if number < _HIGHEST_SYSTEM_ID else 1
    return number


def _renumber(root: Path, accounts: Accounts) -> None:
    """Give files of moved accounts their old numbers: IDMap.fix_drift."""
    users, groups = accounts["passwd"][1], accounts["group"][1]
    if not (users or groups):
        return
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                info = os.stat(path)
                owner = users.get(info.st_uid, -1), groups.get(info.st_gid, -1)
                if owner != (-1, -1):
                    os.chown(path, *owner)


def _compared(left: Path, right: Path) -> Iterator[Tuple[str, str]]:
    """Yield kind and relative path of each entry, by ``filecmp.dircmp`` as in imgbased.

    Kinds are left_only, right_only, same_files and diff_files. Files of the same size and time
    count as equal. A folder that only one side has is one entry.
    """
    todo: List[Tuple[str, filecmp.dircmp[str]]] = [("", filecmp.dircmp(str(left), str(right)))]
    while todo:
        folder, comparison = todo.pop()
        kinds: Mapping[str, List[str]] = {
            "left_only": comparison.left_only, "right_only": comparison.right_only,
            "same_files": comparison.same_files, "diff_files": comparison.diff_files}
        for kind, names in kinds.items():
            for name in names:
                yield kind, f"{folder}{name}"
        todo += [(f"{folder}{name}/", below) for name, below in comparison.subdirs.items()]


def _matches(name: str, patterns: Tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
