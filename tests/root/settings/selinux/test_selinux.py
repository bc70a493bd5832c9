"""SELinux settings, applied to a small policy by a Debian system's own programs."""
from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, Mapping, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, OutsideRoot, Refused
from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.plugin.settings import (
    SelinuxBoolean,
    SelinuxFileContext,
    SelinuxModule,
    SelinuxPort,
    Setting,
)
from ovirt_node_plugin.settings.engine import checking, kinds, selection
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import plan_revert
from ovirt_node_plugin.settings.engine.upgrade import plan_upgrade
from ovirt_node_plugin.settings.kit.model import Context
from ovirt_node_plugin.settings.selinux import selinux_store
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo.changes import Applied
from tests.support import quick_rpm
from tests.support.applied import apply_all
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.full_host import full_host_root
from tests.support.selinux_root import MODULE, POLICY, POLICY_FOLDER, STORE, add_policy
from tests.support.setting_elements import elements_of, schema_elements
from tests.support.settings_root import (
    RecordingRunner,
    context,
    descriptor,
    differences,
    finish,
    ledger_of,
    problem_texts,
    revert_settings,
    tree,
    upgrade_settings,
    write_file,
)

pytestmark = pytest.mark.root

SOURCE = "/usr/share/acme/acme.cil"
ALL_SETTINGS = (
    SelinuxModule(SOURCE, "acme"), SelinuxBoolean("acme_net", "on"),
    SelinuxBoolean("use_nfs", "off"), SelinuxPort("ssh_port_t", "80", "tcp"),
    SelinuxPort("acme_port_t", "9000-9010", "sctp"),
    SelinuxFileContext("acme_t", "/opt/acme(/.*)?", ""),
    SelinuxFileContext("acme_t", "/opt/known(/.*)?", ""),
    SelinuxFileContext("usr_t", r"/opt/ac\.me/[a-z]{1,3}", "directory"))
AppliedByPlugin = Dict[str, Tuple[Applied, ...]]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with full_host_root(tmp_path / "system") as system:
        yield add_policy(system)


def install(root: Path, name: str, applied_by_plugin: AppliedByPlugin, *settings: Setting,
            files: Sequence[str] = ()) -> Tuple[Applied, ...]:
    """Check and apply one plugin's settings, and add them to ``applied_by_plugin``."""
    ctx = context(root, name, files=files)
    items = selection.wanted(descriptor(*settings), ctx)
    checking.check(items, ctx, others=applied_by_plugin)
    applied_by_plugin[name] = apply_all(items, ctx, ledger_of(applied_by_plugin))
    return applied_by_plugin[name]


def policy_state(root: Path) -> Mapping[str, Entry]:
    """Return the state of the policy's configuration and store."""
    return {f"{top}/{path}": entry for top in ("etc/selinux", "var/lib/selinux")
            for path, entry in tree(root / top).items()}


def semanage(root: Path, line: str) -> None:
    """Change the policy as an administrator does."""
    run(["chroot", root, "semanage", "import", "-N"], stdin=f"{line}\n".encode())


def local_values(root: Path, kind: str) -> Mapping[str, str]:
    return selinux_store.find(root).local(kind)


def test_all_kinds_of_settings_are_applied_and_undone_completely(root: Path) -> None:
    write_file(root, SOURCE, MODULE)
    before = policy_state(root)
    ctx = context(root, files=[SOURCE])
    items = selection.wanted(descriptor(*ALL_SETTINGS), ctx)
    assert [item.text for item in items][2:6] + [items[-2].text, items[-1].text] == [
        "switch SELinux boolean use_nfs off", "give port tcp/80 the SELinux type ssh_port_t",
        "give port sctp/9000-9010 the SELinux type acme_port_t",
        "give files /opt/acme(/.*)? the SELinux type acme_t",
        r"give files /opt/ac\.me/[a-z]{1,3} (directory) the SELinux type usr_t",
        "make the SELinux policy again"]
    checking.check(items, ctx, others={})
    assert differences(before, policy_state(root)) == []
    applied = apply_all(items, ctx)
    ports = run(["chroot", root, "semanage", "port", "-l", "-n"]).split("\n")
    assert [line.split() for line in ports if "acme" in line or "ssh" in line] == [
        ["acme_port_t", "sctp", "9000-9010"], ["ssh_port_t", "tcp", "80,", "22"]]
    labels = run(["chroot", root, "matchpathcon", "-n", "/opt/acme/x", "/opt/known"])
    assert labels.split() == ["system_u:object_r:acme_t:s0"] * 2
    booleans = run(["chroot", root, "semanage", "boolean", "-l", "-n"])
    assert [line.split()[:2] for line in booleans.splitlines()] == [
        ["acme_net", "(on"], ["use_net", "(off"], ["use_nfs", "(off"]]
    assert kinds.verify(applied, ctx) == ()
    assert sum(
        len(change.before.content or b"") for setting in applied for change in setting.changes
               if change.before is not None) < 1000  # the files of the store are not recorded
    revert_settings(root, "foo", {"foo": applied})
    assert differences(before, policy_state(root)) == []


