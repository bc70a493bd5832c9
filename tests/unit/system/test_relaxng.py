"""Explanations of an invalid document, compared with the verdict of libxml2."""
from __future__ import annotations

import random
import re
from typing import List

import pytest

from ovirt_node_plugin.errors import DescriptorError, Problem
from ovirt_node_plugin.system.relaxng import SCHEMAS, raise_problems, schema_problems
from ovirt_node_plugin.system.xml import parse_xml
from tests.support.sample_bundle import DESCRIPTOR

pytestmark = pytest.mark.unit

_VALUES = ("", "x", " a ", "1.0", "yes", "é", "/x", "50", "a.service", "a/b", "*", "^", "~", "[",
           "x" * 70, "1:2-3", "a=b c=d", "a  b")


def _mutants(count: int) -> List[str]:
    """Return the sample with attributes and lines changed, removed or doubled."""
    rng = random.Random(7)
    texts = []
    for _ in range(count):
        rows = DESCRIPTOR.splitlines()
        at = rng.randrange(2, len(rows) - 1)
        kind = rng.randrange(4)
        if kind == 0:
            rows[at] = re.sub('"[^"]*"', f'"{rng.choice(_VALUES)}"', rows[at], count=1)
        elif kind == 1:
            rows[at] = re.sub(r' [a-z]+="[^"]*"', "", rows[at], count=1)
        elif kind == 2:
            rows[at] = re.sub(">[^<]+<", f">{rng.choice(_VALUES)}<", rows[at])
        elif rows[at].strip().endswith("/>"):
            rows[at] = rows[at] * rng.choice((0, 2))
        texts.append("\n".join(rows))
    return texts


def test_every_invalid_document_is_explained_by_the_schema() -> None:
    refused = 0
    for text in _mutants(300):
        document = parse_xml(text.encode(), origin="x", error=DescriptorError)
        problems = schema_problems(document, "node-plugin.rng")
        refused += bool(problems)
        for problem in problems:
            assert problem.text.startswith("expected ")
            assert ", found " in problem.text
            assert "what the schema says" not in problem.text, text
    assert refused > 30


def test_every_pattern_means_the_same_to_libxml2_and_python() -> None:
    schema = (SCHEMAS / "node-plugin.rng").read_text(encoding="utf-8")
    for pattern in re.findall(r'<param name="pattern">(.*?)</param>', schema):
        assert not re.search(r"\\[^.\-^*\\\[\]]", pattern), pattern  # parsed differently


def test_an_error_is_raised_only_for_problems() -> None:
    raise_problems((), origin="x", error=DescriptorError)
    with pytest.raises(DescriptorError, match="^x:1:2: expected a, found b$"):
        raise_problems([Problem(1, 2, "expected a, found b")], origin="x", error=DescriptorError)
