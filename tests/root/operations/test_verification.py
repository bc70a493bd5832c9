"""What verify takes for damage, and what for a change of an administrator."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Set, Tuple

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.unprivileged import as_nobody

pytestmark = pytest.mark.root

CONFIG = {"/etc/opt/agent/edited.conf": "%config(noreplace)", "/etc/opt/agent/mode.conf": "%config",
          "/etc/opt/agent/link.conf": "%config", "/etc/opt/agent/gone.conf": "%config"}
GHOST = "/opt/agent/state"


@pytest.fixture
def with_agent(dnf: Dnf, node: Path, tmp_path: Path) -> Path:
    """A node with a plugin that has configuration files, a ghost file and a setting."""
    bundle = make_plugin(
        tmp_path, "agent", files={**dict.fromkeys(CONFIG, "x=1\n"), "/opt/agent/tool": "tool\n",
                                  GHOST: "", "/opt/agent/modified": "", "/opt/agent/plain": ""},
        attributes={**CONFIG, GHOST: "%ghost"},
        settings=['<sysctl name="vm.swappiness" value="1"/>'])
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    return node


def findings(answer: Answer) -> Set[Tuple[str, str, str]]:
    (plugin,) = answer.json["plugins"]
    return {(found["kind"], found["path"], found["package"]) for found in plugin["findings"]}


def plugin_of(answer: Answer) -> Dict[str, Any]:
    (plugin,) = answer.json["plugins"]
    return dict(plugin)


def edit_configuration(root: Path) -> None:
    """Change the configuration as an administrator may, by content, mode and link."""
    folder = root / "etc/opt/agent"
    (folder / "edited.conf").write_text("x=2, and more\n")
    (folder / "mode.conf").chmod(0o600)
    (folder / "link.conf").unlink()
    (folder / "link.conf").symlink_to("edited.conf")
    state = root / GHOST.lstrip("/")
    state.write_text("written by the program")
    state.chmod(0o600)


def test_changes_of_configuration_files_are_notes_unless_strict(with_agent: Path,
                                                                dnf: Dnf) -> None:
    edit_configuration(with_agent)
    answer = dnf.plugin(with_agent, "verify")
    assert answer.status == 0
    first, *notes = answer.out.splitlines()
    assert first == "agent 1.0: ok"
    assert len(notes) == 4
    assert all(note.startswith("agent 1.0: note: ") for note in notes)
    changed = "agent 1.0: note: configuration file /etc/opt/agent/mode.conf was changed (mode)"
    assert changed in notes
    assert dnf.plugin(with_agent, "list", "--json").json["plugins"][0]["state"] == "installed"
    answer = dnf.plugin(with_agent, "verify", "--json")
    assert (answer.status, answer.json["ok"], plugin_of(answer)["problems"]) == (0, True, [])
    package = "agent-1.0-1.noarch"
    config = {("config", f"/etc/opt/agent/{name}.conf", package)
               for name in ("edited", "mode", "link")}
    assert findings(answer) == {*config, ("ghost", GHOST, package)}
    answer = dnf.plugin(with_agent, "verify", "--strict", "--json")
    assert (answer.status, answer.json["ok"]) == (9, False)
    assert findings(answer) == {*config, ("ghost", GHOST, package)}
    answer = as_nobody(dnf, with_agent, "verify", "--json")
    assert answer.status == 0
    assert findings(answer) == config


def test_damage_is_distinguished_by_its_kind(with_agent: Path, dnf: Dnf) -> None:
    edit_configuration(with_agent)
    (with_agent / "etc/opt/agent/gone.conf").unlink()
    (with_agent / "opt/agent/tool").write_text("another tool\n")
    (with_agent / "opt/agent/modified").chmod(0o777)
    os.unlink(with_agent / "opt/agent/plain")
    (setting,) = (with_agent / "etc/sysctl.d").glob("*swappiness*")
    setting.write_text("vm.swappiness = 60\n")
    answer = dnf.plugin(with_agent, "verify", "--json")
    assert answer.status == 9
    package = "agent-1.0-1.noarch"
    damage = {("file", f"/opt/agent/{name}", package) for name in ("tool", "modified", "plain")}
    damage.add(("file", "/etc/opt/agent/gone.conf", package))
    damaged = plugin_of(answer)
    assert findings(answer) > damage | {
        ("setting", f"/{setting.relative_to(with_agent)}", "")}
    assert len(damaged["problems"]) == 5 and len(damaged["notes"]) == 4
    answer = as_nobody(dnf, with_agent, "verify", "--json")
    assert answer.status == 9
    assert findings(answer) > {("file", "/opt/agent/modified", package),
                               ("file", "/etc/opt/agent/gone.conf", package)}
