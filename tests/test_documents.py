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


def rows(document: Path) -> List[List[str]]:
    """Return the cells of each row of the tables of claims in a document."""
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
    """Return the claims that lack a state or what backs it.

    What is said to be tested names the test, a file of this tree or a script of tools/.
    """
    bad = []
    for claim in claims:
        named = len(claim) == 3 and all(claim) and claim[1] in STATES
        if not named or (claim[1] == "test" and not re.search(
                r"\]\(\.\./tests/\w+\.py\)|`tools/(?:check|matrix)`", claim[2])):
            bad.append(" | ".join(claim))
    return bad


def test_every_claim_about_a_platform_says_what_backs_it() -> None:
    claims = rows(TOP / "docs/platforms.md")
    assert len(claims) > 10 and faults(claims) == []
    assert len({claim[0] for claim in claims}) == len(claims)


@pytest.mark.parametrize("claim", [
    "it works | test | I saw it", "it works | surely | tests", "it works | read |", "it works"])
def test_a_claim_that_nothing_backs_is_found(claim: str) -> None:
    assert faults([[cell.strip() for cell in claim.split("|")]])


def test_claims_about_platforms_are_made_in_one_place() -> None:
    """Other documents link to it; what was not tried is said there only."""
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
def test_descriptors_of_the_tree_fit_the_schema(descriptor: str) -> None:
    schema = etree.RelaxNG(etree.parse(str(SCHEMAS / "node-plugin.rng")))
    assert schema.validate(etree.parse(str(TOP / descriptor))), schema.error_log


@pytest.mark.parametrize("manual", own_files("man/*.[1-9]"))
def test_manuals_have_a_title_that_fits_their_file(manual: str) -> None:
    name, _, section = Path(manual).name.rpartition(".")
    text = (TOP / manual).read_text(encoding="utf-8")
    title = re.search(r'^\.TH "?(\S+?)"? "?(\d)"?', text, re.MULTILINE)
    assert title is not None
    assert (title.group(1).replace("\\", "").lower(), title.group(2)) == (name.lower(), section)
