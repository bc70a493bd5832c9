"""Files of configuration in drop-in folders, in a handwritten root."""
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import List, Mapping, Tuple

import pytest

from ovirt_node_plugin.errors import CommandError, Refused, UsageError
from ovirt_node_plugin.plugin.settings import ConfigFile
from ovirt_node_plugin.policy.other_places import hint
from ovirt_node_plugin.policy.path_rules import PathPolicy, built_in
from ovirt_node_plugin.settings.config_files import folders
from ovirt_node_plugin.settings.config_files.config_files import KIND, READERS, ConfigFiles
from ovirt_node_plugin.settings.engine import checking, kinds
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.engine.revert import do_revert, plan_revert
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.system.limits import CONFIG_FILE_BYTES, TEXT_BYTES
from ovirt_node_plugin.undo.changes import Applied
from tests.support.applied import apply_all
from tests.support.settings_root import (
    RecordingRunner,
    changed_paths,
    context,
    differences,
    make_root,
    tree,
    wanted_settings,
    write_file,
)

SOURCE = "/opt/acme/file"
BUILT_IN = folders.built_in()
NAMES: Mapping[str, str] = {
    "sudoers": "acme", "pam": "acme", "cron": "acme", "polkit": "50-acme.rules",
    "audit": "50-acme.rules", "profile": "acme.sh", "chrony-sources": "acme.sources",
    "NetworkManager-connection": "acme.nmconnection", "issue": "acme.issue", "motd": "acme",
    "tuned": "acme", "lvm-profile": "acme.profile"}
MAIN: Mapping[str, str] = {
    "sshd": "Include /etc/ssh/sshd_config.d/*.conf\n",
    "ssh": "Include /etc/ssh/ssh_config.d/*.conf\n", "sudoers": "#includedir /etc/sudoers.d\n",
    "chrony": "confdir /etc/chrony.d\n",
    "chrony-sources": "sourcedir /run/chrony-dhcp\nsourcedir /etc/chrony.d\n",
    "rsyslog": 'include(file="/etc/rsyslog.d/*.conf" mode="optional")\n',
    "krb5": "includedir /etc/krb5.conf.d/\n", "dnsmasq": "conf-dir=/etc/dnsmasq.d,.rpmnew\n",
    "collectd": 'Include "/etc/collectd.d"\n', "ld.so": "include ld.so.conf.d/*.conf\n"}
every_folder = pytest.mark.parametrize("folder", BUILT_IN, ids=[each.id for each in BUILT_IN])


class Checker(RecordingRunner):
    """A runner of which every program fails, with a status and a message."""

    def __init__(self, returncode: int, output: str) -> None:
        super().__init__(output=output)
        self.returncode = returncode

    def __call__(self, argv: object, **options: object) -> str:
        raise CommandError("it failed", argv=["x"], returncode=self.returncode,
                           output=self.output)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root")


def prepare(root: Path, folder: folders.ConfigFolder) -> None:
    """Give ``root`` what proves that the folder's program is there and reads it."""
    place = root / folder.needs[0].lstrip("/")
    if folder.needs[0] in ("/etc/pam.d", "/etc/vdsm"):
        place.mkdir()
    elif not place.exists():
        write_file(root, folder.needs[0], "")
    if folder.check:
        write_file(root, f"/usr/bin/{folder.check[0]}", "")
    if folder.id == "ld.so":
        write_file(root, "/usr/sbin/ldconfig", "")
    if folder.read_by:
        write_file(root, folder.read_by[0], f"# comment\n{MAIN[folder.id]}")


def wanted(ctx: Context, folder: str, name: str, source: str = SOURCE) -> Wanted:
    return KIND.wanted(ConfigFile(folder, name, source), ctx)[0]


def sudoers(root: Path, *, text: str = "acme ALL=(root) /opt/acme/run\n") -> Tuple[Context, Wanted]:
    """Return a context with a runner that records, and a file of rules for sudo."""
    prepare(root, next(each for each in BUILT_IN if each.id == "sudoers"))
    write_file(root, SOURCE, text)
    ctx = context(root, files=[SOURCE], runner=RecordingRunner())
    return ctx, wanted(ctx, "sudoers", "acme")


