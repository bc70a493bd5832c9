"""SELinux settings without SELinux: elements, the policy store, and a simulated system."""
from __future__ import annotations

import struct
from pathlib import Path
from typing import Container, Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, DescriptorError
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import (
    SelinuxBoolean,
    SelinuxFileContext,
    SelinuxModule,
    SelinuxPort,
    Setting,
)
from ovirt_node_plugin.settings.engine import live, rereading
from ovirt_node_plugin.settings.engine.kinds import KINDS
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.settings.selinux import selinux_labels, selinux_store
from ovirt_node_plugin.system.path_sets import JOURNAL
from ovirt_node_plugin.system.run import Polled, StrPath
from ovirt_node_plugin.undo import live_log
from ovirt_node_plugin.undo.changes import Applied
from ovirt_node_plugin.undo.live_log import Deed
from tests.support.applied import apply_all

pytestmark = pytest.mark.unit

HEAD = ('<node-plugin schema-version="1"><name>x</name><version>1</version><vendor>V</vendor>'
        '<summary>S</summary><packages><install name="x"/></packages><settings>\n')


def settings(text: str) -> Tuple[object, ...]:
    return parse_descriptor(f"{HEAD}{text}\n</settings></node-plugin>".encode(),
                            origin="x.xml").settings


@pytest.mark.parametrize(("text", "read"), [
    ('<selinux-boolean name="virt_use_nfs" value="on"/>', SelinuxBoolean("virt_use_nfs", "on")),
    ('<selinux-port type="http_port_t" port="90-99" protocol="tcp"/>',
     SelinuxPort("http_port_t", "90-99", "tcp")),
    ('<selinux-file-context type="usr_t" path="/opt/acme(/.*)?"/>',
     SelinuxFileContext("usr_t", "/opt/acme(/.*)?", "")),
    ('<selinux-file-context type="usr_t" path="/opt/a\\.b[^/]{1,3}(x|y)\\|" file-type="pipe"/>',
     SelinuxFileContext("usr_t", "/opt/a\\.b[^/]{1,3}(x|y)\\|", "pipe")),
    ('<selinux-module source="/usr/share/a/a.pp.bz2" name="acme"/>',
     SelinuxModule("/usr/share/a/a.pp.bz2", "acme")),
    ('<selinux-module source="files/a/acme.cil" name="acme"/>',
     SelinuxModule("files/a/acme.cil", "acme")),
])
def test_an_element_is_read(text: str, read: Setting) -> None:
    assert settings(text) == (read,)


@pytest.mark.parametrize("text", [
    '<selinux-boolean name="a b" value="on"/>', '<selinux-boolean name="a" value="1"/>',
    '<selinux-boolean name="-D" value="on"/>', '<selinux-boolean name="a&#10;b" value="on"/>',
    '<selinux-port type="a_t" port="80" protocol="icmp"/>',
    '<selinux-port type="a_t" port="0" protocol="tcp"/>',
    '<selinux-port type="a_t" port="65536" protocol="tcp"/>',
    '<selinux-port type="a_t" port="9-8" protocol="tcp"/>',
    '<selinux-port type="-a" port="80" protocol="tcp"/>',
    '<selinux-port port="80" protocol="tcp"/>',
    *(f'<selinux-file-context type="a_t" path="{path}"/>' for path in (
        "opt/acme", "/.*", "/etc/.*", "/opt(/acme)?/x", "/opt/a b", "/opt/a&#10;port -D",
        "/opt/a'", "/opt/a&quot;", "/opt/a#directory", "/opt/a&lt;b", "/opt/a(", "/opt/a[",
        "/opt/a|/etc/shadow", "/opt/(a|b)|/etc/shadow", "/opt/../etc", "/opt/a/", "/opt//a")),
    '<selinux-file-context type="a_t" path="/opt/a" file-type="dir"/>',
    '<selinux-module source="/usr/share/a.te" name="a"/>',
    '<selinux-module source="a.pp" name="a"/>',
    '<selinux-module source="files.pp" name="a"/>',
    '<selinux-module source="files/../a.pp" name="a"/>',
    '<selinux-module source="files/b.cil" name="a"/>',
    '<selinux-module source="/usr/share/a b.pp" name="a"/>',
    '<selinux-module source="/usr/share/a.cil" name="b"/>',
    '<selinux-module source="/usr/share/a.pp" name="../a"/>',
    '<selinux-boolean name="a" value="on"/><selinux-boolean name="a" value="off"/>',
    '<selinux-port type="a_t" port="80" protocol="tcp"/>'
    '<selinux-port type="a_t" port="80" protocol="tcp"/>',
    '<selinux-port type="a_t" port="80-90" protocol="tcp"/>'
    '<selinux-port type="a_t" port="90" protocol="tcp"/>',
    '<selinux-file-context type="a_t" path="/opt/a"/>'
    '<selinux-file-context type="b_t" path="/opt/a"/>',
    '<selinux-module source="/a/a.pp" name="a"/><selinux-module source="/b/a.pp" name="a"/>',
])
def test_an_invalid_element_is_refused_with_its_position(text: str) -> None:
    with pytest.raises(DescriptorError, match=r"x\.xml:2:\d+: expected "):
        settings(text)


