"""What a merge prints: the same in every way to run it, and in the log."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.program import Program, check_messages

pytestmark = [pytest.mark.root]

SCRIPTLET = "Note: %post of agent-1.0-1.noarch made /etc/agent.state."


@pytest.fixture(scope="module")
def place(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image, the folder ``node``, and a plugin with a scriptlet."""
    folder = tmp_path_factory.mktemp("messages")
    built.node_root(folder / "node")
    make_plugin(folder, "agent", files={"/opt/agent/text": "hello"},
                scriptlets={"post": "echo x > /etc/agent.state"})
    return folder


def test_the_report_of_a_merge_is_the_same_with_and_without_a_question(
        place: Path, program: Program, tmp_path: Path) -> None:
    words = ("merge", place / "node", place / "agent-1.0", UNSIGNED, "-o", tmp_path / "out")
    log = tmp_path / "log"
    asked = succeeded(program(*words, "--log", log, stdin="y\n"))
    told = succeeded(program(*words[:-1], tmp_path / "told", "-y"))
    plan, _, result = asked.out.partition("Is this ok [y/N]: ")
    printed = plan + result.replace(str(tmp_path / "out"), str(tmp_path / "told"))
    assert printed == told.out
    assert result == f"Installed plugin agent 1.0.\n{SCRIPTLET}\n{tmp_path}/out is written.\n"
    assert f"Plugins for oVirt Node 4.5.5 in {place}/node:" in plan
    assert re.search(rf"^Disk space in {place}/node: \d+ B needed\.$", plan, re.MULTILINE)
    assert "\nCopying the folder ...\nCopying the folder: done in" in told.err
    assert str(program.work) not in asked.text + told.text
    lines = log.read_text().splitlines()
    assert lines[0] == "# Log of ovirt-node-plugin"
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines[1:])
    bare = [line[21:] for line in lines[1:]]
    assert re.fullmatch(r"ovirt-node-plugin [\d.]+: merge .*--log .*", bare[0])
    for line in [*plan.splitlines(), SCRIPTLET, "step: Copying the folder",
                 f"{tmp_path}/out is written."]:
        assert line in bare
    assert any(re.fullmatch(r"program: cp --archive .*: done \(\d+\.\d s\)", line)
               for line in bare)


def test_quiet_verbose_and_no_as_the_answer(
        place: Path, program: Program, tmp_path: Path) -> None:
    words = ("merge", place / "node", place / "agent-1.0", UNSIGNED)
    quiet = succeeded(program(*words, "-o", tmp_path / "out", "-q", "-y", "--no-check"))
    assert quiet.text == ""
    refused = program(*words, "--assumeno", "-v")
    assert refused.status == 1 and "Installing agent 1.0" in refused.out
    assert refused.err.endswith("Error: Operation aborted.\n")
    assert re.search(r"^program: dnf-3 .*: done \(\d+\.\d s\)$", refused.err, re.MULTILINE)
    answer = program(*words, "--assumeno", "--json")
    assert (answer.status, answer.lines[-1]["event"], answer.lines[-1]["done"]) == (
        1, "result", False)
    plan = answer.lines[-1]["plans"][0]
    assert plan["target"]["root"] == f"{place}/node" and plan["space"]["free_bytes"] is None


def test_a_damaged_plugin_of_the_image_is_named_with_what_repairs_an_image(
        place: Path, program: Program, tmp_path: Path) -> None:
    image, bundle = tmp_path / "out", place / "agent-1.0"
    succeeded(program("merge", place / "node", bundle, UNSIGNED, "-o", image, "-y", "--no-check"))
    (image / "opt/agent/text").write_text("damaged")
    answer = succeeded(program("merge", image, bundle, UNSIGNED, "--dry-run"))
    assert "   note: file /opt/agent/text was changed (size, content, time)\n" in answer.out
    assert ("   To repair: ovirt-node-plugin merge IMAGE-WITHOUT-PLUGINS -o OUTPUT"
            f" --plugins-from={image}\n") in answer.out
    check_messages(answer.text)
    answer = succeeded(program("merge", image, "--remove", "ag*=1*", "--dry-run"))
    assert " Removing agent 1.0 (Test)\n" in answer.out


def test_a_file_that_is_no_log_and_standard_output_are_refused(
        place: Path, program: Program, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "link").symlink_to("notes")
    words = ("merge", place / "node", place / "agent-1.0", UNSIGNED, "-y")
    for log, message in (("notes", "is no log of"), ("link", "is no log of"),
                         (".", "is no log of"), ("none/log", "No such file or directory")):
        answer = program(*words, "-o", tmp_path / "out", "--log", tmp_path / log)
        assert answer.status == 2 and message in answer.err, answer.text
    assert (tmp_path / "notes").read_text() == "mine"
    extract = ("extract", place / "node", "/etc/os-release")
    for (command, *more), hint in ((words, "Give another name with -o.\n"),
                                   (extract, " Without -o, extract prints a file.\n")):
        answer = program(str(command), *more, "-o", "-")
        assert answer.status == 2 and answer.err.endswith(hint), answer.text
        assert f"the output of {command} cannot be written to standard output" in answer.err
    inside = program(*words, "-o", tmp_path / "out", "--log", place / "node/log")
    assert inside.status == 2 and "which is never written to" in inside.err
    assert not (tmp_path / "out").exists() and not (place / "node/log").exists()


def test_a_failed_merge_is_in_the_log(place: Path, program: Program, dnf: Dnf, tmp_path: Path
                                      ) -> None:
    log = tmp_path / "log"
    for _ in range(2):  # the second is appended
        answer = program("merge", place / "node", "missing", "-o", tmp_path / "out", "-y", "--log",
                         log)
        assert answer.status == 2
    text = log.read_text()
    assert text.count("# Log of ovirt-node-plugin") == 1
    assert text.count(" Error: there is no plugin missing") == 2
    assert text.count(" step: Planning: not done (") == 2


