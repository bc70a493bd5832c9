"""A root with more than one rpm database, and commands that are printed for the right one."""
from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import rpm

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf
from tests.support.repositories import installed

pytestmark = pytest.mark.root

STRAYS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")


def queried_at(root: Path, database: str) -> str:
    """Query a database with rpm, which makes one that is not there; return the packages."""
    return run(["rpm", f"--root={root}", f"--dbpath={database}", "-qa"])


def test_an_empty_database_that_a_query_left_is_not_taken(node: Path, dnf: Dnf,
                                                          tmp_path: Path) -> None:
    """Of two with packages, both are named; the one that rpm's macros name is taken."""
    (node / "var/lib/rpm").unlink()
    before = installed(node)
    for stray in STRAYS:
        assert queried_at(node, stray) == ""
        assert (node / stray[1:] / "rpmdb.sqlite").is_file()
    bundle = make_plugin(tmp_path, "agent", files={"/opt/agent": "x"})
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    assert set(installed(node)) == {*before, "agent-1.0-1.noarch"}
    assert dnf(node, "list", "--installed", "agent").status == 0
    for stray in STRAYS:
        assert queried_at(node, stray) == ""

    second = node / STRAYS[0][1:]
    shutil.copy(node / "usr/share/rpm/rpmdb.sqlite", second / "rpmdb.sqlite")
    for command in (["node-plugin", "list"], ["list", "--installed", "agent"]):
        answer = dnf(node, *command)
        assert answer.status == (2 if command[0] == "node-plugin" else 1), answer.text
        assert "in /usr/lib/sysimage/rpm and /usr/share/rpm" in answer.err
    (node / "etc/rpm").mkdir(exist_ok=True)
    (node / "etc/rpm/macros.site").write_text("%_dbpath /usr/share/rpm\n")
    assert dnf.plugin(node, "verify").status == 0
    answer = dnf.plugin(node, "remove", "agent", "-y")
    assert answer.status == 0, answer.text
    assert "agent" in queried_at(node, STRAYS[0]) and installed(node) == before


def printed_command(answer: Answer) -> str:
    """Return the command of rpmkeys that an answer prints, as a shell takes it."""
    match = re.search(r"rpmkeys .*", answer.err.replace("\n", " "))
    assert match is not None, answer.text
    return " ".join(match.group().split())


def add_damaged_key(root: Path) -> None:
    """Add a key to the rpm database that is no base64."""
    header = rpm.hdr()
    for tag, value in (("name", "gpg-pubkey"), ("version", "0"), ("release", "0")):
        header[tag] = value
    header["pubkeys"] = ["abc"]
    run(["rpmdb", "--root", root, "--dbpath", "/usr/share/rpm", "--importdb"],
        stdin=bytes.fromhex("8eade80100000000") + header.unload())


def test_the_printed_command_imports_the_key_into_the_roots_database(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    add_damaged_key(node)
    answer = dnf.plugin(node, "install", built.bundle("snmp"), stdin="y\ny\n")
    assert answer.status == 6 and "nobody to ask" in answer.err, answer.text
    run(["sh", "-c", printed_command(answer)])
    assert queried_at(node, "/usr/share/rpm").count("gpg-pubkey") == 2
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y")
    assert answer.status == 0, answer.text


def test_the_command_for_a_key_of_somebody_else_has_a_word_for_the_file(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", built.bundle("unsigned"), "-y", "--trust-keys")
    assert answer.status == 6, answer.text
    command = printed_command(answer)
    assert command.endswith(" --import FILE")
    run([*shlex.split(command)[:-1], built.key.path])
    assert "gpg-pubkey" in queried_at(node, "/usr/share/rpm")