def sshd(root: Path) -> Wanted:
    """Return a file of configuration for sshd, which the root has."""
    prepare(root, next(each for each in BUILT_IN if each.id == "sshd"))
    write_file(root, SOURCE, "PermitRootLogin no\n")
    return wanted(context(root, files=[SOURCE]), "sshd", "acme.conf")


@every_folder
def test_a_file_is_copied_checked_verified_and_removed(
        root: Path, folder: folders.ConfigFolder) -> None:
    prepare(root, folder)
    write_file(root, SOURCE, "text\n")
    runner = RecordingRunner()
    before, ctx = tree(root), context(root, files=[SOURCE], runner=runner)
    name = NAMES.get(folder.id, "10-acme.conf")
    items = wanted_settings(ctx, ConfigFile(folder.id, name, SOURCE))
    checking.check(items, ctx, others={})
    assert differences(before, tree(root)) == []
    applied = apply_all(items, ctx)
    path = changed_paths(applied)[-1]
    assert folder.title in items[0].text and path in items[0].text
    info = (root / path).lstat()
    assert (info.st_mode, info.st_uid, info.st_gid) == (0o100000 | folder.mode, 0, 0)
    programs = [folder.check] if folder.check else [("ldconfig", "-X")] * (folder.id == "ld.so")
    assert [argv[-len(words):] for argv, words in zip(runner.argvs, programs)] == programs
    assert len(runner.argvs) == len(programs)
    assert kinds.verify(applied, ctx) == ()
    assert changed_paths(apply_all(items, ctx)) == []
    do_revert(plan_revert(applied, Ledger(), root), ctx)
    assert differences(before, tree(root)) == []


@every_folder
def test_a_package_that_may_not_have_such_a_file_is_told_of_the_setting(
        folder: folders.ConfigFolder) -> None:
    paths = [f"{path}/acme.conf" for path in folder.paths
             if PathPolicy([*built_in(kernel_module=False)]).objection(f"{path[1:]}/acme.conf")]
    assert "<config-file>" in hint(paths, Path("/x")) or not paths


@every_folder
def test_a_root_without_the_program_is_refused(root: Path, folder: folders.ConfigFolder) -> None:
    ctx = context(root, files=[SOURCE])
    item = wanted(ctx, folder.id, NAMES.get(folder.id, "10-acme.conf"))
    with pytest.raises(Refused, match="the root has nothing that reads it"):
        checking.check([item], ctx, others={})


@pytest.mark.parametrize("folder", [each for each in BUILT_IN if each.read_by],
                         ids=lambda each: each.id)
def test_a_folder_that_no_configuration_names_is_refused(
        root: Path, folder: folders.ConfigFolder) -> None:
    prepare(root, folder)
    write_file(root, folder.read_by[0], "# nothing\n")
    ctx = context(root, files=[SOURCE])
    item = wanted(ctx, folder.id, NAMES.get(folder.id, "10-acme.conf"))
    with pytest.raises(Refused, match=f"nothing would read it: no line of {folder.read_by[0]}"):
        checking.check([item], ctx, others={})


@pytest.mark.parametrize(("folder", "name", "why"), [
    ("nowhere", "a.conf", "the list of folders has no nowhere; it has NetworkManager, "),
    ("sudoers", "acme.conf", "a file of that name is not read"),
    ("pam", "system-auth", "is a name of the system's own"),
])
def test_a_folder_or_name_that_is_not_for_plugins_is_refused(
        root: Path, folder: str, name: str, why: str) -> None:
    ctx = context(root, files=[SOURCE])
    with pytest.raises(Refused, match=why):
        checking.check([wanted(ctx, folder, name)], ctx, others={})


