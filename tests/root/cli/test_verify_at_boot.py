"""The program of the unit that verifies plugins at boot: what it prints, writes and returns."""
from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Container, List, Sequence

import pytest

from ovirt_node_plugin.cli import verify_at_boot
from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.registry.places import ETC
from ovirt_node_plugin.system.path_sets import BOOT_PROBLEMS, IMAGE_MANIFESTS, IMAGE_REGISTRY
from ovirt_node_plugin.system.run import StrPath
from ovirt_node_plugin.vdsm import capabilities
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.repositories import remove_package

pytestmark = [pytest.mark.root]


class OnRoot:
    """Runs the argument lists of the program with ``--installroot``."""

    def __init__(self, dnf: Dnf, root: Path) -> None:
        self.dnf, self.root = dnf, root
        self.argvs: List[Sequence[StrPath]] = []

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,)) -> str:
        self.argvs.append(argv)
        return self.dnf(self.root, *argv[1:]).out

    def verify(self) -> int:
        return verify_at_boot.main(self.root, runner=self)  # type: ignore[arg-type]


def states(root: Path) -> List[object]:
    plugins = capabilities.describe_plugins(str(root))["plugins"]
    assert isinstance(plugins, list)
    return [(plugin["name"], plugin["state"], plugin["problem"]) for plugin in plugins]


def test_problems_are_shown_until_they_are_gone(
        node: Path, dnf: Dnf, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sysctl = '<sysctl name="vm.swappiness" value="5"/>'
    for name in ("gone", "one"):
        bundle = make_plugin(tmp_path, name, settings=[sysctl], files={f"/opt/{name}": "x"})
        succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    at_boot, motd = OnRoot(dnf, node), node / verify_at_boot.MOTD
    assert at_boot.verify() == 0 and not motd.exists() and not (node / BOOT_PROBLEMS).exists()
    assert at_boot.argvs == [["dnf-3", "--quiet", "node-plugin", "verify", "--reconcile", "--json"]]
    assert capsys.readouterr().out == "gone 1.0: ok\none 1.0: ok\n"

    for folder in (IMAGE_REGISTRY, IMAGE_MANIFESTS):
        shutil.rmtree(node / folder)
    remove_package(node, "gone")
    (node / "etc/sysctl.d/node-plugin-vm.swappiness.conf").write_text("vm.swappiness = 9\n")
    assert at_boot.verify() == 9
    assert f"gone: removed /{ETC.record('gone')}: " in capsys.readouterr().out
    lines = motd.read_text().splitlines()
    assert lines[0].startswith("Node plugin one 1.0 is broken: ")
    assert lines[1].startswith("To repair: dnf ") and lines[1].endswith(" node-plugin repair one")
    assert lines[2:] == ["Node plugin gone is not in this image. Its record was removed."]
    assert motd.stat().st_mode & 0o777 == 0o644
    ((_, problem),) = json.loads((node / BOOT_PROBLEMS).read_text()).values()
    assert lines[0].endswith(problem)

    os.utime(node / ETC.record("one"), ns=(1, 1))  # another record: VDSM ignores the problem
    assert all(problem not in str(state) for state in states(node))
    succeeded(dnf.plugin(node, "repair", "-y", UNSIGNED))
    assert at_boot.verify() == 0 and not motd.exists() and not (node / BOOT_PROBLEMS).exists()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"one": 1}', b'{"one": [true, {}]}', None])
def test_a_damaged_list_of_problems_does_not_stop_vdsm(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "run/ovirt-node-plugin").mkdir(parents=True)
    (tmp_path / ETC.registry).mkdir(parents=True)
    (tmp_path / ETC.record("one")).write_text("damaged")
    if data is None:
        (tmp_path / BOOT_PROBLEMS).mkdir()
    else:
        (tmp_path / BOOT_PROBLEMS).write_bytes(data)
    assert [state[:2] for state in states(tmp_path)] == [("one", "broken")]  # type: ignore[index]


@pytest.mark.parametrize(("text", "message", "hint"), [
    ("", "dnf-3 gave no answer to verify", "Run: dnf node-plugin verify"),
    ('{"format": 1, "error": {"status": 200, "kind": "Locked", "message": "busy",'
     ' "hint": "Wait."}}', "busy", "Wait.")])
def test_a_failure_of_dnf_is_shown(text: str, message: str, hint: str, tmp_path: Path,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_at_boot.main(tmp_path, runner=lambda argv, **_: text) == 1
    error = capsys.readouterr().err.splitlines()
    assert error == [message, hint]
    assert (tmp_path / verify_at_boot.MOTD).read_text().splitlines() == [
        f"Node plugins could not be verified: {message}", hint]


def test_a_missing_dnf_is_shown(tmp_path: Path) -> None:
    def missing(argv: Sequence[StrPath], **_: object) -> str:
        raise CommandError("dnf-3 is not installed", argv=["dnf-3"], returncode=None)
    assert verify_at_boot.main(tmp_path, runner=missing) == 1
    assert (tmp_path / verify_at_boot.MOTD).exists()
