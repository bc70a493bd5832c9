"""Where real products have their files, and what they need: nothing, a setting, a site's rule."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.policy import other_places
from ovirt_node_plugin.policy.path_rules import PathPolicy, built_in, read_rules
from tests.support.product_layouts import PRODUCTS

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_files_of_a_product_fit_or_the_message_says_what_they_need(
        product: str, tmp_path: Path) -> None:
    layout = PRODUCTS[product]
    rules = built_in(kernel_module=layout.modules)
    policy = PathPolicy(rules)
    assert {path: policy.objection(path) for path in layout.fit if policy.objection(path)} == {}
    for path, words in layout.elsewhere.items():
        assert policy.objection(path) and words in other_places.hint([path], tmp_path)
    refused = [path for paths in layout.homes.values() for path in paths]
    assert all(map(policy.objection, refused))
    if refused:
        head, _, lines = other_places.hint(refused, tmp_path).partition(":\n")
        assert lines.split("\n") == [f"  allow /{home}" for home in sorted(layout.homes)]
        assert head.endswith(f"write into {tmp_path}/site.conf")
        (tmp_path / "site.conf").write_text(lines)  # as said
        policy = PathPolicy([*rules, *read_rules([tmp_path])])
        assert [policy.objection(path) for path in refused] == [""] * len(refused)