def test_each_program_is_called_once_for_all_settings(root: Path) -> None:
    write_file(root, SOURCE, MODULE)
    recorder = RecordingRunner(run)
    ctx = context(root, files=[SOURCE], runner=recorder)
    applied = apply_all(selection.wanted(descriptor(*ALL_SETTINGS), ctx), ctx)
    chroot = tuple(map(str, program.argv(root, ())))
    assert recorder.argvs == [
        (*chroot, "semodule", "-n", "-X", "300", "-i", SOURCE),
        (*chroot, "semanage", "port", "-l", "-n"), (*chroot, "semanage", "import", "-N")]
    recorder.argvs.clear()
    apply_all(selection.wanted(descriptor(*ALL_SETTINGS), ctx), ctx)
    assert recorder.argvs == []
    plan = plan_revert(applied, Ledger(), root)
    finish(plan, Ledger(), ctx)
    assert recorder.argvs == [(*chroot, "semodule", "-n", "-X", "300", "-r", "acme")]


def test_values_are_removed_one_by_one_beside_values_of_an_administrator(root: Path) -> None:
    recorder = RecordingRunner(run)
    ctx = context(root, runner=recorder)
    applied = apply_all(selection.wanted(descriptor(SelinuxBoolean("use_net", "on")), ctx), ctx)
    semanage(root, "boolean -m -0 use_nfs")
    recorder.argvs.clear()
    finish(plan_revert(applied, Ledger(), root), Ledger(), ctx)
    chroot = tuple(map(str, program.argv(root, ())))
    assert recorder.argvs == [(*chroot, "semanage", "import", "-N"),
                              (*chroot, "semodule", "-n", "-B")]
    assert local_values(root, "boolean") == {"use_nfs": "off"}


def test_an_administrators_values_are_restored_and_kept(root: Path) -> None:
    for line in ("boolean -m -1 use_net", "port -a -t ssh_port_t -p tcp 9000",
                 "fcontext -a -f d -t bin_t '/opt/acme'"):
        semanage(root, line)
    run(["chroot", root, "semodule", "-n", "-B"])
    before = policy_state(root)
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "foo", applied_by_plugin, SelinuxBoolean("use_net", "off"),
            SelinuxBoolean("use_nfs", "off"),
            SelinuxPort("http_port_t", "9000", "tcp"),
            SelinuxFileContext("usr_t", "/opt/acme", "directory"))
    assert local_values(root, "boolean") == {"use_net": "off", "use_nfs": "off"}
    assert local_values(root, "port") == {"tcp/9000": "http_port_t"}
    assert local_values(root, "file-context") == {"/opt/acme#directory": "usr_t"}
    semanage(root, "port -a -t ssh_port_t -p udp 7")
    revert_settings(root, "foo", applied_by_plugin)
    assert local_values(root, "boolean") == {"use_net": "on"}
    assert local_values(root, "port") == {"tcp/9000": "ssh_port_t", "udp/7": "ssh_port_t"}
    assert local_values(root, "file-context") == {"/opt/acme#directory": "bin_t"}
    semanage(root, "port -d -p udp 7")
    run(["chroot", root, "semodule", "-n", "-B"])
    assert differences(before, policy_state(root)) == [f"{STORE}/active/commit_num"]


