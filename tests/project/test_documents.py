"""Documents agree with the tree: links, schemas, descriptors, manual pages."""
from __future__ import annotations

import argparse
import configparser
import fnmatch
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest
from lxml import etree

from ovirt_node_plugin import __version__
from ovirt_node_plugin.cli import arguments, dnf_arguments
from ovirt_node_plugin.errors import UsageError
from tests.support import needs

TOP = Path(__file__).resolve().parents[2]
SCHEMAS = TOP / "ovirt_node_plugin" / "schema"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def own_files(pattern: str) -> List[str]:
    """Return the relative paths of the project's files that match a pattern."""
    listed = subprocess.run([str(TOP / "tools" / "sources")], stdout=subprocess.PIPE, check=True)
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name and Path(name).match(pattern)]


def headings(document: Path) -> List[str]:
    """Return the anchors that code hosts give to a document's headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"),
                  flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]


def broken_links(document: Path) -> List[str]:
    """Return the missing targets of a document's relative links."""
    broken = []
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        if not file.exists() or (anchor and anchor not in headings(file)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("document", own_files("*.md"))
def test_targets_of_links_in_documents_exist(document: str) -> None:
    assert broken_links(TOP / document) == []


def test_a_broken_link_is_detected(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("# One two\n[x](#one-two) [y](#three) [z](b.md) [w](a.md) "
                        "[v](https://example.com/)\n", encoding="utf-8")
    assert broken_links(document) == ["#three", "b.md"]


def test_pictures_in_documents_are_those_that_tests_take() -> None:
    """By ``make pictures``."""
    tests = "".join(path.read_text(encoding="utf-8") for path in TOP.glob("tests/cockpit/*.py"))
    named = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', tests))
    shown = {Path(target).stem for name in own_files("*.md")
             for target in LINK.findall((TOP / name).read_text(encoding="utf-8"))
             if target.endswith(".png")}
    kept = {path.stem for path in TOP.glob("docs/pictures/*.png")}
    assert shown == kept and {re.sub("-(dark|narrow)$", "", name) for name in kept} <= named


def rows(document: Path) -> List[List[str]]:
    """Return the cells of each row in a document's tables of claims."""
    found: List[List[str]] = []
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith("| claim |"):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not re.fullmatch(r"[|-]+", line):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


STATES = ("test", "tried", "read", "not tried")


def faults(claims: List[List[str]]) -> List[str]:
    """Return the claims that lack a state or its evidence.

    A tested claim names the test, a file of this tree or a script of tools/.
    """
    bad = []
    for claim in claims:
        named = len(claim) == 3 and all(claim) and claim[1] in STATES
        if not named or (claim[1] == "test" and not re.search(
                r"\]\(\.\./tests/(?:\w+/)*\w+\.py\)|`tools/(?:check|matrix)`", claim[2])):
            bad.append(" | ".join(claim))
    return bad


def test_every_claim_about_a_platform_names_its_evidence() -> None:
    claims = rows(TOP / "docs/platforms.md")
    assert len(claims) > 10 and faults(claims) == []
    assert len({claim[0] for claim in claims}) == len(claims)


@pytest.mark.parametrize("claim", [
    "it works | test | I saw it", "it works | surely | tests", "it works | read |", "it works"])
def test_a_claim_without_evidence_is_detected(claim: str) -> None:
    assert faults([[cell.strip() for cell in claim.split("|")]])


def test_claims_about_platforms_are_in_one_document() -> None:
    """Only that document states what was not tried; others link to it."""
    for name in own_files("*.md") + own_files("man/*.[1-9]"):
        if name != "docs/platforms.md":
            text = (TOP / name).read_text(encoding="utf-8")
            assert re.search(r"(?i)\b(?:not tried|untested|never tried) on\b", text) is None, name
    for name in ("README.md", "docs/architecture.md"):
        assert "platforms.md)" in (TOP / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("schema", sorted(path.name for path in SCHEMAS.glob("*.rng")))
def test_schemas_are_valid_relax_ng(schema: str) -> None:
    assert not etree.RelaxNG(etree.parse(str(SCHEMAS / schema))).error_log


@pytest.mark.parametrize("descriptor", own_files("node-plugin.xml"))
def test_descriptors_of_the_tree_are_valid(descriptor: str) -> None:
    schema = etree.RelaxNG(etree.parse(str(SCHEMAS / "node-plugin.rng")))
    assert schema.validate(etree.parse(str(TOP / descriptor))), schema.error_log


@pytest.mark.parametrize("manual", own_files("man/*.[1-9]"))
def test_the_title_of_a_manual_page_matches_its_file(manual: str) -> None:
    name, _, section = Path(manual).name.rpartition(".")
    text = (TOP / manual).read_text(encoding="utf-8")
    title = re.search(r'^\.TH "?(\S+?)"? "?(\d)"?', text, re.MULTILINE)
    assert title is not None
    assert (title.group(1).replace("\\", "").lower(), title.group(2)) == (name.lower(), section)


FORMS = own_files(".github/ISSUE_TEMPLATE/*.yml")
PROSE = ("CONTRIBUTING.md", "SECURITY.md", "NEWS.md", "docs/ci.md", "docs/cockpit.md",
         "docs/editors.md", "docs/products.md", "docs/sites.md", "docs/vendors.md")


@pytest.mark.parametrize("document", PROSE)
def test_documents_about_the_project_are_linked_from_the_readme(document: str) -> None:
    assert f"]({document})" in (TOP / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> List[str]:
    """Return the commands of this project in backticks in a text."""
    return re.findall(r"`((?:dnf(?:-3)? node-plugin|ovirt-node-plugin) [^`]+)`", text)


def check_command(command: str) -> None:
    """Parse a command line. Raises SystemExit or UsageError if the program refuses it."""
    words = shlex.split(command)
    if words[0] == "ovirt-node-plugin":
        arguments.parse(words[1:])
        return
    parser = argparse.ArgumentParser()
    parser.set_defaults(assumeyes=False, assumeno=False, downloadonly=False)  # dnf's own
    for own in ("--installroot", "--enablerepo"):
        parser.add_argument(own)
    dnf_arguments.add_arguments(parser)
    dnf_arguments.check_arguments(parser.parse_args(words[2:]))


@pytest.mark.parametrize("document", [*PROSE, *FORMS])
def test_commands_in_documents_and_issue_forms_are_accepted(document: str) -> None:
    found = commands((TOP / document).read_text(encoding="utf-8"))
    assert found or document in ("CONTRIBUTING.md", "NEWS.md") or document.endswith("config.yml")
    for command in found:
        if command != "ovirt-node-plugin --version":  # prints it and ends
            check_command(command)


@pytest.mark.parametrize("command", [
    "dnf node-plugin look x", "dnf node-plugin verify --jsonn", "ovirt-node-plugin merge --json",
    "ovirt-node-plugin mix a b"])
def test_an_invalid_command_is_detected(command: str) -> None:
    assert commands(f"Try `{command}`.") == [command]
    with pytest.raises((SystemExit, UsageError)):
        check_command(command)


def test_issue_forms_ask_for_version_plan_and_verify() -> None:
    forms = [name for name in FORMS if not name.endswith("config.yml")]
    assert forms
    for name in forms:
        form = needs.library("yaml").safe_load((TOP / name).read_text(encoding="utf-8"))
        asked = {part["id"]: part["attributes"].get("description", "") for part in form["body"]}
        assert "ovirt-node-plugin --version" in asked["version"]
        assert "--dry-run --json" in asked["plan"]
        assert "dnf node-plugin verify --json" in asked["verify"]


def test_the_version_is_the_same_in_every_place() -> None:
    spec = (TOP / "ovirt-node-plugin.spec").read_text(encoding="utf-8")
    assert re.findall(r"^Version: +(\S+)$", spec, re.MULTILINE) == [__version__]
    changelog = spec.partition("%changelog\n")[2].splitlines()[0]
    assert changelog.rpartition("-")[0].endswith(f"> - {__version__}")
    for page in own_files("man/*.[1-9]"):
        title = (TOP / page).read_text(encoding="utf-8").splitlines()[0]
        assert f'"ovirt-node-plugin {__version__}"' in title, page
    assert __version__ in versions_in_news()


def versions_in_news() -> List[str]:
    """Return the section titles of NEWS.md without their dates."""
    text = (TOP / "NEWS.md").read_text(encoding="utf-8")
    return [title.partition(", ")[0] for title in re.findall(r"^## (.*)$", text, re.MULTILINE)]


def test_news_are_ordered_with_the_newest_first() -> None:
    versions = [name for name in versions_in_news() if name != "Unreleased"]
    numbers = [tuple(map(int, name.split("."))) for name in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert versions_in_news() in (versions, ["Unreleased", *versions])


def test_manual_sections_named_in_security_exist() -> None:
    text = (TOP / "SECURITY.md").read_text(encoding="utf-8")
    manual, other = ((TOP / "man" / page).read_text(encoding="utf-8").replace("\\-", "-")
                     for page in ("dnf-node-plugin.8", "ovirt-node-plugin.8"))
    named = re.findall(r"\b[A-Z]{4,}(?: [A-Z]{4,})*\b(?!\.md)", text)
    assert named and all(re.search(rf"^\.SH {title}$", manual, re.MULTILINE) for title in named)
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert re.search(rf"{option}\b", manual + other), option


def test_each_wall_in_security_names_tests_that_exist() -> None:
    text = (TOP / "SECURITY.md").read_text(encoding="utf-8")
    section = text[text.index("## The walls"):text.index("## What it does not protect")]
    walls = re.split(r"^- (?=\*\*)", section, flags=re.MULTILINE)[1:]
    assert len(walls) > 15
    for wall in walls:
        tests = re.findall(r"`(tests/[^`]+)`", wall.partition("Tests:")[2])
        assert tests and all((TOP / name).exists() for name in tests), wall


def editor_rules(name: str) -> Dict[str, str]:
    """Return the rules of .editorconfig for a file; later sections override earlier ones."""
    parser = configparser.RawConfigParser()
    text = (TOP / ".editorconfig").read_text(encoding="utf-8")
    parser.read_string(text[text.index("[*]"):])
    rules: Dict[str, str] = {}
    for section in parser.sections():
        head, _, rest = section.partition("{")
        inner, _, tail = rest.partition("}")
        if any(fnmatch.fnmatch(Path(name).name, head + one + tail) for one in inner.split(",")):
            rules.update(parser[section])
    return rules


def test_files_follow_the_editor_configuration() -> None:
    assert editor_rules("a/b.yml")["indent_size"] == "2"
    assert editor_rules("a/b.py")["indent_size"] == "4"
    for name in own_files("*"):
        path, rules = TOP / name, editor_rules(name)
        if path.is_symlink() or not path.is_file() or path.suffix == ".png":
            continue
        text = path.read_bytes().decode(rules["charset"])
        assert "\r" not in text and not re.search(r"[ \t]+$", text, re.MULTILINE), name
        assert text == "" or text.endswith("\n"), name
        if rules["indent_style"] == "space":
            assert not re.search(r"^ *\t", text, re.MULTILINE), name


CONTRIBUTING = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")


def fenced(language: str) -> List[str]:
    """Return the code blocks of a language in CONTRIBUTING.md."""
    return re.findall(rf"^```{language}\n(.*?)^```$", CONTRIBUTING, re.MULTILINE | re.DOTALL)


def test_paths_named_in_contributing_exist() -> None:
    """The files of its example, a setting called motd, do not exist."""
    quoted = set(re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", CONTRIBUTING,
                                                  flags=re.MULTILINE | re.DOTALL)))
    paths = {one for one in quoted if re.fullmatch(r"[\w./-]+/[\w./-]*|[\w-]+\.spec", one)
             and not one.startswith(("~", "build/")) and "motd" not in one}
    assert len(paths) > 20
    assert [one for one in sorted(paths) if not any(
        (TOP / up / one).exists() for up in ("", "ovirt_node_plugin"))] == []
    code = "".join((TOP / name).read_text(encoding="utf-8") for name in own_files("*.py"))
    names = {one for one in quoted if re.fullmatch(r"_?[A-Z][A-Z_]+|_[a-z_]+", one)}
    assert len(names) > 5
    assert [one for one in sorted(names) if not re.search(rf"\b{one}\b", code)] == []


def test_examples_in_contributing_are_code_of_the_project() -> None:
    code = " ".join(" ".join((TOP / name).read_text(encoding="utf-8").split())
                    for name in own_files("*.py"))
    examples = fenced("python")
    assert len(examples) >= 4
    assert [one for one in examples if " ".join(one.split()) not in code] == []


def test_commands_in_contributing_are_accepted_by_the_tools() -> None:
    lines = [line.partition("#")[0].strip() for line in "".join(fenced("sh")).splitlines()]
    ours = [shlex.split(line) for line in lines if line.startswith("./tools/")]
    assert {line[0] for line in ours} == {"./tools/check", "./tools/fuzz", "./tools/matrix"}
    for program, *words in ours:
        known = subprocess.run([str(TOP / program), "--help"], stdout=subprocess.PIPE,
                               encoding="utf-8", check=True).stdout
        for word in words[:words.index("--")] if "--" in words else words:
            assert (word in known if word.startswith("-") else
                    word.isdigit() or (TOP / word).exists()), word
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    for step in re.findall(r"`make (\w+)`", CONTRIBUTING):
        assert re.search(rf"^{step}:", makefile, re.MULTILINE), step


def test_the_first_test_of_contributing_needs_only_what_it_installs(tmp_path: Path) -> None:
    """It runs as nobody in a copy, since only root may be able to read the checkout."""
    (line,) = [line for line in fenced("sh")[0].splitlines() if "-m pytest" in line]
    libraries = re.findall(r"python3-(\w+)", fenced("sh")[0])
    assert sorted(libraries) == sorted(["pytest", *needs.libraries([shlex.split(line)[-1]])])
    copy = tmp_path / "copy"
    for name in own_files("*"):
        if name.startswith(("ovirt_node_plugin/", "tests/")) or name == "pyproject.toml":
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, copy / name)
    for folder in (copy, *copy.parents):
        if Path("/tmp") in folder.parents:
            folder.chmod(0o755)
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *shlex.split(line),
         "-p", "no:cacheprovider", f"--basetemp={own}/work"], cwd=copy, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8")
    assert re.fullmatch(r"=+ \d+ passed in .* =+", done.stdout.splitlines()[-1]), done.stdout