def test_a_file_that_is_there_or_of_another_plugin_is_refused(root: Path) -> None:
    ctx, item = sudoers(root)
    other = [Applied("config-file", "sudoers/acme", "/x", "absent", ())]
    with pytest.raises(Refused, match="plugin foo wants .* but plugin acme has"):
        checking.check([item], ctx, others={"acme": other})
    write_file(root, "etc/sudoers.d/acme", "")
    with pytest.raises(Refused, match="/etc/sudoers.d/acme is there already"):
        checking.check([item], ctx, others={})


@pytest.mark.parametrize(("text", "why"), [
    (b"\xff\xfe\n", "is not text in UTF-8"), (b"a\0b\n", "is not text in UTF-8"),
    (b"#" * (CONFIG_FILE_BYTES + 1), "larger than 64"),
])
def test_content_that_a_plan_cannot_show_is_refused(root: Path, text: bytes, why: str) -> None:
    ctx, item = sudoers(root)
    (root / SOURCE.lstrip("/")).write_bytes(text)
    with pytest.raises(Refused, match=why):
        apply_all([item], ctx)
    assert not (root / "etc/sudoers.d/acme").exists()


@pytest.mark.parametrize("output", [
    "a\nsshd: no hostkeys available -- exiting.\r\n",
    "Missing privilege separation directory: /run/sshd"])
def test_a_failure_that_the_list_accepts_does_not_refuse_a_file(root: Path, output: str) -> None:
    item = sshd(root)
    apply_all([item], context(root, files=[SOURCE], runner=Checker(1, output)))
    assert (root / "etc/ssh/sshd_config.d/acme.conf").exists()


@pytest.mark.parametrize("output", [
    "", "no hostkeys available -- exiting. it failed", "programs cannot be isolated",
    "no hostkeys available -- exiting.\n/dev/stdin: terminating, 1 bad configuration options"])
def test_any_other_failure_of_a_checker_refuses_a_file(root: Path, output: str) -> None:
    item = sshd(root)
    with pytest.raises(Refused, match="sshd refuses the file: it failed"):
        apply_all([item], context(root, files=[SOURCE], runner=Checker(-9, output)))
    assert not (root / "etc/ssh/sshd_config.d/acme.conf").exists()


def test_a_plan_says_that_the_root_lacks_the_checker(root: Path) -> None:
    ctx, _ = sudoers(root)
    (root / "usr/bin/visudo").unlink()
    ctx = replace(ctx, bundle_files={"files/acme": b"anything"})
    item = wanted(ctx, "sudoers", "acme", "files/acme")
    assert item.notes == ("the root has no visudo, so nothing checks the syntax of sudoers/acme"
                          " before it is read",)
    checking.check([item], ctx, others={})
    ctx = replace(ctx, files={"/usr/sbin/visudo": 0o100755})
    assert wanted(ctx, "sudoers", "acme", "files/acme").notes == ()


def test_a_main_configuration_that_cannot_be_read_is_refused(root: Path) -> None:
    ctx, item = sudoers(root)
    with (root / "etc/sudoers").open("r+b") as stream:
        stream.truncate(TEXT_BYTES + 1)
    with pytest.raises(Refused, match="/etc/sudoers cannot be read: larger than"):
        checking.check([item], ctx, others={})


def test_a_file_of_the_bundle_is_shown_and_checked_before_anything_is_written(root: Path) -> None:
    ctx, _ = sudoers(root)
    files = {"files/acme": b"acme ALL=(root ALL\n"}
    ctx = replace(ctx, bundle_files=files, shown_files=files,
                  run=Checker(1, "stdin:1:16: syntax error"))
    item = wanted(ctx, "sudoers", "acme", "files/acme")
    assert (kinds.content(item, ctx), item.notes) == ("acme ALL=(root ALL\n", ())
    with pytest.raises(Refused, match="visudo refuses the file"):
        checking.check([item], ctx, others={})


def write_list(root: Path, text: str) -> ConfigFiles:
    """Write a list of a site, and return the kind that reads it."""
    write_file(root, "lists/site.conf", text)
    return ConfigFiles(site=root / "lists")


def test_a_site_closes_folders_and_is_named(root: Path) -> None:
    ctx, item = sudoers(root)
    kind = write_list(root, "[*]\nclosed = yes\n[motd]\nclosed = no\n")
    with pytest.raises(Refused, match="lists/site.conf closes the folder sudoers"):
        kind.check(item, ctx, installed=False)
    assert folders.names(folders.read_folders(root / "lists")) == ["motd"]


