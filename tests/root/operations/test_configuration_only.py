"""A site's own configuration: a plugin of one folder, without packages and repositories."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state
from tests.support.trust_root import ACME, der

pytestmark = [pytest.mark.root]

RULE = "etc/udev/rules.d/60-site.rules"
LOGROTATE = "etc/logrotate.d/site"
ENROLMENT = "mokutil --import /etc/pki/node-plugin-module-keys/site.der"


def site(folder: Path, version: str, *, packages: str = "", rule: str = 'KERNEL=="sd*"',
         settings: str = "") -> Path:
    """Write a bundle with configuration only, and ``packages`` as that element."""
    text = support.descriptor_xml("site", version, settings=[
        '<udev-rules name="60-site.rules" source="files/60.rules"/>',
        '<logrotate name="site" source="files/sub/rotate"/>',
        '<sysctl name="net.core.somaxconn" value="1024"/>',
        '<config-file folder="motd" name="site" source="files/motd"/>',
        '<hosts-entry address="192.0.2.1" names="backup.example"/>',
        '<module-signing-key name="site.der" source="files/site.der"/>', settings])
    start, end = text.index("  <packages>"), text.index("  <settings>")
    support.write_bundle(folder, text[:start] + packages + text[end:])
    (folder / "files/sub").mkdir(parents=True)
    (folder / "files/60.rules").write_text(f"{rule}, SYMLINK+=\"site\"\n")
    (folder / "files/sub/rotate").write_text("/var/log/site.log {\n  weekly\n}\n")
    (folder / "files/motd").write_text("Be careful.\n")
    (folder / "files/site.der").write_bytes(der(ACME))
    return folder


@pytest.mark.parametrize("root_name", ["node", "host"])
def test_it_goes_in_offline_is_verified_and_repaired_and_leaves_no_trace(
        dnf: Dnf, root_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    root: Path = request.getfixturevalue(root_name)
    (root / "etc/pam.d").mkdir(exist_ok=True)
    before = tree_state(root)
    first = site(tmp_path / "first", "1")
    (first / "files/README").touch()
    shown = succeeded(dnf.plugin(root, "install", "--dry-run", first))
    assert "install udev rules 60-site.rules from files/60.rules" in shown.text
    assert "no setting uses files/README of the bundle" in shown.text
    assert "   | Be careful.\n" in shown.text and ENROLMENT in shown.text
    assert state_differences(before, tree_state(root)) == []
    assert ENROLMENT in succeeded(dnf.plugin(root, "install", "-y", first)).text
    assert "192.0.2.1 backup.example" in (root / "etc/hosts").read_text()
    rule = (root / RULE).read_text()
    assert 'KERNEL=="sd*"' in rule and "weekly" in (root / LOGROTATE).read_text()
    [plugin] = dnf.plugin(root, "list", "--json").json["plugins"]
    assert (plugin["name"], plugin["state"], plugin["trust"]) == ("site", "installed", "unknown")
    info = succeeded(dnf.plugin(root, "info", "site")).text
    assert "files/60.rules" in info and ENROLMENT in " ".join(info.split())
    assert "files/60.rules" in succeeded(dnf.plugin(root, "manifest", "site")).text
    succeeded(dnf.plugin(root, "verify"))

    shutil.rmtree(first)  # from here on the undo data has the files
    (root / RULE).write_text("changed\n")
    assert f"/{RULE}" in dnf.plugin(root, "verify").text
    succeeded(dnf.plugin(root, "repair", "-y", "site"))
    assert (root / RULE).read_text() == rule
    second = site(tmp_path / "second", "2", packages="<packages/>", rule='KERNEL=="vd*"')
    run(["tar", "--create", "--zstd", f"--file={second}.tar.zst", f"--directory={tmp_path}",
         "second"])
    upgraded = succeeded(dnf.plugin(root, "install", "-y", f"{second}.tar.zst"))
    assert "no setting uses" not in upgraded.text
    assert 'KERNEL=="vd*"' in (root / RULE).read_text()
    assert dnf.plugin(root, "install", "-y", site(tmp_path / "old", "1")).status == 2
    succeeded(dnf.plugin(root, "verify"))
    succeeded(dnf.plugin(root, "remove", "-y", "site"))
    assert state_differences(before, tree_state(root)) == []
