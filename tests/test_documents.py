"""What is written down fits what is there: links, schemas, descriptors, manual pages."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List

import pytest
from lxml import etree

TOP = Path(__file__).resolve().parent.parent
SCHEMAS = TOP / "ovirt_node_plugin" / "schema"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def own_files(pattern: str) -> List[str]:
    """Return the project's own files that match a pattern, relative to its top."""
    listed = subprocess.run([str(TOP / "tools" / "sources")], stdout=subprocess.PIPE, check=True)
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name and Path(name).match(pattern)]


def headings(document: Path) -> List[str]:
    """Return the anchors of a document's headings, as code hosts make them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"),
                  flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]


def broken_links(document: Path) -> List[str]:
    """Return the targets of a document's relative links that are not there."""
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
def test_links_of_documents_lead_somewhere(document: str) -> None:
    assert broken_links(TOP / document) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("# One two\n[x](#one-two) [y](#three) [z](b.md) [w](a.md) "
                        "[v](https://example.com/)\n", encoding="utf-8")
    assert broken_links(document) == ["#three", "b.md"]


@pytest.mark.parametrize("schema", sorted(path.name for path in SCHEMAS.glob("*.rng")))
def test_schemas_are_valid_relax_ng(schema: str) -> None:
    etree.RelaxNG(etree.parse(str(SCHEMAS / schema)))


@pytest.mark.parametrize("descriptor", own_files("node-plugin.xml"))
def test_descriptors_of_the_tree_fit_the_schema(descriptor: str) -> None:
    schema = etree.RelaxNG(etree.parse(str(SCHEMAS / "node-plugin.rng")))
    schema.assertValid(etree.parse(str(TOP / descriptor)))


@pytest.mark.parametrize("manual", own_files("man/*.[1-9]"))
def test_manuals_have_a_title_that_fits_their_file(manual: str) -> None:
    name, _, section = Path(manual).name.rpartition(".")
    text = (TOP / manual).read_text(encoding="utf-8")
    title = re.search(r'^\.TH "?(\S+?)"? "?(\d)"?', text, re.MULTILINE)
    assert title is not None
    assert (title.group(1).replace("\\", "").lower(), title.group(2)) == (name.lower(), section)
