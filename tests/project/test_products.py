"""The page about products: made of the list, with elements that a descriptor may have."""
from __future__ import annotations

import fnmatch
import re
from typing import List

import pytest

from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.settings import InitramfsDriver, LeaveOut, Service
from tests.support import products_page
from tests.support.product_layouts import PRODUCTS


def test_the_page_is_what_the_list_and_the_rules_say() -> None:
    """``python -m tests.support.products_page`` writes it again."""
    assert products_page.PAGE.read_text(encoding="utf-8") == products_page.page_text()


def test_the_page_has_more_than_twenty_products() -> None:
    names = " ".join(PRODUCTS)
    assert len(PRODUCTS) >= 20
    assert all(word in names for word in (
        "Zabbix", "OMSA", "PowerPath", "OFED", "vGPU", "NetBackup"))


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_elements_of_a_product_are_valid_and_name_its_files(name: str) -> None:
    product = PRODUCTS[name]
    descriptor = parse_descriptor(products_page.descriptor(product).encode(), origin="page")
    there = {path.rpartition("/")[2] for path in (*product.fit, *product.elsewhere)}
    left_out: List[str] = []
    for setting in descriptor.settings:
        if isinstance(setting, Service):
            assert setting.from_scriptlet or setting.name in there
        elif isinstance(setting, InitramfsDriver):
            assert f"{setting.name}.ko" in there
        elif isinstance(setting, LeaveOut):
            left_out.append(setting.files)
    for path in product.elsewhere:
        assert any(fnmatch.fnmatchcase(f"/{path}", pattern) for pattern in left_out)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_says_what_is_missing_in_short_and_in_full(name: str) -> None:
    product = PRODUCTS[name]
    assert bool(product.gap) == bool(product.lacks)
    assert all(text.endswith(".") for text in (product.ships, *product.lacks))
    for target in re.findall(r"\]\(([^)]*)\)", product.source):
        assert re.fullmatch(r"https://[!-~]+", target)


@pytest.mark.parametrize("document", ["README.md", "docs/vendors.md", "NEWS.md"])
def test_documents_name_the_number_of_products(document: str) -> None:
    text = (products_page.PAGE.parents[1] / document).read_text(encoding="utf-8")
    assert re.search(rf"\b{len(PRODUCTS)}\sproducts\b", text)
