"""The schema for editors: its address, its catalog, its sentences, and the page about it."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List
from xml.etree import ElementTree

import pytest

from ovirt_node_plugin.authoring.new.draft import descriptor_text, draft
from ovirt_node_plugin.authoring.new.examine import Findings
from ovirt_node_plugin.plugin.descriptor import SCHEMA_ADDRESS, SCHEMA_LINE, parse_descriptor
from tests.support import manpages
from tests.support.compact_schema import COMPACT, compact_text
from tests.support.dnf_runner import TOP
from tests.support.sample_bundle import DESCRIPTOR

SCHEMAS = TOP / "ovirt_node_plugin/schema"
PAGE = (TOP / "docs/editors.md").read_text(encoding="utf-8")
RNG = "{http://relaxng.org/ns/structure/1.0}"
SENTENCE = "{http://relaxng.org/ns/compatibility/annotations/1.0}documentation"


def blocks(language: str) -> List[str]:
    """Return the fenced blocks of a language in the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_address_is_a_file_of_the_projects_repository() -> None:
    spec = (TOP / "ovirt-node-plugin.spec").read_text(encoding="utf-8")
    (home,) = re.findall(r"^URL: +https://github\.com/(\S+)$", spec, re.MULTILINE)
    start = f"https://raw.githubusercontent.com/{home}/main/"
    assert SCHEMA_ADDRESS.startswith(start) and (TOP / SCHEMA_ADDRESS[len(start):]).is_file()


def test_page_and_manual_have_the_address_and_the_line() -> None:
    assert f"| public | `{SCHEMA_ADDRESS}` |" in PAGE
    assert blocks("xml") == [f"{SCHEMA_LINE}\n"]
    (shown,) = [example.text for example in manpages.examples("node-plugin.xml.5")
                if "xml-model" in example.text]
    assert shown.split() == SCHEMA_LINE.split()


def test_the_catalog_leads_from_the_address_to_the_schema_without_a_network(
        tmp_path: Path) -> None:
    document = tmp_path / "node-plugin.xml"
    document.write_text(DESCRIPTOR, encoding="utf-8")
    script = ("import sys; from lxml import etree\n"
              "print(etree.RelaxNG(file=sys.argv[1]).validate(etree.parse(sys.argv[2])))")
    said = subprocess.run(
        [sys.executable, "-c", script, SCHEMA_ADDRESS, str(document)], check=True,
        stdout=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "XML_CATALOG_FILES": str(SCHEMAS / "catalog.xml"),
             "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"})
    assert said.stdout == "True\n"
    names = {entry.get("systemId") or entry.get("name")
             for entry in ElementTree.parse(SCHEMAS / "catalog.xml").getroot()}
    assert names == {SCHEMA_ADDRESS}


def test_a_new_descriptor_has_the_line() -> None:
    text = descriptor_text(draft("acme", [], Findings()))
    assert text.split("\n", 1)[1].startswith(f"{SCHEMA_LINE}\n")
    assert parse_descriptor(text.encode(), origin="x").name == "acme"


def sentences() -> Dict[str, List[str]]:
    """Map the elements of the schema to the sentences that it has for them."""
    found: Dict[str, List[str]] = {}
    for element in ElementTree.parse(SCHEMAS / "node-plugin.rng").iter(f"{RNG}element"):
        found.setdefault(element.get("name", ""), []).append(
            element.findtext(SENTENCE, default=""))
    return found


def explained() -> Dict[str, str]:
    """Map the elements of the manual to what it says of them."""
    found: Dict[str, str] = {}
    names: List[str] = []
    lines = manpages.section("node-plugin.xml.5", "ELEMENTS")
    for before, line in zip(["", *lines], lines):
        if before == ".TP":
            names = re.findall(r"<([\w-]+)>", manpages.text_of(line)) or names
        else:
            for name in names:
                found[name] = f"{found.get(name, '')} {manpages.text_of(line)}".strip()
    return found


def test_each_element_has_a_sentence_of_the_manual() -> None:
    said = explained()
    faults = [f"{name}: {text!r}" for name, texts in sentences().items() for text in texts
              if not text or text not in said[name].replace('"', "")]
    assert faults == []


@pytest.mark.parametrize("block", blocks("json"))
def test_settings_of_the_page_are_json_and_name_installed_files(block: str) -> None:
    assert json.loads(block)
    (file,) = re.findall(r"/usr/share/xml/ovirt-node-plugin/([\w.-]+)", block)
    assert (SCHEMAS / file).is_file()


def test_the_compact_schema_is_made_from_the_schema() -> None:
    """``python -m tests.support.compact_schema`` makes it again."""
    assert COMPACT.read_text(encoding="utf-8") == compact_text()


def test_the_rules_for_emacs_name_the_root_element_and_the_compact_schema() -> None:
    (rule,) = ElementTree.parse(SCHEMAS / "schemas.xml").getroot()
    assert rule.attrib == {"localName": "node-plugin", "uri": COMPACT.name}
    assert "/usr/share/xml/ovirt-node-plugin/schemas.xml" in blocks("elisp")[0]


@pytest.mark.parametrize("example", sorted((TOP / "examples").glob("*/node-plugin.xml")),
                         ids=lambda path: path.parent.name)
def test_the_examples_have_the_line(example: Path) -> None:
    assert f"\n{SCHEMA_LINE}\n" in example.read_text(encoding="utf-8")