def test_values_changed_later_are_reported_and_kept(root: Path) -> None:
    applied_by_plugin: AppliedByPlugin = {}
    write_file(root, SOURCE, MODULE)
    applied = install(root, "foo", applied_by_plugin, *ALL_SETTINGS, files=[SOURCE])
    semanage(root, "port -m -t http_port_t -p tcp 80")
    semanage(root, "fcontext -d -f a '/opt/acme(/.*)?'")
    semanage(root, "boolean -m -1 use_nfs")
    assert problem_texts(applied, context(root)) == (
        "SELinux boolean use_nfs is on, not off",
        "SELinux port tcp/80 is http_port_t, not ssh_port_t",
        "SELinux file-context /opt/acme(/.*)? is no longer set")
    revert_settings(root, "foo", applied_by_plugin)
    assert local_values(root, "port") == {"tcp/80": "http_port_t"}
    assert local_values(root, "boolean") == {"use_nfs": "on"}
    assert selinux_store.find(root).module("acme") is None


def test_verify_reports_a_disabled_or_missing_module(root: Path) -> None:
    write_file(root, SOURCE, MODULE)
    applied = install(root, "foo", {}, SelinuxModule(SOURCE, "acme"), files=[SOURCE])
    run(["chroot", root, "semodule", "-n", "-d", "acme"])
    assert problem_texts(applied, context(root)) == ("SELinux module acme is switched off",)
    run(["chroot", root, "semodule", "-n", "-X", "300", "-r", "acme"])
    assert problem_texts(applied, context(root)) == (
        "SELinux module acme is no longer in the policy",)


@pytest.mark.parametrize("first", ["one", "two"])
def test_settings_of_two_plugins_stay_until_the_last_is_removed(root: Path, first: str) -> None:
    before = policy_state(root)
    applied_by_plugin: AppliedByPlugin = {}
    shared = (SelinuxPort("www_port_t", "99", "udp"), SelinuxBoolean("use_net", "on"))
    install(root, "one", applied_by_plugin, *shared, SelinuxPort("http_port_t", "1000", "tcp"))
    install(root, "two", applied_by_plugin, SelinuxPort("http_port_t", "99", "udp"), shared[1],
            SelinuxFileContext("bin_t", "/opt/two", ""))
    last = "two" if first == "one" else "one"
    revert_settings(root, first, applied_by_plugin)
    assert kinds.verify(applied_by_plugin[last], context(root, last)) == ()
    assert local_values(root, "boolean") == {"use_net": "on"}
    assert len(local_values(root, "port")) == (1 if last == "two" else 2)
    revert_settings(root, last, applied_by_plugin)
    assert differences(before, policy_state(root)) == []


@pytest.mark.parametrize("seed", range(2))
def test_random_plugins_are_undone_in_any_order(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    pool: Sequence[Setting] = (*ALL_SETTINGS[2:4], SelinuxBoolean("use_net", "on"), *(
        SelinuxPort("http_port_t", str(port), "udp") for port in range(5)), *(
        SelinuxFileContext("bin_t", f"/opt/{name}(/.*)?", "") for name in "abc"))
    names = ("one", "two", "three")
    own = {name: SelinuxModule(write_file(root, f"opt/{name}.cil", f"(type {name}_t)"), name)
           for name in names}
    assert elements_of([*pool, *own.values()]) == {
        name for name in schema_elements() if name.startswith("selinux-")}
    semanage(root, "port -a -t ssh_port_t -p udp 3")
    semanage(root, "port -m -t http_port_t -p udp 3")
    run(["chroot", root, "semodule", "-n", "-B"])
    before = policy_state(root)
    applied_by_plugin: AppliedByPlugin = {}
    for name in names:
        install(root, name, applied_by_plugin, *rng.sample([*pool, own[name]], 6),
                files=[own[name].source])
        if rng.random() < 0.3:
            revert_settings(root, rng.choice(sorted(applied_by_plugin)), applied_by_plugin)
    for name in rng.sample(sorted(applied_by_plugin), len(applied_by_plugin)):
        assert kinds.verify(applied_by_plugin[name], context(root, name)) == ()
        revert_settings(root, name, applied_by_plugin)
    assert differences(before, policy_state(root)) == []


def test_an_administrators_change_between_two_plugins_is_kept(root: Path) -> None:
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "one", applied_by_plugin, SelinuxPort("http_port_t", "1001", "tcp"))
    semanage(root, "port -a -t ssh_port_t -p udp 7")
    install(root, "two", applied_by_plugin, SelinuxPort("http_port_t", "1002", "tcp"))
    revert_settings(root, "two", applied_by_plugin)
    assert local_values(root, "port") == {"tcp/1001": "http_port_t", "udp/7": "ssh_port_t"}
    revert_settings(root, "one", applied_by_plugin)
    assert local_values(root, "port") == {"udp/7": "ssh_port_t"}


