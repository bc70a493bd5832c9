"""Upgrades of several plugins in one run, of which one has what another gives up."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, done
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


def bundles(folder: Path, version: str, one: Sequence[str], two: Sequence[str]) -> Sequence[Path]:
    """Return one version of two plugins with these settings; each brings a file for a hook."""
    return [make_plugin(folder, name, version, settings=settings,
                        files={f"/opt/{name}/hook": f"#!/bin/sh\n# {name} {version}\n"})
            for name, settings in (("one", one), ("two", two))]


def install(dnf: Dnf, node: Path, *plugins: Path) -> Answer:
    return dnf.plugin(node, "install", *plugins, "-y", UNSIGNED)


@pytest.mark.parametrize(("one", "two"), [
    ((), EVERY), (EVERY, ()), (OTHERS, OTHERS), ((), ())],
    ids=["the first gives up", "the second gives up", "both change", "both give up"])
def test_what_two_plugins_shared_before_both_were_upgraded_goes_with_the_last(
        node: Path, tmp_path: Path, dnf: Dnf, one: Sequence[str], two: Sequence[str]) -> None:
    before = tree_state(node)
    done(install(dnf, node, *bundles(tmp_path, "1.0", EVERY, EVERY)))
    done(install(dnf, node, *bundles(tmp_path, "2.0", one, two)))
    assert done(dnf.plugin(node, "verify")).out.splitlines() == ["one 2.0: ok", "two 2.0: ok"]
    done(dnf.plugin(node, "remove", "one", "two", "-y"))
    assert state_differences(before, tree_state(node)) == []


def test_an_upgrade_that_fails_brings_back_what_the_last_of_two_plugins_put_back(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    done(install(dnf, node, *bundles(tmp_path, "1.0", EVERY, EVERY)))
    before = tree_state(node)
    failed = install(dnf, node, *bundles(tmp_path, "2.0", (), (BROKEN,)))
    assert failed.status != 0 and "nope.service" in failed.text
    assert state_differences(before, tree_state(node)) == []
    assert done(dnf.plugin(node, "verify")).out.splitlines() == ["one 1.0: ok", "two 1.0: ok"]


@pytest.mark.parametrize("turned", [False, True], ids=["given first", "taken first"])
def test_a_hook_and_a_value_move_to_another_plugin_in_one_run(
        node: Path, tmp_path: Path, dnf: Dnf, turned: bool) -> None:
    before = tree_state(node)
    done(install(dnf, node, *bundles(
        tmp_path, "1.0", (HOOK.format("one"), SYSCTL.format(1)), ())))
    new = bundles(tmp_path, "2.0", (), (HOOK.format("two"), SYSCTL.format(2)))
    done(install(dnf, node, *(reversed(new) if turned else new)))
    assert done(dnf.plugin(node, "verify")).out.splitlines() == ["one 2.0: ok", "two 2.0: ok"]
    done(dnf.plugin(node, "remove", "one", "two", "-y"))
    assert state_differences(before, tree_state(node)) == []


@pytest.mark.parametrize("wish", [HOOK.format("two"), SYSCTL.format(2)], ids=["hook", "sysctl"])
def test_what_an_installed_plugin_keeps_is_refused_by_its_name(
        node: Path, tmp_path: Path, dnf: Dnf, wish: str) -> None:
    kept = (HOOK.format("one"), SYSCTL.format(1))
    done(install(dnf, node, *bundles(tmp_path, "1.0", kept, ())))
    one, two = bundles(tmp_path, "2.0", kept, (wish,))
    refused = install(dnf, node, two, one)
    assert refused.status != 0
    assert "plugin one" in refused.text
    assert "Move that file away" not in refused.text
