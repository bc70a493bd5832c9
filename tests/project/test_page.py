"""The rules for the files of the page in Cockpit, and its tests in JavaScript."""
from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Set

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "cockpit"
NODE = Path(sys.executable).with_name("node")  # tools/setup installs it beside this Python
MODULES = sorted(path for path in PAGE.glob("*.js") if not path.name.startswith("po."))
# By which text or code of others could become markup or code of the page. The content security
# policy stops some of it, at the administrator's; here it is found before.
FORBIDDEN = (
    r"\b(?:inner|outer)HTML\b", r"\binsertAdjacentHTML\b", r"\bdocument\s*\.\s*write", r"\beval\b",
    r"\bnew\s+Function\b", r"\bDOMParser\b", r"\bcreateContextualFragment\b", r"\bsrcdoc\b",
    r"\bcssText\b", r"\bjavascript:", r"\bimport\s*\(",
    r"""\bset(?:Timeout|Interval)\s*\(\s*["'`]""", r"https?://")
# Only this module makes elements and texts of others' words, with odd characters made visible.
ONLY_IN_DOM = r"\bcreate(?:Element|TextNode)(?:NS)?\b"
_IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)";""", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)


def code_of(path: Path) -> str:
    """Return a module without its comments."""
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))


def found(pattern: str, paths: List[Path]) -> List[str]:
    return [f"{path.name}: {match.group()}" for path in paths
            for match in re.finditer(pattern, code_of(path))]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_module_makes_markup_or_code_of_a_text(pattern: str) -> None:
    assert found(pattern, MODULES) == []


def test_one_module_makes_all_elements() -> None:
    others = [path for path in MODULES if path.name != "dom.js"]
    assert found(ONLY_IN_DOM, others) == []


def test_the_document_has_no_code_and_no_style_of_its_own() -> None:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<style|\sstyle=|\son\w+=|https?:|<script(?![^>]*\ssrc=)", text) == []
    sources = re.findall(r'\s(?:src|href)="([^"]+)"', text)
    others = {source for source in sources if not (PAGE / source).is_file()}
    assert others == {"../base1/cockpit.js", "po.js"}  # which Cockpit serves


def test_the_styles_load_nothing_from_elsewhere() -> None:
    sheets = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.css")}
    assert sheets
    for name, text in sheets.items():
        assert re.findall(r"@import|https?:|url\(\s*[\"']?(?!data:)", text) == [], name
        assert name in (PAGE / "index.html").read_text(encoding="utf-8")


def test_the_policy_allows_no_code_of_others() -> None:
    policy = json.loads((PAGE / "manifest.json").read_text())["content-security-policy"]
    allowed = {name: words for name, *words in (part.split() for part in policy.split(";"))}
    assert allowed["default-src"] == ["'none'"]
    assert allowed["script-src"] == allowed["style-src"] == ["'self'"]
    assert not any(word in policy for word in ("unsafe", "http:", "https:", "*"))


def imports(path: Path) -> Iterator[Path]:
    for name in _IMPORT.findall(code_of(path)):
        assert re.fullmatch(r"\./[a-z_]+\.js", name), f"{path.name} imports {name}"
        yield PAGE / name


def test_every_module_is_imported_by_the_page() -> None:
    reached: Set[Path] = set()
    todo = [PAGE / "main.js"]
    while todo:
        path = todo.pop()
        if path not in reached:
            reached.add(path)
            todo += imports(path)
    assert sorted(reached) == MODULES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.name))
def test_a_module_is_checked_and_says_what_it_is_for(path: Path) -> None:
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    assert first == "// @ts-check"
    assert re.match(r"(//|/\*\*)", second)
    assert path.stem not in ("utils", "util", "helpers", "common", "misc", "lib")


def test_the_tests_in_javascript_pass() -> None:
    tests = sorted(str(path) for path in (PAGE / "tests").glob("*.test.js"))
    assert tests
    done = subprocess.run([NODE, "--test", *tests], cwd=TOP, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