def test_a_site_adds_a_folder_with_a_checker_of_its_own(root: Path) -> None:
    kind = write_list(root, "[acme]\ntitle = Acme rules\npath = /opt/acme/rules.d\n"
                            "names = .+\\.rule\nneeds = /usr/bin/sh\nsource = the wiki\n"
                            "mode = 0640\ncheck = acme-check --file '-'\n")
    write_file(root, SOURCE, "text\n")
    runner = RecordingRunner()
    ctx = context(root, files=[SOURCE], runner=runner)
    item = kind.wanted(ConfigFile("acme", "a.rule", SOURCE), ctx)[0]
    kind.check(item, ctx, installed=False)
    with pytest.raises(Refused, match="the root does not have acme-check, which checks it as"
                                      " .*lists/site.conf says"):
        kind.apply(item, ctx)
    write_file(root, "usr/bin/acme-check", "")
    with pytest.raises(Refused, match="acme-check refuses the file"):
        kind.apply(item, context(root, files=[SOURCE], runner=Checker(1, "")))
    kind.apply(item, ctx)
    assert runner.argvs[0][-3:] == ("acme-check", "--file", "-")
    assert (root / "opt/acme/rules.d/a.rule").stat().st_mode == 0o100640


@pytest.mark.parametrize(("text", "why"), [
    ("[sshd]\npath = /etc/x\n", "only closed = yes or no"),
    ("[sshd]\nclosed = maybe\n", "expected yes or no"),
    ("[a]\ntitle=A\npath=/etc/x\nnames=a\nneeds=/x\nsource=y\nsecret=1\n", "secret = '1', exp"),
    ("[a]\nfoo = 1\n", "unknown option foo"),
    ("[a]\ntitle = A\n", "has no path"), ("nonsense\n", "no section headers"),
    ("[a b]\ntitle=A\npath=/etc/x\nnames=.*\nneeds=/x\nsource=y\n", "not an id"),
    ("[a]\ntitle=A\npath=/etc/../usr\nnames=.*\nneeds=/x\nsource=y\n", "not a path below"),
    ("[a]\ntitle=A\npath=/usr/lib\nnames=.*\nneeds=/x\nsource=y\n", "not a path below"),
    ("[a]\ntitle=A\npath=/etc/x\nnames=(\nneeds=/x\nsource=y\n", "not a regular expression"),
    ("[a]\ntitle=A\npath=/etc/x\nnames=a\nneeds=/x\nsource=y\nmode=9\n", "is not a mode"),
    ("[a]\ntitle=A\npath=/etc/x\nnames=a\nneeds=/x\nsource=y\nfile=../{name}\n", "is not {name}"),
    ("[a]\ntitle=A\npath=/etc/x\nnames=a\nneeds=/x\nsource=y\ncheck='a\n", "has a command"),
])
def test_a_bad_list_is_refused_and_named(root: Path, text: str, why: str) -> None:
    write_list(root, text)
    with pytest.raises(UsageError, match=f"lists/site.conf is not a list .*{re.escape(why)}"):
        folders.read_folders(root / "lists")


def test_a_unit_that_runs_reads_again(root: Path) -> None:
    runner = RecordingRunner(output="active\n")
    for reader in READERS:
        reader.read(context(root, runner=runner))
    commands: List[Tuple[str, ...]] = [argv for argv in runner.argvs if "is-active" not in argv]
    assert commands == [
        ("systemctl", "reload", "--", "sshd.service"), ("chronyc", "reload", "sources"),
        ("systemctl", "reload", "--", "NetworkManager.service"),
        ("nmcli", "connection", "reload"),
        ("systemctl", "try-restart", "rsyslog.service")]
    runner = RecordingRunner(output="inactive\n")
    READERS[0].read(context(root, runner=runner))
    assert runner.argvs == [("systemctl", "is-active", "--", "sshd.service")]
