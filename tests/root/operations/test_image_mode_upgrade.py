"""Plugins after the update of a deployed system in image mode, which merges /etc."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Mapping, NamedTuple

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.etc_merge import deploy
from tests.support.fixtures import copy_tree
from tests.support.image_mode import make_image_mode

pytestmark = [pytest.mark.root]

RECORD, CONFIG = "etc/ovirt.plugins.d/agent", "etc/agent.conf"
WANTS = "etc/systemd/system/multi-user.target.wants/agent.service"
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
NONE, ONE, TWO = "none", "1.0", "2.0"


def touched(root: Path) -> None:
    (root / RECORD).chmod(0o600)


def removed(root: Path) -> None:
    (root / RECORD).unlink()


def configured(root: Path) -> None:
    (root / CONFIG).write_text("the administrator's\n")


def untouched(root: Path) -> None:
    """Change nothing."""


class Case(NamedTuple):
    """An update from one image to another, with what was changed locally before.

    ``record`` is the version in the record in /etc afterwards, empty without one; ``version``
    that of the plugin according to ``list``, and ``config`` the content of its file.
    """

    old: str
    local: Callable[[Path], None]
    new: str
    record: str
    version: str
    config: str


CASES: Mapping[str, Case] = {
    "a record comes with the image": Case(NONE, untouched, ONE, ONE, ONE, "agent 1.0\n"),
    "a record follows the image": Case(ONE, untouched, TWO, TWO, TWO, "agent 2.0\n"),
    "a record goes with the image": Case(TWO, untouched, NONE, "", "", ""),
    "after a rollback": Case(TWO, untouched, ONE, ONE, ONE, "agent 1.0\n"),
    "a touched record stays old": Case(ONE, touched, TWO, ONE, TWO, "agent 2.0\n"),
    "a removed record stays away": Case(ONE, removed, TWO, "", TWO, "agent 2.0\n"),
    "a touched record outlives its plugin": Case(TWO, touched, NONE, TWO, "", ""),
    "the administrator's file stays": Case(ONE, configured, TWO, TWO, TWO,
                                           "the administrator's\n"),
}


@pytest.fixture(scope="module")
def images(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory
           ) -> Dict[str, Path]:
    """Three images of one host: without the plugin, and with each of its versions."""
    work = tmp_path_factory.mktemp("images")
    root, dnf = make_image_mode(built.host_root(work / "root")), Dnf(work / "dnf")
    images = {NONE: copy_tree(root, work / NONE)}
    for version in (ONE, TWO):
        bundle = make_plugin(
            work, "agent", version, settings=['<service name="agent.service" state="enabled"/>'],
            files={f"/{CONFIG}": f"agent {version}\n",
                   "/usr/lib/systemd/system/agent.service": UNIT})
        succeeded(dnf.plugin(root, "install", bundle, "-y", UNSIGNED))
        images[version] = copy_tree(root, work / version)
    return images


def recorded_version(root: Path) -> str:
    """Return the version in the record in /etc, empty without one."""
    text = (root / RECORD).read_text() if (root / RECORD).exists() else ""
    return next((version for version in (ONE, TWO) if f"<version>{version}<" in text), "")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_image_says_which_plugins_there_are_after_an_update(
        case: Case, images: Mapping[str, Path], dnf: Dnf, tmp_path: Path) -> None:
    running = copy_tree(images[case.old], tmp_path / "running")
    case.local(running)
    root = deploy(images[case.new], tmp_path / "next", old_image=images[case.old], running=running)
    assert recorded_version(root) == case.record
    listed = {plugin["name"]: plugin for plugin in dnf.plugin(root, "list", "--json").json[
        "plugins"]}
    assert listed.get("agent", {}).get("version", "") == (case.version or case.record)
    assert ((root / CONFIG).read_text() if (root / CONFIG).exists() else "") == case.config
    assert (root / WANTS).is_symlink() == bool(case.version)
    reconciled = dnf.plugin(root, "verify", "--reconcile", "--json")
    # the file is no configuration file of its package
    assert reconciled.status == (9 if case.local is configured else 0), reconciled.text
    assert ("corrections" in reconciled.json) == (case.record != case.version), reconciled.out
    assert recorded_version(root) == case.version
    assert ((root / CONFIG).read_text() if (root / CONFIG).exists() else "") == case.config
    if case.record != case.version:
        assert "corrections" not in dnf.plugin(root, "verify", "--reconcile", "--json").json