def test_repositories_of_this_run_are_used_and_one_that_cannot_be_read_is_named(
        place: Path, built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    words = ("merge", place / "node", "snmp", "--dry-run")
    text = (built.repo("snmp") / "snmp.repo").read_text()
    (tmp_path / "site.conf").write_text(text.replace("repos/snmp-1.0", "repos/snmp-$releasever"))
    used = succeeded(program(*words, "--repo-file", tmp_path / "site.conf", "--releasever", "1.0"))
    assert "Installing snmp 1.0" in used.out and "Signed by a key that the root" in used.out
    path = f"snmp,{built.repo('snmp')}"
    used = succeeded(program(*words, "--repofrompath", path, "--repo=snmp", UNSIGNED))
    assert "Installing snmp 1.0" in used.out
    (tmp_path / "far").write_text("[far]\nname=far\nbaseurl=http://u:secret@127.0.0.1:9/\n"
                                  "skip_if_unavailable=1\nenabled=1\n")
    (tmp_path / "empty").write_text("none")
    for more, status, message in (
            (("--repo-file", tmp_path / "far"), 1,
             "Error: the repository far at http://127.0.0.1:9 cannot be read:\n"
             "  Curl error (7): Couldn't connect to server for http://127.0.0.1:9/repodata/"),
            ((f"--repofrompath=gone,{tmp_path}/gone",), 1,
             f"Error: the repository gone at file://{tmp_path}/gone cannot be read:\n  Curl error"),
            (("--repo=other",), 1, "Unknown repo: 'other'"),
            (("--repofrompath=gone",), 2, "gone is not an id, one comma and a path or URL"),
            (("--repofrompath=gone,a,b",), 2, "gone,a,b is not an id, one comma and"),
            (("--repo-file", tmp_path / "empty"), 2, f"{tmp_path}/empty defines no repository"),
            (("--repo-file", tmp_path / "none"), 2, f"{tmp_path}/none cannot be read: No such")):
        answer = program(*words, *more)
        assert answer.status == status and message in answer.err, answer.text
        assert "secret" not in answer.text


def test_refusals_name_the_image_and_help_those_who_ran_merge(
        place: Path, built: support.Fixtures, node: Path, program: Program, tmp_path: Path
        ) -> None:
    """``Program`` checks each message for temporary paths, and for hints of other programs."""
    (tmp_path / "bad.tar").write_bytes(b"x" * 10240)
    for name, file, text in (("xml", "node-plugin.xml", "<node-plugin"), ("key", "keys/k", "k")):
        run(["cp", "-a", place / "agent-1.0", tmp_path / name])
        (tmp_path / name / file).parent.mkdir(exist_ok=True)
        (tmp_path / name / file).write_text(text)
        run(["tar", "-cf", tmp_path / f"{name}.tar", "-C", tmp_path, name])
    run(["mksquashfs", node, tmp_path / "image", "-quiet", "-no-progress"])
    with open(tmp_path / "image", "r+b") as stream:  # the tables are at the end
        stream.seek(-3000, 2)
        stream.write(b"x" * 3000)
    image = place / "node"
    for words, status, message in (
            ((image, "nothing"), 2, "there is no plugin nothing"),
            ((image, "--remove", "nothing"), 2,
             f"nothing is not installed in {image}\novirt-node-plugin inspect {image} shows"),
            ((image, built.bundle("needs-libvirt")), 5, "You need a newer Node ISO."),
            ((image, tmp_path / "bad.tar"), 7, f"{tmp_path}/bad.tar"),
            ((image, tmp_path / "xml.tar"), 7, "node-plugin.xml"),
            ((image, tmp_path / "key.tar"), 7, "/keys/k is not an armored GPG public key"),
            ((image, built.bundle("snmp")), 6, "add --trust-key=FINGERPRINT"),
            ((tmp_path / "image", place / "agent-1.0"), 10,
             f"Error: the squashfs in {tmp_path}/image cannot be mounted: mount ended with")):
        answer = program("merge", *words, "-o", tmp_path / "out", "-y")
        assert answer.status == status and message in answer.err, answer.text
    journal = node / "var/lib/ovirt-node-plugin/journal"
    journal.mkdir(parents=True, mode=0o700)
    (journal / "journal.json").write_text("x")
    answer = program("merge", node, place / "agent-1.0", "-o", tmp_path / "out", "-y")
    assert answer.status == 9 and "The image was made while plugins were" in answer.err
    assert "/var/lib/ovirt-node-plugin/journal/journal.json" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_plugin_whose_scriptlet_fails_is_removed_without_it(
        node: Path, program: Program, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "stuck", scriptlets={"preun": "exit 1"})
    succeeded(dnf.plugin(node, "install", bundle, "-y", UNSIGNED))
    words = ("merge", node, "--remove", "stuck", "-o", tmp_path / "out", "-y", "--no-check")
    refused = program(*words)
    assert refused.status == 8 and "add --skip-scriptlets" in refused.err, refused.text
    succeeded(program(*words, "--skip-scriptlets"))
    assert not (tmp_path / "out/etc/ovirt.plugins.d/stuck").exists()


@pytest.mark.parametrize("text", [
    "Run dnf node-plugin list", "in /x/ovirt-node-plugin-ab12cd34/root", "xorriso -no_rc failed",
    "/out/.a.iso.ovirt-node-plugin-ab12cd34/a.iso"])
def test_a_message_that_does_not_help_is_detected(text: str) -> None:
    with pytest.raises(AssertionError):
        check_messages(text)
