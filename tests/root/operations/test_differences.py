"""What was and what is, of each kind of finding of verify."""
from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Tuple

import pytest

from ovirt_node_plugin.registry.places import ETC, IMAGE
from ovirt_node_plugin.system.file_capabilities import CAPABILITY
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.unprivileged import as_nobody

pytestmark = [pytest.mark.root]

NET_BIND = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
TOP, CONFIG, SCRIPTS = "opt/agent", "etc/opt/agent/edited.conf", "etc/profile.d/agent.sh"
PACKED = "packed\n"
HOOK = "usr/libexec/vdsm/hooks/before_vm_start/50_agent"
SYSCTL = "etc/sysctl.d"
ABSENT, THERE = ("present", "yes", "no"), ("present", "no", "yes")
Told = Tuple[str, str, str]
Fault = Tuple[str, Callable[[Path], object], List[Told]]


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(0o644)


def relinked(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


def rewritten(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


# Of each fault: the kind of the finding, what makes it, and the differences, by the path.
FAULTS: Mapping[str, Fault] = {
    f"{TOP}/mode": ("file", lambda path: path.chmod(0o640), [("mode", "0755", "0640")]),
    f"{TOP}/owner": ("file", lambda path: os.chown(path, 12345, 12345),
                     [("owner", "root", "12345"), ("group", "root", "12345")]),
    f"{TOP}/content": ("file", rewritten("PACKED\n"),
                       [("digest", digest(PACKED), digest("PACKED\n"))]),
    f"{TOP}/size": ("file", rewritten("longer text\n"),
                    [("size", "7", "12"), ("digest", digest(PACKED), digest("longer text\n"))]),
    f"{TOP}/gone": ("file", Path.unlink, [ABSENT]),
    f"{TOP}/kind": ("file", replaced_by_folder, [("kind", "file", "dir")]),
    f"{TOP}/link": ("file", relinked, [("link", "mode", "elsewhere")]),
    f"{TOP}/rights": ("file", lambda path: os.setxattr(path, CAPABILITY, NET_BIND),
                      [("capabilities", "cap_net_raw=ep", "cap_net_bind_service=ep")]),
    CONFIG: ("config", rewritten("edited\n"), [("digest", digest(PACKED), digest("edited\n"))]),
    f"{TOP}/state": ("ghost", lambda path: path.touch(0o600), [("mode", "0644", "0600")]),
    SCRIPTS: ("scriptlet", rewritten("other\n"), [("digest", digest("made\n"),
                                                   digest("other\n"))]),
    "etc/agent.made": ("scriptlet", Path.unlink, [ABSENT]),
    HOOK: ("setting", lambda path: path.chmod(0o700), [("mode", "0755", "0700")]),
}


@pytest.fixture
def with_agent(dnf: Dnf, node: Path, tmp_path: Path) -> Path:
    """A node with a plugin that has everything in FAULTS, and some settings."""
    bundle = make_plugin(
        tmp_path, "agent", requires="busybox",
        files={f"/{TOP}/hook": "#!/bin/sh\n", **{
            f"/{path}": "" if path.endswith("state") else PACKED for path in FAULTS
            if path.startswith(TOP) and not path.endswith("link") or path == CONFIG}},
        links={f"/{TOP}/link": "mode"},
        attributes={f"/{TOP}/{name}": "%attr(0755,root,root)" for name in ("mode", "hook")} | {
            f"/{TOP}/rights": "%caps(cap_net_raw=ep)", f"/{CONFIG}": "%config(noreplace)",
            f"/{TOP}/state": "%ghost %attr(0644,root,root)"},
        scriptlets={"post": f"echo made > /{SCRIPTS}; echo made > /etc/agent.made"},
        settings=[f'<vdsm-hook point="before_vm_start" order="50" name="agent"'
                  f' source="/{TOP}/hook"/>', '<sysctl name="vm.swappiness" value="1"/>',
                  '<user name="agent" home="/opt/agent"/>',
                  '<service name="sshd.service" state="disabled"/>'])
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    return node


def told(answer: Answer) -> Dict[str, Tuple[str, List[Told]]]:
    """Return kind and differences, without times, of each finding by its path or text."""
    (plugin,) = answer.json["plugins"]
    return {found["path"][1:] or found["text"]: (found["kind"], [
        (each["what"], each["was"], each["is"]) for each in found["differences"]
        if each["what"] != "time"]) for found in plugin["findings"]}


def test_each_file_that_differs_has_what_was_and_what_is(with_agent: Path, dnf: Dnf) -> None:
    for path, (_, fault, _) in FAULTS.items():
        fault(with_agent / path)
    found = told(dnf.plugin(with_agent, "verify", "--json"))
    assert {path: (kind, wanted) for path, (kind, _, wanted) in FAULTS.items()} == found
    # a user without privileges reads no content
    seen = told(as_nobody(dnf, with_agent, "verify", "--json"))
    for name in ("mode", "owner", "kind", "link", "gone"):
        assert seen[f"{TOP}/{name}"] == found[f"{TOP}/{name}"], name
    assert seen[f"{TOP}/size"] == ("file", [("size", "7", "12")])


def test_settings_that_differ_have_what_was_and_what_is(with_agent: Path, dnf: Dnf) -> None:
    (file,) = (with_agent / SYSCTL).glob("*swappiness*")
    path = str(file.relative_to(with_agent))
    written = file.read_text()
    file.write_text("vm.swappiness = 60\n")
    accounts = with_agent / "etc/passwd"
    accounts.write_text(accounts.read_text().replace(":/opt/agent:", ":/srv:"))
    link = with_agent / "etc/systemd/system/multi-user.target.wants/sshd.service"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/usr/lib/systemd/system/sshd.service")
    assert told(dnf.plugin(with_agent, "verify", "--json")) == {
        path: ("setting", [("digest", digest(written), digest("vm.swappiness = 60\n"))]),
        "user agent has home /srv, not /opt/agent": (
            "setting", [("home", "/opt/agent", "/srv")]),
        "service sshd.service is enabled, not disabled": (
            "setting", [("state", "disabled", "enabled")])}
    file.unlink()
    assert told(dnf.plugin(with_agent, "verify", "--json"))[path] == ("setting", [ABSENT])


def test_packages_and_inventories_that_differ_have_what_was_and_what_is(
        with_agent: Path, dnf: Dnf) -> None:
    inventory = with_agent / IMAGE.inventory("agent")
    content = inventory.read_bytes()
    inventory.unlink()
    assert told(dnf.plugin(with_agent, "verify", "--json")) == {
        IMAGE.inventory("agent"): ("inventory", [ABSENT]),
        ETC.inventory("agent"): ("stale", [THERE])}
    inventory.write_bytes(content)
    dnf.configure(node_policy="plugins")
    succeeded(dnf(with_agent, "remove", "-y", "agent"))
    missing = told(dnf.plugin(with_agent, "verify", "--json"))
    assert missing["package agent-1.0-1.noarch is not installed"] == ("package", [ABSENT])