def test_local_values_are_read_as_libsemanage_writes_them() -> None:
    assert selinux_store.parse("boolean", "# x\n\na=1\nb = 0\n") == {"a": "on", "b": "off"}
    assert selinux_store.parse("port", (
        "portcon tcp 80 system_u:object_r:a_t:s0\nportcon udp 8 - 9 system_u:object_r:b_t:s0\n"
        "portcon sctp 7-9 u:r:c_t\nnonsense\n")) == {
            "tcp/80": "a_t", "udp/8-9": "b_t", "sctp/7-9": "c_t"}
    assert selinux_store.parse("file-context", (
        "/opt/a(/.*)?    system_u:object_r:a_t:s0\n/opt/b -d system_u:object_r:b_t:s0:c0\n"
        "/opt/c -- <<none>>\n")) == {
            "/opt/a(/.*)?": "a_t", "/opt/b#directory": "b_t", "/opt/c#regular": "<<none>>"}


def test_rules_are_decoded_as_they_were_encoded() -> None:
    rules = (selinux_store.PolicyRule("file-context", "/opt/a=(?:b)#pipe", "a_t"),
             selinux_store.PolicyRule("module", "a", "/opt/a@b.pp"),
             selinux_store.PolicyRule("port", "tcp/1-2", "a_t"))
    assert selinux_store.decode(" ".join(rule.code for rule in rules)) == rules


def test_only_complete_names_are_found_in_a_compiled_policy() -> None:
    def type_entry(name: str, value: int, kind: int) -> bytes:
        return struct.pack("<IIII", len(name), value, kind, 0) + name.encode()
    policy = selinux_store.CompiledPolicy(b"\0" * 32 + b"".join((
        type_entry("http_port_t", 7, 1), type_entry("www_port_t", 7, 0),
        type_entry("port_type", 8, 3),
        struct.pack("<III", 2, 1, 7) + b"use_nfs", struct.pack("<III", 3, 0, 7) + b"use_net")))
    assert policy.type("http_port_t") == policy.type("www_port_t") == "http_port_t"
    assert [policy.type(name) for name in ("port_type", "http", "port_t", "use_nfs")] == [""] * 4
    assert [policy.boolean(name) for name in ("use_nfs", "use_net", "use_", "http_port_t")] == [
        "on", "off", "", ""]


class SelinuxSystem:
    """A runner that simulates a system on which SELinux runs."""

    def __init__(self, **booleans: str) -> None:
        self.booleans: Dict[str, str] = booleans
        self.mislabelled = True
        self.calls: List[Tuple[str, ...]] = []

    def __call__(self, argv: Sequence[StrPath], *, ok: Container[int] = (0,),
                 stdin: bytes = b"", polled: Polled = None) -> str:
        words = tuple(map(str, argv))
        self.calls.append(words)
        if words[0] == "getsebool" and words[1] in self.booleans:
            return f"{words[1]} --> {self.booleans[words[1]]}\n"
        if words[0] == "setsebool":
            self.booleans[words[1]] = words[2]
        if words[0] == "selinuxenabled" and not self.booleans:
            raise CommandError("no SELinux", argv=words, returncode=1)
        if words[0] == "restorecon" and "-n" not in words:
            self.mislabelled = False
        return "Would relabel x\n" if words[0] == "restorecon" and self.mislabelled else ""