@pytest.mark.parametrize("setting_two, setting_one", [
    (SelinuxBoolean("use_net", "on"), SelinuxBoolean("use_net", "off")),
    (SelinuxPort("http_port_t", "99", "tcp"), SelinuxPort("ssh_port_t", "99", "tcp")),
    (SelinuxPort("http_port_t", "90-99", "tcp"), SelinuxPort("ssh_port_t", "99-200", "tcp")),
    (SelinuxPort("http_port_t", "90-99", "tcp"), SelinuxPort("http_port_t", "99", "tcp")),
    (SelinuxFileContext("usr_t", "/opt/acme", ""), SelinuxFileContext("bin_t", "/opt/acme", "")),
])
def test_contradicting_settings_of_two_plugins_are_refused_and_named(
        root: Path, setting_two: Setting, setting_one: Setting) -> None:
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "one", applied_by_plugin, setting_one)
    with pytest.raises(Refused, match="plugin two wants to .*, but plugin one has selinux-"):
        install(root, "two", applied_by_plugin, setting_two)


def test_compatible_settings_of_two_plugins_are_applied(root: Path) -> None:
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "one", applied_by_plugin, SelinuxPort("http_port_t", "90-99", "tcp"),
            SelinuxFileContext("usr_t", "/opt/acme", "directory"))
    install(root, "two", applied_by_plugin, SelinuxPort("ssh_port_t", "90-99", "udp"),
            SelinuxPort("http_port_t", "100-101", "tcp"),
            SelinuxFileContext("bin_t", "/opt/acme", ""))
    assert all(kinds.verify(applied, context(root)) == () for applied in applied_by_plugin.values())


def test_a_module_of_two_plugins_is_refused(root: Path) -> None:
    write_file(root, SOURCE, MODULE)
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "one", applied_by_plugin, SelinuxModule(SOURCE, "acme"), files=[SOURCE])
    with pytest.raises(Refused, match="plugin one has selinux-module acme"):
        install(root, "two", applied_by_plugin, SelinuxModule(SOURCE, "acme"), files=[SOURCE])


@pytest.mark.parametrize("setting, message", [
    (SelinuxBoolean("no_such", "on"), "boolean no_such to be on, but .* has no boolean no_such"),
    (SelinuxPort("no_such_t", "80", "tcp"), "port tcp/80 to be .* has no type no_such_t"),
    (SelinuxPort("port_type", "80", "tcp"), "has no type port_type"),
    (SelinuxFileContext("http", "/opt/acme", ""), "has no type http"),
    (SelinuxFileContext("usr_t", "/run/acme", ""), "knows /run as /var/run only"),
    (SelinuxModule(SOURCE, "acme"), "none of the plugin's packages brings that file"),
])
def test_names_unknown_to_the_policy_are_refused_before_any_change(
        root: Path, setting: Setting, message: str) -> None:
    before = policy_state(root)
    with pytest.raises(Refused, match=message):
        install(root, "foo", {}, setting)
    assert differences(before, policy_state(root)) == []


def test_a_port_that_overlaps_one_of_an_administrator_is_refused(root: Path) -> None:
    semanage(root, "port -a -t ssh_port_t -p tcp 9000-9010")
    with pytest.raises(Refused, match="port tcp/9010 to be http_port_t, but tcp/9000-9010 has"):
        install(root, "foo", {}, SelinuxPort("http_port_t", "9010", "tcp"))


def test_a_type_that_is_not_a_port_type_fails_with_semanages_message(root: Path) -> None:
    with pytest.raises(CommandError, match="Type usr_t is invalid, must be a port type"):
        install(root, "foo", {}, SelinuxPort("usr_t", "80", "tcp"))


