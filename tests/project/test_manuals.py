"""The manual pages agree with the program: names, statuses, defaults, every example."""
from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set
from xml.etree import ElementTree

import pytest

from ovirt_node_plugin import config, errors
from ovirt_node_plugin.cli import dnf_arguments
from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.library import FOLDERS
from ovirt_node_plugin.plugin.vdsm_points import HOOK_POINTS
from ovirt_node_plugin.registry import xml
from ovirt_node_plugin.settings.config_files import folders
from ovirt_node_plugin.system import limits, signatures
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo import covered
from tests import support
from tests.support import manpages
from tests.support.dnf_runner import TOP, Dnf
from tests.support.transcripts import Sandbox, output_agrees, steps

COMMAND, DESCRIPTOR, REGISTRY, _ = manpages.PAGES
SCHEMAS = TOP / "ovirt_node_plugin/schema"
RNG = "{http://relaxng.org/ns/structure/1.0}"


def test_subcommands_are_those_of_the_command() -> None:
    lines = manpages.section(COMMAND, "SUBCOMMANDS")
    assert list(manpages.terms_by_first_word(lines)) == list(dnf_arguments.SUBCOMMANDS)
    synopsis = manpages.prose(manpages.section(COMMAND, "SYNOPSIS"))
    assert re.findall(r"node-plugin ([\w-]+)", synopsis) == list(dnf_arguments.SUBCOMMANDS)


def test_options_are_those_of_the_command() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    dnf_arguments.add_arguments(parser)
    known = {name for action in parser._actions for name in action.option_strings}
    terms = manpages.terms(manpages.section(COMMAND, "OPTIONS"))
    assert {word for term in terms for word in re.findall(r"--[\w-]+", term)} == known


def test_exit_statuses_are_those_of_the_code() -> None:
    terms = manpages.terms(manpages.section(COMMAND, "EXIT STATUS"))
    assert terms == [str(int(status)) for status in Status]


def test_kinds_of_errors_are_those_of_the_code() -> None:
    known = {name for module in (errors, signatures) for name, value in vars(module).items()
             if isinstance(value, type) and issubclass(value, errors.NodePluginError)}
    text = manpages.prose(manpages.section(COMMAND, "JSON"))
    kinds = re.findall(r"\b[A-Z]\w*[a-z][A-Z]\w*|Refused|Drifted|Locked|Interrupted", text)
    assert set(kinds) == known