def context(root: Path, runner: SelinuxSystem) -> Context:
    (root / JOURNAL).mkdir(parents=True, exist_ok=True)
    return Context(root, "foo", {}, runner, live=True)


def test_a_boolean_of_a_running_system_is_set_and_restored(tmp_path: Path) -> None:
    system = SelinuxSystem(use_nfs="off")
    ctx = context(tmp_path, system)
    item = Wanted("selinux-boolean", "use_nfs", "on", "", None)
    applied = apply_all([item], ctx)
    system.booleans["use_nfs"] = "on"  # a side effect of semanage
    applied = live.switch_on(applied, ctx)
    assert applied[0].outcome == {"was": "off", "left": "on"}
    assert live_log.read_log(tmp_path).deeds == (Deed("selinux-boolean", "use_nfs", "off"),)
    live.switch_off(applied, ctx)
    assert system.booleans == {"use_nfs": "off"}
    system.booleans["use_nfs"] = "on"
    assert live_log.read_log(tmp_path).deeds[0].was == "off"


def test_without_selinux_no_boolean_is_set(tmp_path: Path) -> None:
    system = SelinuxSystem()
    ctx = context(tmp_path, system)
    item = Wanted("selinux-boolean", "use_nfs", "on", "", None)
    applied = live.switch_on(apply_all([item], ctx), ctx)
    assert "setsebool" not in {call[0] for call in system.calls}
    live.switch_off(applied, ctx)
    rereading.read_again(rereading.to_read_again(["var/lib/selinux/x/active/commit_num"],
                                                   tmp_path), ctx)
    assert "setsebool" not in {call[0] for call in system.calls}
    assert ("load_policy",) not in system.calls


def test_a_changed_policy_is_loaded_if_selinux_runs(tmp_path: Path) -> None:
    system = SelinuxSystem(use_nfs="on")
    rereading.read_again(rereading.to_read_again(["var/lib/selinux/x/active/commit_num"],
                                                   tmp_path),
                         context(tmp_path, system))
    assert system.calls == [("selinuxenabled",), ("load_policy",)]


def test_files_of_a_running_system_are_relabelled(tmp_path: Path) -> None:
    (tmp_path / "opt/acme").mkdir(parents=True)
    system = SelinuxSystem()
    ctx = context(tmp_path, system)
    setting = Applied("selinux-file-context", "/opt/acme(/.*)?", "a_t", "absent", ())
    assert live.switch_on([setting], ctx)[0].outcome == {"was": "otherwise", "left": "labelled"}
    assert ("restorecon", "-R", "--", f"{tmp_path}/opt/acme") in system.calls


@pytest.mark.parametrize(("key", "relabelled"), [
    ("/opt/acme(/.*)?", ["acme"]), ("/opt/acme/.*", ["acme/a", "acme/b"]),
    ("/opt/acme.*", ["acme", "acme.d"]), (r"/opt/acme\.d(/.*)?#directory", ["acme.d"]),
    ("/opt/none(/.*)?", []), ("/none/acme", []), ("/opt/acme", ["acme"])])
def test_only_paths_that_an_expression_can_match_are_relabelled(
        tmp_path: Path, key: str, relabelled: Sequence[str]) -> None:
    for name in ("acme/a", "acme/b", "acme.d"):
        (tmp_path / "opt" / name).mkdir(parents=True)
    system = SelinuxSystem()
    selinux_labels.restore([key], context(tmp_path, system))
    assert [list(call[3:]) for call in system.calls] == (
        [[f"{tmp_path}/opt/{name}" for name in relabelled]] if relabelled else [])


def test_every_kind_of_rule_has_its_kind_of_setting() -> None:
    assert {name for name in KINDS if name.startswith("selinux-")} == {
        f"selinux-{kind}" for kind in ("boolean", "port", "file-context", "module", "policy")}
