"""The steps that make an installed system an oVirt Node image, in the order of the real build.

The real build is ovirt-node-ng-image: livemedia-creator runs Anaconda with its kickstart,
whose ``%post`` installs ovirt-release-host-node and runs ``imgbase image-build``. ``STEPS``
names, for each step, what it stands for there. Read in imgbased 1.2.26, ovirt-release 4.5.6
and ovirt-node-ng-image of 2026.
"""
from __future__ import annotations

import configparser
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Tuple

from ovirt_node_plugin.system.run import run

# Where EL9 keeps its rpm database, and where imgbased moves it to.
EL_DATABASE = "/var/lib/rpm"
NODE_DATABASE = "/usr/share/rpm"

_MARKER = "# imgbased: set-enabled"
_NVR = "usr/share/imgbase/build/meta/nvr"
# file_contexts of EL9's targeted policy, as far as the type of most files goes: the type of
# a folder and of all below it. The longest path decides.
_TYPES = {
    "": "root_t", "boot": "boot_t", "dev": "device_t", "etc": "etc_t",
    "etc/passwd": "passwd_file_t", "etc/group": "passwd_file_t",
    "etc/shadow": "shadow_t", "etc/gshadow": "shadow_t",
    "etc/selinux": "selinux_config_t", "home": "home_root_t", "opt": "usr_t", "proc": "proc_t",
    "root": "admin_home_t", "run": "var_run_t", "srv": "var_t", "sys": "sysfs_t", "tmp": "tmp_t",
    "usr": "usr_t", "usr/bin": "bin_t", "usr/lib": "lib_t", "usr/lib/modules": "modules_object_t",
    "usr/lib/systemd/system": "systemd_unit_file_t", "usr/lib64": "lib_t", "usr/libexec": "bin_t",
    "usr/sbin": "bin_t", "usr/share/rpm": "rpm_var_lib_t", "var": "var_t", "var/lib": "var_lib_t",
    "var/lib/rpm": "rpm_var_lib_t", "var/lib/vdsm": "vdsm_var_lib_t", "var/log": "var_log_t",
    "var/tmp": "tmp_t",
}


@dataclass(frozen=True)
class Build:
    """The root that is built, and its name: ``ovirt-node-ng-VERSION-RELEASE``."""

    root: Path
    nvr: str


@dataclass(frozen=True)
class Step:
    """One step: ``stands_for`` names the program and function of the real build."""

    stands_for: str
    do: Callable[[Build], None]


def finish(root: Path, nvr: str) -> None:
    """Run every step on ``root``, a system whose rpm database is at EL_DATABASE."""
    for step in STEPS:
        step.do(Build(root, nvr))


