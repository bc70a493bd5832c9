"""Upgrades of several plugins in one run, with settings that pass from one to another."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

SYSCTL = '<sysctl name="kernel.panic" value="{}"/>'
SERVICE = '<service name="sshd.service" state="{}"/>'
USER = '<user name="usr" shell="{}"/>'
GROUP = '<group name="grp" gid="{}"/>'
EVERY = (SYSCTL.format(1), SERVICE.format("disabled"), USER.format("/bin/sh"), GROUP.format(600))
OTHERS = (SYSCTL.format(2), SERVICE.format("masked"), USER.format("/sbin/nologin"),
          GROUP.format(601))
HOOK = '<vdsm-hook point="before_vm_start" order="10" name="h" source="/opt/{}/hook"/>'
BROKEN = '<service name="nope.service" state="enabled"/>'


def bundles(folder: Path, version: str, settings_one: Sequence[str],
            settings_two: Sequence[str]) -> Sequence[Path]:
    """Return one version of the plugins one and two with these settings.

    Each contains a file that can be the source of a hook.
    """
    return [make_plugin(folder, name, version, settings=settings,
                        files={f"/opt/{name}/hook": f"#!/bin/sh\n# {name} {version}\n"})
            for name, settings in (("one", settings_one), ("two", settings_two))]


def install(dnf: Dnf, node: Path, *plugins: Path) -> Answer:
    return dnf.plugin(node, "install", *plugins, "-y", UNSIGNED)


@pytest.mark.parametrize(("settings_one", "settings_two"), [
    ((), EVERY), (EVERY, ()), (OTHERS, OTHERS), ((), ())],
    ids=["the first drops them", "the second drops them", "both change", "both drop them"])
def test_settings_shared_before_an_upgrade_are_undone_with_the_last_plugin(
        node: Path, tmp_path: Path, dnf: Dnf, settings_one: Sequence[str],
        settings_two: Sequence[str]) -> None:
    before = tree_state(node)
    succeeded(install(dnf, node, *bundles(tmp_path, "1.0", EVERY, EVERY)))
    succeeded(install(dnf, node, *bundles(tmp_path, "2.0", settings_one, settings_two)))
    assert succeeded(dnf.plugin(node, "verify")).out.splitlines() == ["one 2.0: ok", "two 2.0: ok"]
    succeeded(dnf.plugin(node, "remove", "one", "two", "-y"))
    assert state_differences(before, tree_state(node)) == []


def test_a_failing_upgrade_restores_the_shared_settings_that_it_had_undone(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    succeeded(install(dnf, node, *bundles(tmp_path, "1.0", EVERY, EVERY)))
    before = tree_state(node)
    failed = install(dnf, node, *bundles(tmp_path, "2.0", (), (BROKEN,)))
    assert failed.status != 0 and "nope.service" in failed.text
    assert state_differences(before, tree_state(node)) == []
    assert succeeded(dnf.plugin(node, "verify")).out.splitlines() == ["one 1.0: ok", "two 1.0: ok"]


@pytest.mark.parametrize("reverse", [False, True],
                         ids=["dropping plugin first", "adding plugin first"])
def test_a_hook_and_a_value_move_to_another_plugin_in_one_run(
        node: Path, tmp_path: Path, dnf: Dnf, reverse: bool) -> None:
    before = tree_state(node)
    succeeded(install(dnf, node, *bundles(
        tmp_path, "1.0", (HOOK.format("one"), SYSCTL.format(1)), ())))
    new = bundles(tmp_path, "2.0", (), (HOOK.format("two"), SYSCTL.format(2)))
    succeeded(install(dnf, node, *(reversed(new) if reverse else new)))
    assert succeeded(dnf.plugin(node, "verify")).out.splitlines() == ["one 2.0: ok", "two 2.0: ok"]
    succeeded(dnf.plugin(node, "remove", "one", "two", "-y"))
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.parametrize("wish", [HOOK.format("two"), SYSCTL.format(2)], ids=["hook", "sysctl"])
def test_a_setting_that_an_installed_plugin_keeps_is_refused_and_its_owner_named(
        node: Path, tmp_path: Path, dnf: Dnf, wish: str) -> None:
    settings = (HOOK.format("one"), SYSCTL.format(1))
    succeeded(install(dnf, node, *bundles(tmp_path, "1.0", settings, ())))
    bundle_one, bundle_two = bundles(tmp_path, "2.0", settings, (wish,))
    refused = install(dnf, node, bundle_two, bundle_one)
    assert refused.status != 0
    assert "plugin one" in refused.text
    assert "Move that file away" not in refused.text
