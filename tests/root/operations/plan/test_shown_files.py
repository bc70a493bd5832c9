"""A plan shows files of configuration in full, of the bundle and of packages."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import tree_state

pytestmark = [pytest.mark.root]

SETTINGS = ('<config-file folder="motd" name="site" source="/opt/site/motd"/>',
            '<config-file folder="profile" name="site.sh" source="/opt/site/site.sh"/>',
            '<config-file folder="pam" name="site" source="files/pam"/>')
PAM = "# \x1b[31m\nauth required pam_deny.so\n"
FILES = {"/opt/site/motd": "Be careful.\n", "/opt/site/site.sh": "export SITE=1\n"}


@pytest.fixture
def bundle(node: Path, tmp_path: Path) -> Path:
    """A plugin for the node, which has what reads its files but no bash that checks one."""
    (node / "etc/pam.d").mkdir(exist_ok=True)
    (node / "etc/profile").touch()
    (node / "usr/bin/bash").unlink(missing_ok=True)
    bundle = make_plugin(tmp_path, "site", settings=SETTINGS, files=FILES)
    (bundle / "files").mkdir()
    (bundle / "files/pam").write_text(PAM)
    return bundle


def test_a_plan_shows_files_of_packages_and_the_dangerous_ones_first(
        dnf: Dnf, node: Path, bundle: Path) -> None:
    before = tree_state(node)
    (plugin,) = succeeded(dnf.plugin(
        node, "install", UNSIGNED, bundle, "--dry-run", "--json")).json["plugins"]
    assert [(setting["key"], setting["content"]) for setting in plugin["settings"]] == [
        ("profile/site.sh", "export SITE=1\n"), ("pam/site", PAM),
        ("motd/site", FILES["/opt/site/motd"])]
    assert plugin["notes"] == [
        "the root has no bash, so nothing checks the syntax of profile/site.sh before it is read",
        "no program checks the syntax of pam/site before it is read"]
    text = succeeded(dnf.plugin(node, "install", UNSIGNED, bundle, "--dry-run")).text
    assert text.index("export SITE=1") < text.index("pam_deny.so") < text.index("careful.")
    assert "which decides who may use a service of its name" in text and "\x1b" not in text
    assert tree_state(node) == before
