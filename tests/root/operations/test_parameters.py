"""Values of parameters in files of a bundle: given, recorded, changed, kept, refused."""
from __future__ import annotations

import os
from pathlib import Path
from typing import List, Sequence

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = pytest.mark.root

PLACED = "etc/logrotate.d/acme"
SERVER = '<parameter name="server" type="address">the server</parameter>'
PORT = '<parameter name="port" type="port" default="5988">its port</parameter>'
SECRET = '<parameter name="password" type="secret">its password</parameter>'
PASSWORD = "hunter2 % $HOME \\1"


def bundle(folder: Path, version: str = "1.0", *, parameters: Sequence[str] = (SERVER, PORT),
           text: str = "# @server@:@port@ root@@example.com\n") -> Path:
    """Return a plugin with a file of parameters, and one package."""
    repo = support.RpmRepo(folder / f"acme-{version}.repo", "acme")
    repo.add("acme", version)
    made = support.write_bundle(folder / f"acme-{version}", support.descriptor_xml(
        "acme", version, repos=["acme"],
        settings=['<logrotate source="files/acme" name="acme" parameters="yes"/>']).replace(
            "<settings>", f"<parameters>{''.join(parameters)}</parameters><settings>"), repo=repo)
    (made / "files").mkdir()
    (made / "files/acme").write_text(text)
    return made


def run(dnf: Dnf, node: Path, *words: object) -> str:
    return succeeded(dnf.plugin(node, *words, "-y", "--nogpgcheck")).text


def files_with(root: Path, text: bytes) -> List[Path]:
    """Return the files of ``root``, logs and databases too, whose content has ``text``."""
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink()
                  and text in path.read_bytes())


def test_values_are_given_recorded_changed_and_kept(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before, made = tree_state(node), bundle(tmp_path)
    refused = dnf.plugin(node, "install", made, "-y", "--nogpgcheck")
    assert refused.status == 2
    assert "server: the server (an IPv4 or IPv6 address)" in refused.err
    assert "--set acme.server=VALUE" in refused.err

    text = succeeded(dnf.on_terminal(node, "nonsense\n10.0.0.1\ny\n", "install", made,
                                     "--nogpgcheck")).text
    assert "Plugin acme 1.0 needs values:\n  server, the server (an IPv4 or IPv6" in text
    assert "Expected an IPv4 or IPv6 address." in text
    assert "parameter server: 10.0.0.1" in text and "parameter port: 5988" in text
    assert (node / PLACED).read_text() == "# 10.0.0.1:5988 root@example.com\n"
    assert "is already installed" in run(dnf, node, "install", made)

    text = run(dnf, node, "install", made, "--set", "acme.server=::1")
    assert "Changing acme 1.0" in text and "parameter server: 10.0.0.1 -> ::1" in text
    assert "parameter port" not in text and "Changed plugin acme 1.0." in text
    assert (node / PLACED).read_text().startswith("# ::1:5988 ")
    assert "server = ::1: the server (an IPv4 or IPv6 address)" in run(
        dnf, node, "info", "acme")

    (node / PLACED).write_text("changed\n")
    run(dnf, node, "repair", "acme")
    assert (node / PLACED).read_text().startswith("# ::1:5988 ")

    port = PORT.replace("5988", "5989")
    run(dnf, node, "install", bundle(tmp_path, "2.0", parameters=[SERVER, port]))
    assert (node / PLACED).read_text().startswith("# ::1:5989 ")
    run(dnf, node, "verify")
    run(dnf, node, "remove", "acme")
    assert state_differences(before, tree_state(node)) == []


def test_a_secret_is_only_in_the_file_that_needs_it(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    made = bundle(tmp_path, parameters=[SECRET], text="pass=@password@\n")
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    refused = dnf.plugin(node, "install", made, "-y", "--set", "acme.password=open")
    assert refused.status == 2 and "every user can see a command line" in refused.err

    text = run(dnf, node, "install", made, "--set", f"acme.password=@{secret}")
    placed = node / PLACED
    assert placed.read_text() == f"pass={PASSWORD}\n"
    assert placed.stat().st_mode & 0o777 == 0o600
    text += run(dnf, node, "info", "acme", "--json") + run(dnf, node, "manifest", "acme")
    text += dnf.plugin(node, "install", made, "--dry-run", "--json").text
    assert "hunter2" not in text and "(secret)" in text
    copies = files_with(node, b"hunter2")
    assert copies == sorted([placed, node / "usr/share/factory" / PLACED])
    assert {path.stat().st_mode & 0o777 for path in copies} == {0o600}

    assert "is already installed" in run(dnf, node, "install", made)
    placed.write_text("changed\n")
    refused = dnf.plugin(node, "repair", "acme", "-y")
    assert refused.status == 2 and "--set acme.password=@FILE" in refused.err
    dnf.site_parameters.mkdir()
    site = dnf.site_parameters / "acme.conf"
    site.write_text(f"[acme]\npassword = {PASSWORD}\n")
    os.chmod(site, 0o644)
    refused = dnf.plugin(node, "repair", "acme", "-y")
    assert refused.status == 2 and f"other users can read {site}" in refused.err
    os.chmod(site, 0o600)
    run(dnf, node, "repair", "acme")
    assert placed.read_text() == f"pass={PASSWORD}\n"
    site.write_text("[acme]\npassword = other\n")
    assert "parameter password: another secret" in run(dnf, node, "install", made)
    assert placed.read_text() == "pass=other\n"
    assert files_with(node, b"pass=other") == copies and files_with(node, b"hunter2") == []


def test_wrong_values_are_refused_with_what_exists(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before, made = tree_state(node), bundle(tmp_path)
    for words, message in (
            (["acme.server=10.0.0.1\nx"], "expected an IPv4 or IPv6 address for parameter server"),
            (["acme.server=\x1b[2J"], r"found '\x1b[2J'"),
            (["acme.host=x"], "has no parameter host"),
            (["other.server=::1"], "this run does not change plugin other"),
            (["server=::1"], "is not PLUGIN.NAME=VALUE"),
            (["acme.server=::1", "acme.server=::2"], "--set gives acme.server twice"),
            ([f"acme.server=@{tmp_path}/none"], "No such file or directory")):
        options = [word for value in words for word in ("--set", value)]
        answer = dnf.plugin(node, "install", made, "-y", *options)
        assert answer.status == 2 and message in answer.err, (words, answer.err)
    answer = dnf.plugin(node, "install", bundle(tmp_path, "2.0", text="x\n@host@ @server@\n"),
                        "-y", "--set", "acme.server=::1")
    assert answer.status == 7
    assert "files/acme:2: @host@ names no parameter of node-plugin.xml" in answer.err
    assert state_differences(before, tree_state(node)) == []
