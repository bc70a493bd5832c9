"""The options of node-plugin.conf."""
from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

from ovirt_node_plugin.config import Config, read_config
from ovirt_node_plugin.errors import Status, UsageError
from ovirt_node_plugin.registry.trust_level import TrustLevel

pytestmark = pytest.mark.unit

SHIPPED = Path(__file__).resolve().parents[2] / "etc/dnf/plugins/node-plugin.conf"


def test_without_options_the_defaults_apply() -> None:
    config = read_config({})
    assert config == Config()
    assert config.bind_all and not config.live
    assert config.live_allow == ("ovirt-node-ng-image-update",)


def test_every_option_has_its_effect() -> None:
    config = read_config({
        "enabled": "1", "node_policy": " Plugins ", "live": "Yes", "live_allow": "a*, b  c",
        "library": "/one /two", "core_lists": "/lists", "allowed_paths": "Warn",
        "path_lists": "/paths", "parameters": "/values",
        "trust": " Vendor", "vendors": "/bound",
        "others_off": "snapper, *-upload", "upgrade": " Restore"})
    assert config == Config(
        bind_all=False, live=True, live_allow=("a*", "b", "c"),
        library=(Path("/one"), Path("/two")), core_lists=(Path("/lists"),),
        allowed_paths="warn", path_lists=(Path("/paths"),), parameters=(Path("/values"),),
        others_off=("snapper", "*-upload"), upgrade="restore",
        trust=TrustLevel.VENDOR, vendors=(Path("/bound"),))


def test_an_empty_list_allows_nothing() -> None:
    assert read_config({"live_allow": ""}).live_allow == ()


@pytest.mark.parametrize("options, message", [
    ({"live": "maybe"}, "live = 'maybe', expected yes or no"),
    ({"allowed_paths": "no"}, "allowed_paths = 'no', expected auto, enforce, warn or off"),
    ({"upgrade": "keep"}, "upgrade = 'keep', expected warn, restore or refuse"),
    ({"node_policy": "none"}, "node_policy = 'none', expected all or plugins"),
    ({"library": "plugins.d"}, "library = 'plugins.d', expected absolute folders"),
    ({"core_lists": "/a b"}, "core_lists = 'b', expected absolute folders")])
def test_an_invalid_value_is_named_in_the_error(options: Dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_config(options)
    assert message in caught.value.message
    assert caught.value.status == Status.USAGE
    assert "/etc/dnf/plugins/node-plugin.conf" in caught.value.hint


def test_the_shipped_file_shows_each_option_with_its_default() -> None:
    options: Dict[str, str] = {}
    for line in SHIPPED.read_text().splitlines():
        name, equals, value = line.lstrip("#").partition(" = ")
        if equals and " " not in name:
            options[name] = value
    assert set(options) == {"enabled", "node_policy", "live", "isolation",
                            "isolation_allow", "live_allow", "library", "core_lists",
                            "allowed_paths", "path_lists", "parameters", "others_off", "upgrade",
                            "trust", "vendors",
                            "catalog", "catalog_key", "catalog_copies"}
    assert read_config(options) == Config()
