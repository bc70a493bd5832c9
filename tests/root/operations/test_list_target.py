"""What ``list --json`` tells of the root: what it is, and the refusal of every change."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.image_mode import make_image_mode
from tests.support.unprivileged import as_nobody

pytestmark = [pytest.mark.root]

ALLOWED = {"allowed": True, "status": 0, "message": "", "hint": "", "lines": []}
UNSEALED = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", "--")


def target_of(dnf: Dnf, root: Path) -> Any:
    return dnf.plugin(root, "list", "--json").json["target"]


def refusal_of_a_change(dnf: Dnf, root: Path, tmp_path: Path) -> Any:
    """Return the error of an install, with the members that ``changes`` has too."""
    plugin = make_plugin(tmp_path, "acme")
    answer = dnf.plugin(root, "install", plugin, "-y", UNSIGNED, "--json")
    error = answer.json["error"]
    assert error["status"] == answer.status
    return {name: error[name] for name in ("status", "message", "hint")}


def test_the_target_of_a_node_and_a_host(node: Path, host: Path, dnf: Dnf) -> None:
    told = target_of(dnf, node)
    assert told == {"root": str(node), "kind": "node", "name": "oVirt Node 4.5.5",
                    "version": "4.5.5", "live": False, "image_mode": False, "deployed": False,
                    "changes": ALLOWED}
    told = target_of(dnf, host)
    assert (told["kind"], told["version"], told["changes"]) == ("host", "9.2", ALLOWED)
    assert target_of(dnf, make_image_mode(host))["image_mode"] is True
    assert as_nobody(dnf, node, "list", "--json").json["target"]["changes"] == ALLOWED


def test_the_refusal_where_no_program_can_be_isolated(node: Path, dnf: Dnf,
                                                      tmp_path: Path) -> None:
    dnf.prefix = UNSEALED
    wanted = refusal_of_a_change(dnf, node, tmp_path)
    assert "cannot be isolated from this machine" in wanted["message"]
    assert target_of(dnf, node)["changes"] == {"allowed": False, "lines": [], **wanted}
    dnf.configure(isolation="off")
    assert target_of(dnf, node)["changes"] == ALLOWED


def test_the_refusal_of_a_root_whose_journal_would_be_elsewhere(node: Path, dnf: Dnf,
                                                                tmp_path: Path) -> None:
    (node / "var/lib/ovirt-node-plugin").symlink_to("/srv")
    wanted = refusal_of_a_change(dnf, node, tmp_path)
    assert wanted["status"] == 9
    assert target_of(dnf, node)["changes"] == {"allowed": False, "lines": [], **wanted}
