"""Accounts, firewall and kernel parameters of two plugins, with the real dnf."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from tests.support import Fixtures
from tests.support.adhoc import RpmRepo, descriptor_xml, write_bundle
from tests.support.dnf_runner import Dnf
from tests.support.settings_root import differences, make_firewall, tree, write_file

pytestmark = [pytest.mark.main_job, pytest.mark.root]

ZONE = "etc/firewalld/zones/public.xml"
CIM = ('<user name="cim" home="/var/lib/cim" shell="/sbin/nologin" group="sfcb"/>',
       '<group name="sfcb"/>', '<firewall-port port="5989" protocol="tcp"/>',
       '<sysctl name="net.ipv4.ip_local_reserved_ports" value="5989"/>')
BACKUP = ('<user name="backup-agent" groups="sfcb"/>', '<group name="sfcb"/>',
          '<firewall-service name="agent"><port port="7000-7010" protocol="tcp"/>'
          "</firewall-service>")


def plugin(folder: Path, name: str, settings: Sequence[str], built: Fixtures) -> Path:
    repo = RpmRepo(folder / f"{name}-repo", name, key=built.key)
    repo.add(name, "1.0", files={f"/opt/{name}/file": ""})
    return write_bundle(folder / name, descriptor_xml(name, settings=settings, repos=[name]),
                        repo=repo, key=built.key)


@pytest.mark.parametrize("first", ["cim", "backup"])
def test_changes_of_two_plugins_in_shared_files_are_undone_separately(
        node: Path, tmp_path: Path, dnf: Dnf, built: Fixtures, first: str) -> None:
    make_firewall(node)
    before = {part: tree(node / part) for part in ("etc", "usr/lib")}
    cim = plugin(tmp_path, "cim", CIM, built)
    plan = dnf.plugin(node, "install", cim, "--assumeno")
    for line in ("create user cim (group sfcb, home /var/lib/cim, shell /sbin/nologin)",
                 "open firewall port 5989/tcp in zone public",
                 "set sysctl net.ipv4.ip_local_reserved_ports to 5989"):
        assert line in plan.text
    for bundle in (cim, plugin(tmp_path, "backup", BACKUP, built)):
        installed = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
        assert installed.status == 0, installed.text
    assert 'port="5989"' in (node / ZONE).read_text()
    assert "cim:x:" in (node / "etc/passwd").read_text()
    assert dnf.plugin(node, "remove", first, "-y").status == 0
    assert ("cim:x:" in (node / "etc/passwd").read_text()) == (first == "backup")
    assert ('port="5989"' in (node / ZONE).read_text()) == (first == "backup")
    assert ("agent" in (node / ZONE).read_text()) == (first == "cim")
    second = {"cim": "backup", "backup": "cim"}[first]
    assert dnf.plugin(node, "verify").out.strip() == f"{second} 1.0: ok"
    assert dnf.plugin(node, "remove", second, "-y").status == 0
    for part, state in before.items():
        assert [path for path in differences(state, tree(node / part))
                if not path.startswith(("ovirt.plugins", "dnf/modules.d"))] == []  # written by dnf


def test_a_later_sysctl_file_is_noted_and_a_missing_firewall_refused(
        node: Path, tmp_path: Path, dnf: Dnf, built: Fixtures) -> None:
    write_file(node, "etc/sysctl.d/zz.conf", "kernel.panic = 5\n")
    plan = dnf.plugin(node, "install", plugin(tmp_path, "late", [
        '<sysctl name="kernel.panic" value="10"/>'], built), "--assumeno")
    assert "note: sysctl kernel.panic will not be 10: /etc/sysctl.d/zz.conf is read later" in (
        plan.text)
    refused = dnf.plugin(node, "install", plugin(tmp_path, "wall", [
        '<firewall-port port="1" protocol="tcp"/>'], built), "-y", "--trust-keys")
    assert refused.status == 6
    assert "the root has no firewalld: /etc/firewalld is not there" in refused.text
