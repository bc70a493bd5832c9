"""What tmpfiles.d(5) files of a plugin describe is created in a root that is not running."""
from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = pytest.mark.root

OF_PACKAGE = """\
d /var/lib/acme 0750 acme acme
f /var/lib/acme/state 0640 acme acme - hello
L /var/lib/acme/link - - - - /opt/acme
d /var/opt/deep/folder 0755
d /run/acme 0755
d /var/log/acme 0755
d /other/acme 0755
z /etc/shadow 0666
f+ /etc/passwd - - - - changed
"""
MASKED = "d /var/lib/masked 0755\n"
OF_SETTING = "d /srv/acme 2770 root acme\nC /srv/acme/copy - - - - /opt/acme\n"
SETTINGS = ('<persistent-path path="/srv/acme"/>', '<persistent-path path="/var/lib/acme"/>',
            '<user name="acme"/>', '<tmpfiles source="/opt/acme/tmp.conf" name="acme.conf"/>')


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_described_paths_are_created_and_removed_again(full_root: Path, dnf: Dnf,
                                                       tmp_path: Path) -> None:
    root, before = full_root, tree_state(full_root)
    (root / "etc/tmpfiles.d/masked.conf").symlink_to("/dev/null")
    bundle = make_plugin(tmp_path, "acme", settings=SETTINGS, files={
        "/usr/lib/tmpfiles.d/package.conf": OF_PACKAGE, "/opt/acme/tmp.conf": OF_SETTING,
        "/usr/lib/tmpfiles.d/masked.conf": MASKED})
    answer = succeeded(dnf.plugin(root, "install", bundle, "-y", UNSIGNED))
    assert "tmpfiles of plugin acme created /srv/acme," in answer.text
    assert all(f"{doer} made" not in answer.text for doer in ("Scriptlets", "The transaction"))
    uid = (root / "var/lib/acme").stat().st_uid
    assert uid and f"acme:x:{uid}:" in (root / "etc/passwd").read_text()
    assert [mode_of(root / path) for path in ("var/lib/acme", "var/lib/acme/state", "srv/acme")] \
        == [0o750, 0o640, 0o2770]
    assert (root / "var/lib/acme/state").read_text() == "hello"
    assert os.readlink(root / "var/lib/acme/link") == "/opt/acme"
    assert (root / "srv/acme/copy/tmp.conf").read_text() == OF_SETTING
    assert (root / "var/opt/deep/folder").is_dir()
    for absent in ("run/acme", "var/log/acme", "var/lib/masked", "other"):
        assert not (root / absent).exists(), absent
    assert mode_of(root / "etc/shadow") != 0o666
    succeeded(dnf.plugin(root, "verify"))
    (plugin,) = succeeded(dnf.plugin(root, "manifest", "acme", "--json")).json["plugins"]
    unowned = {file["path"] for file in plugin["others"]}
    assert {"/var/lib/acme", "/var/lib/acme/state", "/srv/acme/copy/tmp.conf"} <= unowned
    succeeded(dnf.plugin(root, "remove", "acme", "-y"))
    (root / "etc/tmpfiles.d/masked.conf").unlink()
    assert state_differences(before, tree_state(root)) == []
