"""Words of the command line that name plugins."""
from __future__ import annotations

import itertools
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.errors import UnknownPlugin, UsageError
from ovirt_node_plugin.operations import matching

pytestmark = pytest.mark.unit

PLUGINS = [("acme", "1.0"), ("acme", "2.0"), ("acme-agent", "1.0"), ("agent-1.0", "3"),
           ("agent", "1.0"), ("other", "1.0-beta")]


@pytest.mark.parametrize(("word", "names"), [
    ("acme", ["acme 1.0", "acme 2.0"]), ("acme=2.0", ["acme 2.0"]), ("acme-2.0", ["acme 2.0"]),
    ("acme=*", ["acme 1.0", "acme 2.0"]), ("acme*", ["acme 1.0", "acme 2.0", "acme-agent 1.0"]),
    ("acme*=1.0", ["acme 1.0", "acme-agent 1.0"]), ("acme-agent-1.0", ["acme-agent 1.0"]),
    ("agent-1.0", ["agent-1.0 3"]), ("agent=1.0", ["agent 1.0"]), ("agent-1.0-3", ["agent-1.0 3"]),
    ("other-1.0-beta", ["other 1.0-beta"]), ("other=1.0-beta", ["other 1.0-beta"]),
    ("acme=3", []), ("acme=", []), ("acm", []), ("=1.0", []), ("[ab]c*t", ["acme-agent 1.0"]),
    ("?gent", ["agent 1.0"]), ("acme-", []), ("ACME", [])])
def test_a_word_names_plugins_by_name_glob_and_version(word: str, names: List[str]) -> None:
    assert [" ".join(plugin) for plugin in matching.select(word, PLUGINS)] == names


def test_every_name_and_version_that_exists_can_be_named() -> None:
    for (name, version), sign in itertools.product(PLUGINS, "=-"):
        word = f"{name}{sign}{version}"
        exact = any(word == other for other, _ in PLUGINS)
        assert exact or (name, version) in matching.select(word, PLUGINS)
        assert matching.may_name(word, name) and matching.check_word(word) == word


@pytest.mark.parametrize("word", ["", "../x", "a b", "-x", "a/b", "a b=1.0", "=1.0"])
def test_what_can_be_no_name_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is not a valid plugin name"):
        matching.check_word(word)


def test_the_message_of_a_word_without_a_plugin_says_what_does_not_fit(tmp_path: Path) -> None:
    for word, message in (("acme*", f"no plugin that is installed in {tmp_path} matches acme"),
                          ("acme", f"plugin acme is not installed in {tmp_path}")):
        with pytest.raises(UnknownPlugin, match=message):
            matching.installed([word], tmp_path)
