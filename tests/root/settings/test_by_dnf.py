"""Placed files, kernel arguments, paths and conditions, with the real dnf on built images."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import Fixtures
from tests.support.adhoc import RpmRepo, descriptor_xml, write_bundle
from tests.support.dnf_runner import Dnf
from tests.support.settings_root import differences, tree, write_file

pytestmark = [pytest.mark.main_job, pytest.mark.root]

SETTINGS = (
    '<udev-rules source="/opt/acme/60-acme.rules" name="60-acme.rules"/>',
    '<tmpfiles source="/opt/acme/tmp.conf" name="acme.conf"/>',
    '<unit-drop-in unit="sanlock.service" source="/opt/acme/unit.conf" name="10-acme.conf"/>',
    '<kernel-argument name="intel_iommu" value="on"/>',
    '<persistent-path path="/opt/acme/state"/>',
    '<when target="node" node-min="4.5.5">'
    '<logrotate source="/opt/acme/rotate" name="acme"/></when>',
    '<when target="host">'
    '<multipath-config source="/opt/acme/mp.conf" name="acme.conf"/></when>',
    '<when package="libvirt" package-min="99">'
    '<kernel-argument name="new" value="1"/></when>',
)
FILES = {"/opt/acme/60-acme.rules": "# none\n", "/opt/acme/tmp.conf": "d /var/lib/acme\n",
         "/opt/acme/unit.conf": "[Service]\nNice=5\n", "/opt/acme/rotate": "/x {\n}\n",
         "/opt/acme/mp.conf": "devices {\n}\n", "/opt/acme/state/": ""}
ENTRY = "boot/loader/entries/a.conf"


@pytest.fixture
def bundle(tmp_path: Path, built: Fixtures) -> Path:
    repo = RpmRepo(tmp_path / "repo", "acme", key=built.key)
    repo.add("acme", "1.0", files=FILES)
    return write_bundle(tmp_path / "acme", descriptor_xml(
        "acme", settings=SETTINGS, repos=["acme"]), repo=repo, key=built.key)


def test_settings_for_a_node_are_applied_and_undone(node: Path, bundle: Path, dnf: Dnf) -> None:
    write_file(node, ENTRY, "title a\noptions root=/dev/sda1 quiet\n")
    before = {part: tree(node / part) for part in ("etc", "boot", "usr/lib")}
    plan = dnf.plugin(node, "install", bundle, "--assumeno")
    for line in (
            "install udev rules 60-acme.rules from /opt/acme/60-acme.rules",
            "install unit drop-in sanlock.service/10-acme.conf from /opt/acme/unit.conf",
            f"write the kernel arguments to /{ENTRY}",
            "note: left out: install multipath configuration acme.conf from /opt/acme/mp.conf"
            " (only on a host)",
            "note: left out: set kernel argument new=1 (only with libvirt >= 99)"):
        assert line in plan.text
    installed = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert installed.status == 0, installed.text
    assert (node / ENTRY).read_text() == "title a\noptions root=/dev/sda1 quiet intel_iommu=on\n"
    assert (node / "etc/logrotate.d/acme").read_text() == "/x {\n}\n"
    assert not (node / "etc/multipath/conf.d/acme.conf").exists()
    assert dnf.plugin(node, "verify").out.strip() == "acme 1.0: ok"
    assert "kernel-argument intel_iommu" in dnf.plugin(node, "info", "acme").out
    assert dnf.plugin(node, "remove", "acme", "-y").status == 0
    for part, state in before.items():
        assert [path for path in differences(state, tree(node / part))
                if not path.startswith("ovirt.plugins")] == []


def test_settings_for_hosts_are_planned_on_a_host(host: Path, bundle: Path, dnf: Dnf) -> None:
    info = dnf.plugin(host, "info", bundle)
    text = re.sub(r"\s+:? *", " ", info.out)
    assert "(only on a node and on oVirt Node >= 4.5.5)" in text
    assert "install multipath configuration acme.conf" in info.out


def test_a_file_that_its_checker_refuses_is_rolled_back(node: Path, tmp_path: Path, dnf: Dnf,
                                                        built: Fixtures) -> None:
    repo = RpmRepo(tmp_path / "repo", "bad", key=built.key)
    repo.add("bad", "1.0", files={"/opt/bad/tmp.conf": "bogus\n"})
    write_file(node, ENTRY, "title a\noptions quiet\n")
    bundle = write_bundle(tmp_path / "bad", descriptor_xml("bad", repos=["bad"], settings=[
        '<kernel-argument name="a"/>',
        '<tmpfiles source="/opt/bad/tmp.conf" name="bad.conf"/>']), repo=repo, key=built.key)
    failed = dnf.plugin(node, "install", bundle, "-y", "--trust-keys")
    assert failed.status == 8
    assert "own checker refuses that file" in failed.text
    assert (node / ENTRY).read_text() == "title a\noptions quiet\n"
    assert not (node / "opt/bad").exists() and not (node / "etc/tmpfiles.d/bad.conf").exists()
