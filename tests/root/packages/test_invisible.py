"""Where there are no plugins the hooks change nothing, and they fail closed."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List, Tuple

import pytest

from ovirt_node_plugin import target
from ovirt_node_plugin.packages import start
from ovirt_node_plugin.plugin import descriptor, library
from ovirt_node_plugin.system.path_sets import REGISTRY, RPM_DATABASES
from tests import support
from tests.support.dnf_library import run_library_program
from tests.support.dnf_runner import TOP, Dnf, environment
from tests.support.repositories import define_repo, installed
from tests.support.tree_states import EXCLUDED, State, tree_state

pytestmark = pytest.mark.root

COMMANDS = [["repolist", "--all"], ["search", "net-snmp"], ["list", "--available"],
            ["repoquery", "libvirt"], ["install", "-y", "net-snmp-libs"], ["upgrade", "-y"],
            ["remove", "-y", "net-snmp-libs"], ["install", "-y", "nothing"], ["nonsense"],
            ["check"], ["module", "list"], ["makecache"]]

# What differs between two runs of one command: times, speeds and the root's own name.
VOLATILE = re.compile(r" *\d+\.?\d* +[kM]?B/s.*|\d\d\d\d-\d\d-\d\d.*|[A-Z][a-z]{2} [A-Z][a-z]{2} "
                      r"[ \d]\d .*|Last metadata expiration check.*\n|using metadata from.*"
                      r"|warning: Found sqlite.*\n|Unable to detect.*\n")

Outcome = Tuple[int, str, str]


def outcome(root: Path, dnf: Dnf, command: List[str], *, plugin: bool) -> Outcome:
    """Run one command with this plugin or without any; return status and what was printed."""
    argv = dnf.argv(root, *command)
    if not plugin:
        empty = dnf.folder / "no plugins"
        empty.mkdir(exist_ok=True)
        argv = [word if "pluginpath=" not in word else f"--setopt=pluginpath={empty}"
                for word in argv]
    # rpm's own default, as on a system whose rpm looks where the root has its database
    env = {**environment(), "HOME": str(dnf.folder / "home")}
    home = dnf.folder / "home"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    out, err = (VOLATILE.sub("", text).replace(str(root), "ROOT")
                for text in (done.stdout, done.stderr))
    return done.returncode, out, err


def state_of(root: Path) -> State:
    """Return the tree of a root without what each run of dnf writes anew."""
    state = tree_state(root, excluded=EXCLUDED)
    return {path: entry for path, entry in state.items()
            if not path.endswith((".solv", ".solvx"))}


def test_the_hooks_change_nothing_that_can_be_seen(built: support.Fixtures, tmp_path: Path,
                                                   dnf: Dnf) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    ours = built.host_root(tmp_path / "with/host")
    theirs = built.host_root(tmp_path / "without/host")
    for command in COMMANDS:
        assert (outcome(ours, dnf, command, plugin=True)
                == outcome(theirs, dnf, command, plugin=False)), command
        assert installed(ours) == installed(theirs)
    assert state_of(ours) == state_of(theirs)


def test_they_leave_no_trace_in_the_root(host: Path, dnf: Dnf) -> None:
    for command in (["repolist"], ["search", "snmp"], ["install", "-y", "net-snmp-libs"]):
        assert dnf(host, *command).status in (0, 1)
    names = {path for path in state_of(host) if "ovirt" in path or "node-plugin" in path}
    assert not {name for name in names if "plugins" in name}


def test_a_run_without_plugins_reads_few_modules_of_this_project(host: Path, dnf: Dnf) -> None:
    argv = ["/usr/bin/python3", "-X", "importtime", *subprocess.check_output(
        ["sh", "-c", "command -v dnf"], text=True).split(), *dnf.argv(host, "repolist")[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(), check=True)
    read = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()
            if "import time:" in line}
    ours = {name for name in read if name.startswith("ovirt_node_plugin")}
    assert ours == {"ovirt_node_plugin", "ovirt_node_plugin.packages",
                    "ovirt_node_plugin.packages.gate", "ovirt_node_plugin.packages.start"}
    assert not {"lxml", "dataclasses", "sqlite3", "tarfile"} & read


def test_what_the_gate_knows_is_what_the_library_knows() -> None:
    assert start.METADATA_TYPE == descriptor.METADATA_TYPE
    assert start.LIBRARY == tuple(map(str, library.FOLDERS))
    assert start.REGISTRY == REGISTRY
    assert start.RPMDB_FOLDERS == RPM_DATABASES
    assert start.RPMDB_FILES == target._RPMDB_FILES


def test_an_update_of_metadata_is_not_made_for_the_descriptors_sake(
        built: support.Fixtures, host: Path, dnf: Dnf) -> None:
    from tests.support.repositories import web_server
    with web_server(built.host_repo) as web:
        (host / "etc/yum.repos.d/base.repo").unlink()
        define_repo(host, "web", web.url)
        assert dnf(host, "makecache", "--noplugins").status == 0
        web.requests.clear()
        assert dnf(host, "search", "libvirt").status == 0
        assert web.requests == []


@pytest.mark.parametrize("options", [{"live": "maybe"}, {"node_policy": "some"},
                                     {"library": "relative/folder"}, {"live": "%(x)s"}])
def test_a_damaged_configuration_stops_transactions(options: dict[str, str], node: Path,
                                                    tmp_path: Path, dnf: Dnf) -> None:
    rpm = support.quick_rpm("harmless", "1.0")
    before = installed(node)
    dnf.configure(**options)
    answer = dnf(node, "install", "-y", rpm)
    assert answer.status == 1, answer.text
    assert "node-plugin.conf" in answer.err
    assert installed(node) == before
    answer = dnf.plugin(node, "list")
    assert answer.status == 2, answer.text
    assert "node-plugin.conf" in answer.err
    (name, value), = options.items()
    assert name in answer.err and value in answer.err


def test_core_lists_that_cannot_be_read_stop_transactions(built: support.Fixtures, node: Path,
                                                          host: Path, tmp_path: Path,
                                                          dnf: Dnf) -> None:
    define_repo(host, "agent", f"file://{built.repo('agent', '1.0')}")
    lists = tmp_path / "core.d"
    for content in (None, b"\xff\xfe glibc\n"):
        if content is not None:
            lists.mkdir()
            (lists / "core.conf").write_bytes(content)
        dnf.configure(core_lists=str(lists))
        before = installed(node), installed(host)
        for answer in (dnf(node, "install", "-y", support.quick_rpm("harmless", "1.0")),
                       dnf(host, "install", "-y", "acme-agent", "--enablerepo=agent",
                           "--nogpgcheck")):
            assert answer.status == 1, answer.text
            assert str(lists) in answer.err
        assert dnf.plugin(node, "install", built.bundle("snmp"), "-y",
                          "--trust-keys").status == 2
        assert (installed(node), installed(host)) == before
        assert dnf(node, "repolist").status == 0
        # a host's own transactions do not need them
        assert dnf(host, "install", "-y", "--assumeno", "net-snmp-libs").status == 1
    (lists / "core.conf").write_text("# nothing\n")
    answer = dnf(node, "install", "-y", support.quick_rpm("harmless", "1.0"))
    assert answer.status == 0, answer.text


def test_a_damaged_record_breaks_no_other_command(built: support.Fixtures, host: Path,
                                                  dnf: Dnf) -> None:
    folder = host / "etc/ovirt.plugins.d"
    folder.mkdir()
    (folder / "cut").write_text('<?xml version="1.0"?><plugin')
    (folder / "bytes").write_bytes(bytes(range(256)))
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    for command in (["repolist"], ["search", "libvirt"], ["install", "-y", "net-snmp-libs"],
                    ["remove", "-y", "net-snmp-libs"], ["upgrade", "-y"]):
        answer = dnf(host, *command)
        assert answer.status == 0, answer.text
        assert "Error" not in answer.err and "ovirt" not in answer.err
    answer = dnf.plugin(host, "list")
    assert answer.status == 0, answer.text
    assert "cut is broken: " in answer.out


def test_a_fault_in_a_hook_stops_the_run(built: support.Fixtures, host: Path, tmp_path: Path,
                                         dnf: Dnf) -> None:
    broken = tmp_path / "plugins"
    broken.mkdir()
    text = (TOP / "dnf-plugins/node_plugin.py").read_text()
    (broken / "node_plugin.py").write_text(text.replace(
        "self._opened().after_solve()", "raise ZeroDivisionError('a fault')"))
    before = installed(host)
    argv = [word if "pluginpath=" not in word else f"--setopt=pluginpath={broken}"
            for word in dnf.argv(host, "install", "-y", "net-snmp-libs")]
    answer = dnf.run(argv)
    assert answer.status == 1
    assert "Error: node-plugin policy: ZeroDivisionError: a fault" in answer.err
    assert "Traceback" not in answer.text
    assert installed(host) == before


def test_a_program_gets_the_same_refusals(node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "newer", "newer")
    repo.add("sanlock", "99", arch="x86_64")
    repo.add("harmless", "1.0")
    define_repo(node, "newer", repo.url)
    before = installed(node)
    run_library_program(dnf, node, "sanlock")
    assert installed(node) == before
    answer = run_library_program(dnf, node, "harmless")
    assert answer.status == 0, answer.text
    assert "harmless-1.0-1.noarch" in installed(node)
