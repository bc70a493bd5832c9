"""Without plugins the hooks of dnf change nothing; with a fault they stop the run."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List, Tuple

import pytest

from ovirt_node_plugin.config import Config
from ovirt_node_plugin.packages import start
from ovirt_node_plugin.plugin import bundle_files, descriptor, library
from ovirt_node_plugin.system import limits, rpm_database
from ovirt_node_plugin.system.path_sets import IMAGE_REGISTRY, REGISTRY, RPM_DATABASES
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

# Differences between two runs of one command: times, speeds and the root's name.
VOLATILE = re.compile(r" *\d+\.?\d* +[kM]?B/s.*|\d\d\d\d-\d\d-\d\d.*|[A-Z][a-z]{2} [A-Z][a-z]{2} "
                      r"[ \d]\d .*|Last metadata expiration check.*\n|using metadata from.*"
                      r"|warning: Found sqlite.*\n|Unable to detect.*\n")

Outcome = Tuple[int, str, str]


def outcome(root: Path, dnf: Dnf, command: List[str], *, plugin: bool) -> Outcome:
    """Run a command with this dnf plugin or without any; return exit status and output."""
    argv = dnf.argv(root, *command)
    if not plugin:
        empty = dnf.folder / "no plugins"
        empty.mkdir(exist_ok=True)
        argv = [word if "pluginpath=" not in word else f"--setopt=pluginpath={empty}"
                for word in argv]
    # rpm's default, which is the database path of the host root
    env = {**environment(), "HOME": str(dnf.folder / "home")}
    home = dnf.folder / "home"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    completed = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    out, err = (VOLATILE.sub("", text).replace(str(root), "ROOT")
                for text in (completed.stdout, completed.stderr))
    return completed.returncode, out, err


def comparable_state(root: Path) -> State:
    """Return the state of a root without the files that each run of dnf rewrites."""
    state = tree_state(root, excluded=EXCLUDED)
    return {path: entry for path, entry in state.items()
            if not path.endswith((".solv", ".solvx"))}


def test_dnf_prints_and_changes_the_same_with_and_without_the_plugin(
        built: support.Fixtures, tmp_path: Path, dnf: Dnf) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    host_with = built.host_root(tmp_path / "with/host")
    host_without = built.host_root(tmp_path / "without/host")
    for command in COMMANDS:
        assert (outcome(host_with, dnf, command, plugin=True)
                == outcome(host_without, dnf, command, plugin=False)), command
        assert installed(host_with) == installed(host_without)
    assert comparable_state(host_with) == comparable_state(host_without)


def test_the_hooks_create_no_file_in_the_root(host: Path, dnf: Dnf) -> None:
    for command in (["repolist"], ["search", "snmp"], ["install", "-y", "net-snmp-libs"]):
        assert dnf(host, *command).status in (0, 1)
    paths = {path for path in comparable_state(host) if "ovirt" in path or "node-plugin" in path}
    assert not {name for name in paths if "plugins" in name}


def test_dnf_imports_few_modules_of_this_project_without_plugins(host: Path, dnf: Dnf) -> None:
    argv = ["/usr/bin/python3", "-X", "importtime", *subprocess.check_output(
        ["sh", "-c", "command -v dnf"], text=True).split(), *dnf.argv(host, "repolist")[1:]]
    completed = subprocess.run(argv, capture_output=True, text=True, env=environment(), check=True)
    imported = {line.rpartition("|")[2].strip() for line in completed.stderr.splitlines()
                if "import time:" in line}
    own_modules = {name for name in imported if name.startswith("ovirt_node_plugin")}
    assert own_modules == {"ovirt_node_plugin", "ovirt_node_plugin.packages",
                           "ovirt_node_plugin.packages.gate", "ovirt_node_plugin.packages.start"}
    assert not {"lxml", "dataclasses", "sqlite3", "tarfile"} & imported


def test_constants_of_the_gate_equal_those_of_the_library() -> None:
    assert start.METADATA_TYPE == descriptor.METADATA_TYPE
    assert start.FILES_METADATA_TYPE == bundle_files.METADATA_TYPE
    assert start.LIBRARY == tuple(map(str, library.FOLDERS))
    assert start.REGISTRIES == (REGISTRY, IMAGE_REGISTRY)
    assert Config().live_allow == (start.IMAGE_UPDATE,)
    assert start.RPMDB_FOLDERS == RPM_DATABASES
    assert start.RPMDB_FILES == rpm_database.RPMDB_FILES
    assert (start.RECORD_BYTES, start.REPOMD_BYTES, start.REPO_FILE_BYTES) == (
        limits.RECORD_BYTES, limits.REPOMD_BYTES, limits.REPO_FILE_BYTES)
    assert start.TEXT_BYTES == limits.TEXT_BYTES
    assert (start.RECORDS, start.RECORDS_BYTES) == (limits.RECORDS, limits.RECORDS_BYTES)


def test_valid_metadata_is_not_downloaded_again_for_descriptors(
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


def test_missing_or_unreadable_core_lists_stop_transactions(
        built: support.Fixtures, node: Path, host: Path, tmp_path: Path, dnf: Dnf) -> None:
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
        # transactions of a host without plugins do not need the lists
        assert dnf(host, "install", "-y", "--assumeno", "net-snmp-libs").status == 1
    (lists / "core.conf").write_text("# nothing\n")
    answer = dnf(node, "install", "-y", support.quick_rpm("harmless", "1.0"))
    assert answer.status == 0, answer.text


def test_a_damaged_record_does_not_affect_other_commands(built: support.Fixtures, host: Path,
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


def test_an_unexpected_error_in_a_hook_stops_the_run(built: support.Fixtures, host: Path,
                                                     tmp_path: Path, dnf: Dnf) -> None:
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


def test_core_packages_are_protected_from_programs_that_use_dnf(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
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
