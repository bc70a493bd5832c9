"""Settings on the full Node: applied and checked with its own programs, and undone."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, Mapping, Tuple

import pytest

from ovirt_node_plugin.system.run import run
from tests.support.agent_plugins import changes_to_full_node
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.full_node import full_node, in_root

pytestmark = [pytest.mark.root]

SUBJECT = "Site test authority"
# Whether a program of the root sees the setting.
Check = Callable[[Path], bool]
HOOK = "/usr/share/site/hook"
FILES: Mapping[str, str] = {
    HOOK: "#!/bin/sh\nexit 0", "/usr/share/site/multipath.conf":
    'devices {\n  device {\n    vendor "ACME"\n    product "ARRAY"\n    no_path_retry 7\n  }\n}',
    "/usr/share/site/tmpfiles.conf": "d /run/site 0750 root root -"}


def kernel() -> str:
    (name,) = os.listdir(full_node().tree / "usr/lib/modules")
    return name


SETTINGS: Dict[str, Tuple[str, Check]] = {
    "firewall port": (
        '<firewall-port port="9100" protocol="tcp"/>',
        lambda root: "9100/tcp" in in_root(root, "firewall-offline-cmd", "--list-ports")),
    "firewall service": (
        '<firewall-service name="site"><port port="5988" protocol="tcp"/></firewall-service>',
        lambda root: "site" in in_root(root, "firewall-offline-cmd", "--list-services")),
    "parameter": (
        '<sysctl name="vm.swappiness" value="7"/>',
        lambda root: "vm.swappiness" in in_root(
            root, "systemd-analyze", "cat-config", "sysctl.d")),
    "module": (
        '<kernel-module name="dummy" options="numdummies=3"/>',
        lambda root: "options dummy numdummies=3" in in_root(root, "modprobe", "--showconfig")),
    "hook": (
        f'<vdsm-hook point="before_vm_start" order="40" name="site" source="{HOOK}"/>',
        lambda root: os.access(root / "usr/libexec/vdsm/hooks/before_vm_start/40_site", os.X_OK)),
    "multipath": (
        '<multipath-config source="/usr/share/site/multipath.conf" name="site.conf"/>',
        # the program itself needs a kernel with device-mapper
        lambda root: (root / "etc/multipath/conf.d/site.conf").exists()),
    "user": (
        '<user name="site" home="/var/lib/site"/>',
        lambda root: "/var/lib/site" in in_root(root, "getent", "passwd")),
    "tmpfiles": (
        '<tmpfiles source="/usr/share/site/tmpfiles.conf" name="site.conf"/>',
        lambda root: "/run/site" in in_root(root, "systemd-tmpfiles", "--cat-config")),
}
SELINUX = ('<selinux-boolean name="virt_use_nfs" value="on"/>',
           '<selinux-port type="http_port_t" port="29100" protocol="tcp"/>',
           '<selinux-file-context type="bin_t" path="/opt/site/bin(/.*)?"/>')


def plugin(folder: Path, *settings: str, **files: str) -> Path:
    return make_plugin(folder, "site", settings=settings, files={**FILES, **files},
                       attributes={HOOK: "%attr(0755,root,root)"})


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_seen_by_the_roots_programs_until_it_is_undone(
        dnf: Dnf, full_root: Path, tmp_path: Path, name: str) -> None:
    setting, is_seen = SETTINGS[name]
    assert not is_seen(full_root)
    before = changes_to_full_node(full_root)
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, plugin(tmp_path, setting)))
    assert is_seen(full_root)
    succeeded(dnf.plugin(full_root, "verify"))
    succeeded(dnf.plugin(full_root, "remove", "-y", "site"))
    assert not is_seen(full_root)
    assert changes_to_full_node(full_root) == before


def test_a_certificate_is_trusted_by_openssl_until_its_plugin_is_removed(
        dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    certificate = self_signed_certificate(tmp_path)
    bundle = "/etc/pki/tls/certs/ca-bundle.crt"
    (full_root / "tmp/site.pem").write_text(certificate)

    def trusted() -> bool:
        output = run(["chroot", full_root, "openssl", "verify", "-CAfile", bundle, "-no-CApath",
                      "/tmp/site.pem"], ok=(0, 2))
        return output.rstrip().endswith(": OK")

    assert not trusted()
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, plugin(
        tmp_path, '<ca-certificate source="/usr/share/site/ca.pem" name="site.pem"/>',
        **{"/usr/share/site/ca.pem": certificate})))
    assert trusted()
    succeeded(dnf.plugin(full_root, "verify"))
    succeeded(dnf.plugin(full_root, "remove", "-y", "site"))
    assert not trusted()
    (full_root / "tmp/site.pem").unlink()
    assert changes_to_full_node(full_root) == []


def self_signed_certificate(folder: Path) -> str:
    """Return a self-signed certificate in PEM form."""
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
         f"/CN={SUBJECT}", "-keyout", folder / "key", "-out", folder / "certificate"])
    return (folder / "certificate").read_text()


@pytest.mark.slow
def test_selinux_settings_change_the_real_policy_until_they_are_undone(
        dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    def policy_settings() -> Tuple[str, str, str]:
        return (run(["chroot", full_root, "semanage", "boolean", "-l", "-C", "-n"]),
                run(["chroot", full_root, "semanage", "port", "-l", "-C", "-n"]),
                run(["chroot", full_root, "matchpathcon", "-n", "/opt/site/bin/agent"]))

    before = policy_settings()
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, plugin(tmp_path, *SELINUX)))
    booleans, ports, label = policy_settings()
    assert "virt_use_nfs" in booleans and "29100" in ports and ":bin_t:" in label
    unlabelled = [path for top in ("etc/selinux", "var/lib/selinux")
                  for path in (full_root / top).rglob("*")
                  if "security.selinux" not in os.listxattr(path, follow_symlinks=False)]
    assert unlabelled == []
    succeeded(dnf.plugin(full_root, "verify"))
    succeeded(dnf.plugin(full_root, "remove", "-y", "site"))
    assert policy_settings() == before
    assert changes_to_full_node(full_root) == []


@pytest.mark.slow
def test_an_initramfs_contains_a_plugins_driver_until_it_is_removed(
        dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    image = f"/boot/initramfs-{kernel()}.img"

    def has_driver() -> bool:
        return "/zram.ko" in in_root(full_root, "lsinitrd", image)

    assert not has_driver()
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, plugin(
        tmp_path, '<initramfs-driver name="zram"/>')))
    assert has_driver()
    succeeded(dnf.plugin(full_root, "verify"))
    succeeded(dnf.plugin(full_root, "remove", "-y", "site"))
    assert changes_to_full_node(full_root) == []