class RecordingOptions(Dict[str, str]):
    """Options that record which of them are read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False


def test_configuration_options_are_those_of_the_code() -> None:
    asked = RecordingOptions()
    config.read_config(asked)
    in_page = manpages.terms_by_first_word(manpages.section(COMMAND, "CONFIGURATION"))
    in_file = re.findall(r"^#?(\w+) = (.*)$",
                         (TOP / "etc/dnf/plugins/node-plugin.conf").read_text(), re.MULTILINE)
    assert set(in_page) == asked.names | {"enabled"}  # dnf itself reads this option
    assert list(in_page.values()) == [f"{name} ({default})" for name, default in in_file]


def test_documented_defaults_are_those_of_the_code() -> None:
    written = re.findall(r"^#?(\w+) = (.*)$",
                         (TOP / "etc/dnf/plugins/node-plugin.conf").read_text(), re.MULTILINE)
    assert config.read_config(dict(written)) == config.Config()
    assert dict(written)["library"].split() == list(map(str, FOLDERS))


def declared(schema: str) -> Dict[str, Set[str]]:
    """Map the elements of a schema to the attributes they may have."""
    tree = ElementTree.parse(SCHEMAS / schema)
    defined = {node.get("name", ""): node for node in tree.iter(f"{RNG}define")}
    found: Dict[str, Set[str]] = {}
    for element in tree.iter(f"{RNG}element"):
        found.setdefault(element.get("name", ""), set()).update(_attributes(element, defined))
    return found


def _attributes(node: ElementTree.Element, defined: Dict[str, ElementTree.Element]
                ) -> Iterator[str]:
    for child in node:
        if child.tag == f"{RNG}attribute":
            yield child.get("name", "")
        elif child.tag == f"{RNG}ref":
            yield from _attributes(defined[child.get("name", "")], defined)
        elif child.tag != f"{RNG}element":
            yield from _attributes(child, defined)


def explained_elements(page: str, *titles: str) -> Dict[str, Set[str]]:
    """Map the elements that sections explain to their attributes."""
    found: Dict[str, Set[str]] = {}
    for title in titles:
        for term in manpages.terms(manpages.section(page, title)):
            names = re.findall(r"<([\w-]+)>", term)
            for name in names:
                found.setdefault(name, set()).update(term.replace(",", " ").split()[len(names):])
    return found


def test_every_element_of_a_descriptor_is_explained() -> None:
    assert explained_elements(DESCRIPTOR, "ELEMENTS") == declared("node-plugin.rng")


@pytest.mark.parametrize("schema, title", [("record.rng", "THE RECORD"),
                                           ("manifest.rng", "THE MANIFEST")])
def test_every_element_of_the_registry_is_explained(schema: str, title: str) -> None:
    """Except those that only contain a list of other elements."""
    found, known = explained_elements(REGISTRY, title), declared(schema)
    text = manpages.prose(manpages.section(REGISTRY, title))
    assert set(known) - set(found) <= {
        "repos", "packages", "parameters", "settings", "folders", "files", "together"}
    assert set(found) <= set(known)
    for name, attributes in known.items():
        named = {attribute for attribute in attributes if re.search(rf"\b{attribute}\b", text)}
        assert (found.get(name, set()) | named) == attributes, name


def test_every_hook_point_is_listed() -> None:
    text = manpages.prose(manpages.section(DESCRIPTOR, "ELEMENTS"))
    both, failing, alone = re.findall(
        r"of: ([^.]*)\. after_X_fail for each X of: ([^.]*)\. And these: ([^.]*)\.", text)[0]
    listed = [f"{when}_{name}" for when in ("before", "after") for name in both.split(", ")]
    listed += [f"after_{name}_fail" for name in failing.split(", ")] + alone.split(", ")
    assert sorted(listed) == sorted(HOOK_POINTS)


def test_limits_are_those_of_the_code() -> None:
    said = manpages.prose(manpages.section(COMMAND, "LIMITS"))
    assert f"more than {covered.COPIED_TREE_BYTES >> 20} MiB" in said
    mib, kib = 20, 10
    assert f"a configuration file has at most {limits.TEXT_BYTES >> mib} MiB" in said
    assert f"users or groups {limits.ACCOUNTS_BYTES >> mib} MiB" in said
    assert f".repo file {limits.REPO_FILE_BYTES >> mib} MiB" in said
    assert f"edits or keeps {limits.EDITED_BYTES >> mib} MiB" in said
    assert (f"have {limits.LOADER_ENTRY_BYTES >> kib} KiB each, and"
            f" {limits.LOADER_ENTRIES_BYTES >> mib} MiB together") in said
    assert f"have {limits.CORE_PATTERNS} names" in said
    assert f"has {limits.FOLDER_DEPTH} levels" in said
    assert (f"header of at most {limits.HEADER_BYTES >> mib} MiB, and {limits.PACKAGE_FILES}"
            " files") in said
    assert f"more than {limits.JOURNAL_BYTES >> mib} MiB or {limits.JSON_ITEMS} values" in said
    assert f"is ended after {limits.PROGRAM_S:.0f} seconds" in said
    said = manpages.prose(manpages.section(DESCRIPTOR, "A BUNDLE ON DISK"))
    assert f"{limits.BUNDLE_ENTRIES} members" in said and f"{limits.BUNDLE_BYTES >> 30} GiB" in said
    assert f"{limits.FOLDER_DEPTH} levels of folders" in said
    assert f"{limits.BUNDLE_FILES} keys" in said
    assert f"{limits.METADATA_BYTES >> 20} MiB when it is decompressed" in said
    said = manpages.prose(manpages.section(DESCRIPTOR, "ELEMENTS"))
    assert f"{limits.TEXT_BYTES >> 20} MiB" in said
    assert f"{limits.DESCRIPTOR_ITEMS} elements and attributes" in said
    assert f"{limits.XML_DEPTH} levels of elements" in said
    assert f"command line, at most {limits.DESCRIPTOR_ARGUMENTS} of them" in said
    assert f"At most {limits.DESCRIPTOR_EXCLUDES}. Packages that must not" in said
    said = manpages.prose(manpages.section(REGISTRY, "READING THE REGISTRY"))
    assert f"record has at most {limits.RECORD_BYTES >> 20} MiB" in said
    assert f"{limits.RECORDS} records, of {limits.RECORDS_BYTES >> 20} MiB together" in said
    assert (f"manifest has at most {limits.UNDO_DATA_BYTES >> 20} MiB and"
            f" {limits.UNDO_CONTENT_BYTES >> 20} MiB of contents") in said
    assert f"at most {limits.INVENTORY_BYTES >> 20} MiB when it is unpacked" in said
    assert f"{limits.JSON_ITEMS} values" in said and f"{limits.XML_ITEMS} elements" in said
    said = manpages.prose(manpages.section(DESCRIPTOR, "ERRORS"))
    assert f"of the first {limits.PROBLEMS} errors" in said


@pytest.mark.parametrize("page", manpages.PAGES)
def test_every_example_has_a_kind_of_test(page: str) -> None:
    kinds = {"xml", "shell", "program", "repo", "python", "json", "containerfile",
             "config-folders", "none", "upgrade-build", "upgrade-node", "upgrade-repo"}
    assert [example.text for example in manpages.examples(page) if example.kind not in kinds] == []


@pytest.mark.parametrize("page", manpages.PAGES)
def test_examples_in_xml_are_valid(page: str) -> None:
    for example in manpages.examples_of_kind(page, "xml"):
        text = example.text.encode()
        if example.words == "node-plugin":
            parse_descriptor(text, origin=page)
        elif example.words == "record":
            xml.load_record(text, origin=page)
        else:
            assert example.words == "manifest"
            xml.load_undo_data(text, origin=page)


def test_a_differing_transcript_is_detected() -> None:
    assert steps("# a \\\n  b\none\n# c\n")[0].command == "a b"
    assert output_agrees(["one", "...", "x ... z"], "one\ntwo\nx   y z\n")
    assert not output_agrees(["one", "three"], "one\ntwo\nthree\n")


def test_the_help_of_the_command_names_every_subcommand_and_option(dnf: Dnf, node: Path) -> None:
    answer = dnf.plugin(node, "--help")
    parser = argparse.ArgumentParser(add_help=False)
    dnf_arguments.add_arguments(parser)
    words = set(re.findall(r"(?<![\w-])-{0,2}[\w-]+", answer.out))
    assert answer.status == 0
    assert set(dnf_arguments.SUBCOMMANDS) <= words
    assert {name for action in parser._actions for name in action.option_strings} <= words


@pytest.fixture
def sandbox(built: support.Fixtures, node: Path, host: Path, dnf: Dnf, tmp_path: Path) -> Sandbox:
    """A sandbox with a node at /mnt/node, a host, and plugins at /media/usb."""
    stick = tmp_path / "usb"
    stick.mkdir()
    for name, form in (("cim", "tar.zst"), ("storage", "tar.zst"), ("snmp", "folder"),
                       ("needs-libvirt", "folder")):
        run(["cp", "-a", built.bundle(name, form=form), stick])
    return Sandbox(dnf, cwd=tmp_path / "home/work", default_root=host, places={
        "/mnt/node": str(node), "/media/usb": str(stick), "/root": str(tmp_path / "home/work"),
        "/etc/ovirt-node-plugin/plugins.d": str(dnf.own_library)})


@pytest.mark.slow
def test_examples_of_the_command_print_what_the_manual_shows(
        sandbox: Sandbox, built: support.Fixtures) -> None:
    shutil.copy2(built.repo("storage") / "storage.repo", sandbox.cwd)
    for example in manpages.examples_of_kind(COMMAND, "shell"):
        sandbox.play(example.text)


@pytest.fixture
def keyring(built: support.Fixtures, sandbox: Sandbox) -> Iterator[Path]:
    """A GNUPGHOME with a secret key, and an rpmsign that uses it.

    Its path is short, as unix(7) limits the name of a socket to 108 bytes.
    """
    home = Path(os.path.realpath(sandbox.cwd.parent)) / "gpg"
    shutil.copytree(built.key.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
    home.chmod(0o700)
    sandbox.variables["GNUPGHOME"] = str(home)
    sandbox.places["packager@example.com"] = "fixtures@example.com"
    sandbox.program("rpmsign", f'exec {shutil.which("rpmsign")} '
                               f'--define "__gpg {shutil.which("gpg")}" "$@"\n')
    yield home
    sandbox.run("gpgconf --kill all")


@pytest.mark.slow
@pytest.mark.usefixtures("keyring")
def test_examples_of_the_descriptor_print_what_the_manual_shows(
        sandbox: Sandbox, built: support.Fixtures) -> None:
    whole, least, *_ = manpages.examples_of_kind(DESCRIPTOR, "xml")
    (repo_file,) = manpages.examples_of_kind(DESCRIPTOR, "repo")
    (sandbox.cwd / "node-plugin.xml").write_text(whole.text)
    (sandbox.cwd / "storage.repo").write_text(repo_file.text)
    (sandbox.cwd / "broken").mkdir()
    (sandbox.cwd / "broken/node-plugin.xml").write_text(
        re.sub(r" *<install .*\n", "", least.text))
    for rpm in (built.bundle("storage") / "repo").glob("*.rpm"):
        shutil.copy2(rpm, sandbox.cwd)
    for example in manpages.examples_of_kind(DESCRIPTOR, "shell"):
        sandbox.play(example.text)


@pytest.mark.slow
def test_examples_of_the_inventory_print_what_the_manual_shows(
        sandbox: Sandbox, built: support.Fixtures, node: Path) -> None:
    run(["cp", "-a", built.bundle("agent", "1.0"), sandbox.places["/media/usb"]])
    sandbox.play("# dnf -y node-plugin install /media/usb/agent-1.0 --trust-keys"
                 " --installroot=/mnt/node\n")
    sandbox.places["/etc/ovirt.plugins-manifests.d"] = f"{node}/etc/ovirt.plugins-manifests.d"
    for example in manpages.examples_of_kind(REGISTRY, "shell"):
        sandbox.play(example.text)
    (reader,) = [example for example in manpages.examples_of_kind(REGISTRY, "python")
                 if example.words == "inventory"]
    script = sandbox.cwd / "reader"
    script.write_text(re.sub("/(etc|usr/lib)/ovirt", rf"{node}/\1/ovirt", reader.text))
    script.chmod(0o755)
    sandbox.play("# ./reader\nacme-agent-1.0-1.noarch 6\nadded /etc/modprobe.d/node-plugin-agent"
                 "-loop.conf by kernel-module loop:options\n...\n")


@pytest.mark.slow
def test_the_example_reader_of_the_registry_finds_missing_packages(
        sandbox: Sandbox, node: Path) -> None:
    (reader,) = [example for example in manpages.examples_of_kind(REGISTRY, "python")
                 if example.words == "reader"]
    script = sandbox.cwd / "reader"
    script.write_text(re.sub("/(etc|usr/lib)/ovirt", rf"{node}/\1/ovirt", reader.text))
    script.chmod(0o755)
    sandbox.program("rpm", f'exec {shutil.which("rpm")} --root {node} --dbpath /usr/share/rpm'
                           ' "$@"\n')
    sandbox.play("# dnf -y node-plugin install /media/usb/snmp-1.0 --trust-keys"
                 " --installroot=/mnt/node\n...\nInstalled plugin snmp 1.0.\n"
                 "# ./reader\nsnmp 1.0 lacks: []\n"
                 "# rpm --erase --nodeps --noscripts net-snmp-utils\n"
                 "# ./reader\nsnmp 1.0 lacks: ['net-snmp-utils-1:...']\n")


@pytest.mark.slow
def test_the_example_record_is_what_an_install_writes(sandbox: Sandbox, node: Path) -> None:
    (page_example,) = [example for example in manpages.examples_of_kind(REGISTRY, "xml")
                       if example.words == "record"]
    shown = xml.load_record(page_example.text.encode(), origin="manual")
    sandbox.run(f"dnf -y node-plugin install {shown.source} --trust-keys --installroot=/mnt/node")
    written = xml.load_record(
        (node / "etc/ovirt.plugins.d/storage").read_bytes(), origin="root")

    def comparable(record: Any) -> Any:
        return dataclasses.replace(
            record, installed_at="", source="",
            recorded_origin=(record.origin.vendor, len(record.origin.keys)),
            packages=tuple((one.nevra, one.reason) for one in record.packages))
    assert comparable(written) == comparable(shown)


def unexplained(pages: List[str]) -> List[str]:
    """Return the manual pages that ``pages`` does not name."""
    return sorted(path.name for path in manpages.MAN.iterdir() if path.name not in pages)


def test_every_manual_page_is_tested() -> None:
    assert unexplained(list(manpages.PAGES)) == []


def test_folders_of_configuration_are_those_of_the_list() -> None:
    text = manpages.prose(manpages.source(DESCRIPTOR))
    for folder in folders.built_in():
        title = folder.title[0].upper() + folder.title[1:]
        assert f"{title}, in {' or '.join(folder.paths)}." in text
    private = [folder.id for folder in folders.built_in() if folder.secret]
    assert f"secret is possible in {', '.join(private[:-1])} and {private[-1]}: their" in text


def test_examples_of_a_sites_folders_are_read(tmp_path: Path) -> None:
    (example,) = manpages.examples_of_kind(DESCRIPTOR, "config-folders")
    (tmp_path / "site.conf").write_text(example.text)
    known = folders.read_folders(tmp_path)
    assert folders.names(known) == ["acme-rules", "motd"]
    assert known["acme-rules"].names.fullmatch("a-1.rule")