def test_a_module_with_the_name_of_one_in_the_policy_is_refused(root: Path) -> None:
    source = write_file(root, "opt/base.cil", MODULE)
    with pytest.raises(Refused, match="has a module of that name, at priority 100"):
        install(root, "foo", {}, SelinuxModule(source, "base"), files=[source])


def test_an_invalid_module_is_an_error(root: Path) -> None:
    source = write_file(root, "opt/bad.cil", "(allow nobody_t self (file (read)))\n")
    with pytest.raises(CommandError, match="^semodule ended with status 1:\n  "):
        install(root, "foo", {}, SelinuxModule(source, "bad"), files=[source])


def test_a_compiled_module_of_another_name_is_refused(root: Path) -> None:
    text = "module real 1.0;\nrequire { type usr_t; }\ntype real_t;\n"
    write_file(root, "opt/real.te", text)
    source, other = "/opt/real.pp", "/opt/other.pp"
    run(["chroot", root, "checkmodule", "-M", "-m", "-o", "/opt/real.mod", "/opt/real.te"])
    for name in (source, other):
        run(["chroot", root, "semodule_package", "-o", name, "-m", "/opt/real.mod"])
    before = policy_state(root)
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "foo", applied_by_plugin, SelinuxModule(source, "real"), files=[source])
    assert selinux_store.find(root).module("real") == (root / "opt/real.pp").read_bytes()
    revert_settings(root, "foo", applied_by_plugin)
    assert differences(before, policy_state(root)) == []
    with pytest.raises(Refused, match="the store did not take in other"):
        install(root, "foo", {}, SelinuxModule(other, "other"), files=[other])


def test_an_upgrade_replaces_a_module(root: Path) -> None:
    write_file(root, SOURCE, MODULE)
    before = policy_state(root)
    applied_by_plugin: AppliedByPlugin = {}
    install(root, "foo", applied_by_plugin, *ALL_SETTINGS, files=[SOURCE])
    write_file(root, SOURCE, MODULE + "(type more_t)\n")
    ctx = context(root, files=[SOURCE])
    items = selection.wanted(descriptor(*ALL_SETTINGS), ctx)
    plan = plan_upgrade(applied_by_plugin["foo"], items, {}, ctx)
    applied_by_plugin["foo"] = upgrade_settings(plan, ctx)
    assert selinux_store.find(root).module("acme") == (MODULE + "(type more_t)\n").encode()
    revert_settings(root, "foo", applied_by_plugin)
    assert differences(before, policy_state(root)) == []


def test_a_module_of_the_bundle_is_put_in_replaced_and_leaves_no_trace(root: Path) -> None:
    before, setting = policy_state(root), SelinuxModule("files/sub/acme.cil", "acme")
    recorder = RecordingRunner(run)
    new = MODULE + "(type more_t)\n"

    def with_module(text: str) -> Context:
        return replace(context(root, runner=recorder),
                       bundle_files={"files/sub/acme.cil": text.encode()})

    ctx = with_module(MODULE)
    items = selection.wanted(descriptor(setting), ctx)
    assert items[0].text == ("put SELinux module acme of files/sub/acme.cil (code of the bundle,"
                             " which no signature covers) into the policy")
    checking.check(items, ctx, others={})
    applied = apply_all(items, ctx)
    assert kinds.verify(applied, ctx) == () and apply_all(items, ctx)
    (call,) = [argv for argv in recorder.argvs if "semodule" in argv]  # the second changes nothing
    assert call[-5:-1] == ("-n", "-X", "300", "-i")
    assert re.fullmatch(rf"/var/lib/selinux/{POLICY}/node-plugin-\w+/acme\.cil", call[-1])
    ctx = with_module(new)
    applied = upgrade_settings(plan_upgrade(
        applied, selection.wanted(descriptor(setting), ctx), {}, ctx), ctx, {"foo": applied})
    assert selinux_store.find(root).module("acme") == new.encode()
    revert_settings(root, "foo", {"foo": applied})
    assert differences(before, policy_state(root)) == []
    missing = context(root)
    with pytest.raises(Refused, match="its bundle has no such file; it has no files/"):
        checking.check(selection.wanted(descriptor(setting), missing), missing, others={})


