"""What ``ovirt-node-plugin lint --against ROOT`` says of settings in that root."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.authoring.lint.lint import lint
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.adhoc import quick_rpm
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf
from tests.support.rpms import make_repo

pytestmark = pytest.mark.root

DESCRIPTOR = """<node-plugin schema-version="1">
  <name>agent</name><version>2.0</version><vendor>ACME</vendor>
  <summary>The agent</summary><url>https://example.com/</url><license>MIT</license>
  <packages><install name="agent"/></packages>
  <settings>
    <service name="not-there.service" state="enabled"/>
    <kernel-module name="not_there" load="yes"/>
    <udev-rules name="60-taken.rules" source="/usr/share/agent/a"/>
    <hosts-entry address="192.0.2.1" names="taken.example.com"/>
    <sysctl name="vm.swappiness" value="10"/>
  </settings>
</node-plugin>
"""


@pytest.fixture(name="agent")
def _agent(tmp_path: Path) -> Path:
    make_repo(tmp_path / "agent/repo", [quick_rpm("agent", "2.0", files={
        "/usr/share/agent/a": "# none\n"})])
    (tmp_path / "agent/node-plugin.xml").write_text(DESCRIPTOR)
    return tmp_path / "agent"


def test_settings_that_a_root_refuses_are_all_found_with_their_places(
        agent: Path, node: Path, dnf: Dnf) -> None:
    (node / "etc/udev/rules.d").mkdir(parents=True, exist_ok=True)
    (node / "etc/udev/rules.d/60-taken.rules").write_text("# of somebody\n")
    with open(node / "etc/hosts", "a", encoding="utf-8") as hosts:
        hosts.write("192.0.2.9 taken.example.com\n")
    answer = dnf.plugin(node, "install", agent, "--dry-run", UNSIGNED)
    assert answer.status == 6
    found = {finding.line: finding.reason for finding in lint(agent, run=run,
                                                              against=[node]).findings
             if finding.line}
    assert sorted(found) == [6, 8, 9]
    assert answer.text.count("\n  agent: ") == len(found)  # the install has the same reasons
    said = " ".join(answer.text.split())
    assert [reason for reason in found.values() if " ".join(reason.split()) not in said] == []


def test_a_list_of_packages_does_not_tell_what_a_root_refuses(
        agent: Path, built: support.Fixtures, tmp_path: Path) -> None:
    image = tmp_path / "node.squashfs"
    run(["mksquashfs", built.folder / "roots/node-4.5.5", image, "-quiet", "-no-progress"])
    codes = {finding.code for finding in lint(agent, run=run, against=[image]).findings}
    assert codes == {"packages/unsigned"}
