"""Packages that are refused for what their headers say, before anything is changed."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

SECTIONS = ("pre", "post", "preun", "postun", "pretrans", "posttrans")
TRIGGERS = ("triggerprein", "triggerin", "triggerun", "triggerpostun", "filetriggerin",
            "filetriggerun", "filetriggerpostun", "transfiletriggerin", "transfiletriggerun",
            "transfiletriggerpostun")
EXPANDING = (*(f"{name} -q" for name in SECTIONS),
             *(f"{name} -e -- {'/opt' if 'file' in name else 'other'}" for name in TRIGGERS))


def assert_refused(dnf: Dnf, root: Path, bundle: Path, *reasons: str) -> None:
    before = tree_state(root)
    answer = dnf.plugin(root, "install", "-y", UNSIGNED, bundle)
    assert answer.status != 0
    assert "packages could change this machine instead of the root" in answer.text, answer.text
    for reason in reasons:
        assert reason in answer.text, answer.text
    assert state_differences(before, tree_state(root)) == []


def test_scriptlets_in_which_rpm_expands_macros_are_refused_and_named(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    """All in one package, as each run of dnf takes a second; the message names each."""
    bundle = make_plugin(tmp_path, "macros", requires="busybox",
                         scriptlets=dict.fromkeys(EXPANDING, "true"))
    assert_refused(dnf, node, bundle, *(
        f"macros-1.0-1.noarch: rpm expands macros in its scriptlet {name}" for name in (
            *SECTIONS, "trigger,", "filetrigger,", "transfiletrigger,")))


@pytest.mark.parametrize("section", SECTIONS)
def test_each_scriptlet_with_macros_is_refused_by_itself(
        dnf: Dnf, node: Path, tmp_path: Path, section: str) -> None:
    bundle = make_plugin(tmp_path, "macros", requires="busybox",
                         scriptlets={f"{section} -e": "true"})
    assert_refused(dnf, node, bundle, f"scriptlet {section}, outside of the root")


def test_a_package_with_macros_is_installed_if_its_name_is_allowed(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "macros", requires="busybox",
                         scriptlets={"post -e": "echo %{_arch} > /etc/expanded"})
    dnf.configure(isolation_allow="other mac*")
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert (node / "etc/expanded").exists()


NODE: Dict[str, Any] = {"attributes": {"/opt/device": "%dev(c, 1, 3)"}}


def test_a_package_with_a_device_node_is_refused(dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "devices", **NODE)
    assert_refused(dnf, node, bundle, "it contains the device node /opt/device")


def test_a_package_with_a_device_node_is_installed_if_its_name_is_allowed(
        dnf: Dnf, host: Path, tmp_path: Path) -> None:
    dnf.configure(isolation_allow="devices")
    before = tree_state(host)
    succeeded(dnf.plugin(host, "install", "-y", UNSIGNED, make_plugin(tmp_path, "devices", **NODE)))
    assert os.stat(host / "opt/device").st_rdev == os.makedev(1, 3)
    succeeded(dnf.plugin(host, "remove", "-y", "devices"))
    assert state_differences(before, tree_state(host)) == []


LOGS = ("dnf.log", "dnf.librepo.log", "dnf.rpm.log", "hawkey.log")


@pytest.mark.parametrize(("path", "reason"), [
    *((f"/var/log/{name}", "is reserved") for name in LOGS),
    ("/var/cache/dnf/packages", "dnf follows its symbolic link /var/cache/dnf/packages to"),
    ("/var/lib/dnf/history", "/var/lib/dnf/history"),
])
def test_a_link_where_dnf_writes_is_refused(
        dnf: Dnf, host: Path, tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "outside").write_text("as it was")
    bundle = make_plugin(tmp_path, "links", links={path: str(tmp_path / "outside")})
    answer = dnf.plugin(host, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 6 and reason in answer.text, answer.text
    assert not os.path.islink(f"{host}{path}")
    succeeded(dnf.plugin(host, "list"))
    assert (tmp_path / "outside").read_text() == "as it was"


@pytest.mark.parametrize("path", ["var/log/dnf.log", "var/log/hawkey.log", "var/lib/dnf/x",
                                  "etc/yum/vars"])
def test_a_link_that_a_scriptlet_leaves_where_dnf_opens_files_is_undone(
        dnf: Dnf, node: Path, tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir() if path == "etc/yum/vars" else outside.write_text("as it was")
    bundle = make_plugin(tmp_path, "links", requires="busybox", scriptlets={
        "post": f"mkdir -p /{os.path.dirname(path)}; rm -rf /{path}; ln -s {outside} /{path}"})
    before = tree_state(node)
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8 and "rolled back" in answer.text, answer.text
    assert f"/{path}" in answer.text
    succeeded(dnf.plugin(node, "list"))
    assert state_differences(before, tree_state(node)) == []
    assert outside.is_dir() or outside.read_text() == "as it was"


@pytest.mark.parametrize("name", LOGS)
def test_a_root_with_a_link_in_place_of_dnfs_log_is_refused_with_the_way_to_repair_it(
        dnf: Dnf, node: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("")
    (node / "var/log").mkdir(exist_ok=True)
    (node / "var/log" / name).symlink_to(tmp_path / "outside")
    answer = dnf.plugin(node, "verify")
    assert answer.status != 0 and f"/var/log/{name}" in answer.text, answer.text
    assert "Make it a relative link" in answer.text or "remove it" in answer.text