def _installation(build: Build) -> None:
    """Write what an installation leaves that is of one machine."""
    _write(build.root / "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    _write(build.root / "etc/hostname", "localhost.localdomain\n")
    _write(build.root / "etc/resolv.conf", "nameserver 192.0.2.1\n")
    _write(build.root / "etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1994-05.org:1\n")
    _write(build.root / "etc/NetworkManager/system-connections/ens3.nmconnection",
           "[connection]\nid=ens3\ntype=ethernet\n")
    for kernel in sorted((build.root / "usr/lib/modules").iterdir()):
        _write(build.root / f"boot/loader/entries/0123456789abcdef-{kernel.name}.conf",
               f"title oVirt Node\nlinux /vmlinuz-{kernel.name}\n")


def _clean_dnf_cache(build: Build) -> None:
    shutil.rmtree(build.root / "var/cache/dnf", ignore_errors=True)


def _leave_vdsm_to_configure_itself(build: Build) -> None:
    _write(build.root / "var/lib/ngn-vdsm-need-configure", "")


def _keep_pristine_etc_and_var(build: Build) -> None:
    factory = build.root / "usr/share/factory"
    factory.mkdir(parents=True, exist_ok=True)
    for name in ("etc", "var"):
        run(["cp", "-a", "--no-target-directory", f"{build.root / name}/", factory / name])


def _empty_machine_id(build: Build) -> None:
    os.truncate(build.root / "etc/machine-id", 0)


def _move_databases(build: Build) -> None:
    root = build.root
    shutil.move(root / "var/lib/rpm", root / "usr/share/rpm")
    os.symlink("../../usr/share/rpm", root / "var/lib/rpm")
    for name in ("yum", "dnf"):
        folder = root / "var/lib" / name
        if folder.is_dir():
            shutil.rmtree(folder)
            folder.mkdir()
            shutil.move(folder, root / "usr/share" / name)
            # two slashes: the new path is absolute, and is put behind "../../"
            os.symlink(f"../..//usr/share/{name}", folder)


def _disable_repos(build: Build) -> None:
    for path in sorted((build.root / "etc/yum.repos.d").iterdir()):
        keep = _MARKER in path.read_text(encoding="utf-8")
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read(path, encoding="utf-8")
        for section in parser.sections():
            parser.set(section, "enabled", "1" if keep else "0")
        text = io.StringIO()
        text.write(f"{_MARKER}\n" if keep else "")
        parser.write(text)
        path.write_text(text.getvalue(), encoding="utf-8")


def _check_etc_links(build: Build) -> None:
    if not (build.root / "etc/os-release").is_symlink():
        raise AssertionError("/etc/os-release is no link: imgbased refuses such an image")


def _clean_connections(build: Build) -> None:
    for pattern in ("etc/sysconfig/network-scripts/ifcfg-*",
                    "etc/NetworkManager/system-connections/*"):
        for path in build.root.glob(pattern):
            if path.name != "ifcfg-lo":
                path.unlink()


def _clean_network_configuration(build: Build) -> None:
    for name in ("resolv.conf", "hostname"):
        (build.root / "etc" / name).unlink(missing_ok=True)


def _remove_initiator_name(build: Build) -> None:
    (build.root / "etc/iscsi/initiatorname.iscsi").unlink(missing_ok=True)


def _empty_loader_entries(build: Build) -> None:
    for path in (build.root / "boot/loader/entries").glob("*"):
        path.unlink()


def _name_image(build: Build) -> None:
    _write(build.root / _NVR, build.nvr)


def _label(build: Build) -> None:
    """Set the SELinux context of every entry, which any kernel stores and keeps."""
    for folder, folders, files in os.walk(build.root):
        for name in ("", *files, *(one for one in folders if os.path.islink(f"{folder}/{one}"))):
            path = os.path.join(folder, name) if name else folder
            os.setxattr(path, "security.selinux", _context(os.path.relpath(path, build.root)),
                        follow_symlinks=False)


def _context(path: str) -> bytes:
    parts = [] if path == "." else path.split("/")
    while "/".join(parts) not in _TYPES:
        parts.pop()
    return f"system_u:object_r:{_TYPES['/'.join(parts)]}:s0\0".encode()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_KICKSTART = "ovirt-node-ng-image, data/ovirt-node-ng-image.j2, %post"
_IMGBASED = "imgbased, plugins/build.py"
STEPS: Tuple[Step, ...] = (
    Step("Anaconda, started by livemedia-creator", _installation),
    Step(f"{_KICKSTART}: dnf clean all; rm -rf /var/cache/dnf", _clean_dnf_cache),
    Step(f"{_KICKSTART}: touch /var/lib/ngn-vdsm-need-configure", _leave_vdsm_to_configure_itself),
    Step(f"{_IMGBASED}: factorize_paths", _keep_pristine_etc_and_var),
    Step(f"{_IMGBASED}: empty_machineid", _empty_machine_id),
    Step(f"{_IMGBASED}: relocate_rpm_and_yum_dbs", _move_databases),
    Step(f"{_IMGBASED}: disable_and_clean_yum_repos", _disable_repos),
    Step(f"{_IMGBASED}: check_etc_symlinks", _check_etc_links),
    Step(f"{_IMGBASED}: clean_ifcfgs_and_nmcons", _clean_connections),
    Step(f"{_IMGBASED}: clean_network_configs", _clean_network_configuration),
    Step(f"{_IMGBASED}: remove_iscsi_initiator_iqn", _remove_initiator_name),
    Step(f"{_IMGBASED}: handle_bls_system", _empty_loader_entries),
    Step(f"{_IMGBASED}: post_argparse, --set-nvr", _name_image),
    Step("Anaconda: labels by EL's targeted policy", _label),
)


def steps() -> List[str]:
    """Return what the steps stand for, in their order."""
    return [step.stands_for for step in STEPS]