@pytest.mark.parametrize("missing, message", [
    ("etc/selinux/config", "no SELINUXTYPE in /etc/selinux/config"),
    (f"{STORE}/active", f"no policy store /{STORE}/active"),
    ("usr/sbin/semanage", "no semanage"),
    ("usr/sbin/semodule", "no semodule"),
    (f"{POLICY_FOLDER}/policy", f"no compiled policy in /{POLICY_FOLDER}/policy"),
])
def test_a_root_without_a_needed_file_is_refused_and_the_file_named(
        root: Path, missing: str, message: str) -> None:
    (root / missing).rename(root / "tmp/gone")
    with pytest.raises(Refused, match=f"has SELinux settings, but the root .* has {message}"):
        install(root, "foo", {}, SelinuxBoolean("use_net", "on"))


def test_the_plan_notes_disabled_selinux(root: Path) -> None:
    (root / "etc/selinux/config").write_text(f"SELINUX=disabled\nSELINUXTYPE={POLICY}\n")
    items = selection.wanted(descriptor(SelinuxBoolean("use_net", "on")), context(root))
    assert "switched off by /etc/selinux/config" in items[0].notes[0]


@pytest.mark.parametrize("link, target", [
    ("etc/selinux/config", "/dev/zero"), ("var/lib/selinux", "/"),
    (f"{STORE}/active/booleans.local", "/dev/zero"), ("etc/selinux", "../../../../..")])
def test_hostile_symbolic_links_are_refused_or_resolved_inside_the_root(
        root: Path, link: str, target: str) -> None:
    if (root / link).exists():
        (root / link).rename(root / "tmp/moved")
    (root / link).symlink_to(target)
    applied_by_plugin: AppliedByPlugin = {}
    try:
        install(root, "foo", applied_by_plugin, SelinuxBoolean("use_net", "on"))
    except (Refused, OutsideRoot, CommandError):
        return
    assert kinds.verify(applied_by_plugin["foo"], context(root)) == ()


ELEMENTS = (
    f'<selinux-module source="{SOURCE}" name="acme"/>',
    '<selinux-boolean name="use_nfs" value="off"/>',
    '<selinux-port type="acme_port_t" port="9000-9010" protocol="tcp"/>',
    '<selinux-file-context type="acme_t" path="/opt/acme(/.*)?"/>',
    '<selinux-file-context type="usr_t" path="/opt/acme/logs" file-type="directory"/>')


@pytest.fixture
def host(root: Path) -> Path:
    """A root that is identified as a host."""
    release = quick_rpm("redhat-release", "9.4", provides=["system-release = 9.4", "/bin/sh"])
    run(["rpm", f"--root={root}", "--define=_dbpath /var/lib/rpm", "--install", release])
    return root


def test_dnf_applies_and_undoes_selinux_settings(host: Path, tmp_path: Path, dnf: Dnf) -> None:
    bundle = make_plugin(tmp_path, "acme", settings=ELEMENTS, files={SOURCE: MODULE})
    before = policy_state(host)
    installed = dnf.plugin(host, "install", bundle, "-y", UNSIGNED)
    assert installed.status == 0, installed.text
    assert "give port tcp/9000-9010 the SELinux type acme_port_t" in installed.text
    assert dnf.plugin(host, "verify").out.strip() == "acme 1.0: ok"
    manifest = host / "etc/ovirt.plugins-manifests.d/acme.xml"
    assert manifest.stat().st_size < 20_000
    assert dnf.plugin(host, "remove", "acme", "-y").status == 0
    assert differences(before, policy_state(host)) == []


def test_a_failed_install_leaves_the_policy_unchanged(host: Path, tmp_path: Path, dnf: Dnf) -> None:
    good = make_plugin(tmp_path, "acme", settings=ELEMENTS, files={SOURCE: MODULE})
    bad = make_plugin(tmp_path, "bad", settings=[
        '<selinux-port type="acme_t" port="1" protocol="tcp"/>',
        '<selinux-boolean name="use_net" value="on"/>'])
    assert dnf.plugin(host, "install", good, "-y", UNSIGNED).status == 0
    before = policy_state(host)
    failed = dnf.plugin(host, "install", bad, "-y", UNSIGNED)
    assert failed.status == 8
    assert "Type acme_t is invalid, must be a port type" in failed.text
    assert differences(before, policy_state(host)) == []
