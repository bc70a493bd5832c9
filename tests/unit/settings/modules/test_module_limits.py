"""Modules with more symbols and texts than are read."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.settings.modules import module_file
from ovirt_node_plugin.settings.modules.module_file import BadModule, read_module, read_modules
from tests.support.kmod import module_bytes

pytestmark = [pytest.mark.unit]


def test_modules_with_too_many_symbols_or_texts_are_refused(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_file, "MODULE_SYMBOLS", 10)
    assert read_module("a.ko", module_bytes("a", kernel="1.0", needs=["b"] * 9)) is not None
    for data, reason in (
            (module_bytes("a", kernel="1.0", needs=["b"] * 10), "too many symbols"),
            (module_bytes("a", kernel="1.0", fields=["b=c"] * 10), "too many texts"),
            (module_bytes("a", kernel="1.0", needs=["b" * 512]), "it is no kernel module")):
        with pytest.raises(BadModule, match=reason):
            read_module("a.ko", data)


def test_the_symbols_of_all_modules_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_file, "MODULE_SYMBOLS", 5)
    contents = [(f"{name}.ko", module_bytes(name, kernel="1.0", needs=["x", "y"]))
                for name in "abc"]
    assert list(read_modules(contents)) == ["a.ko", "b.ko"]


def test_a_module_that_is_too_large_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    data = module_bytes("a", kernel="1.0")
    monkeypatch.setattr(module_file, "MODULE_BYTES", len(data) - 1)
    assert read_module("a.ko", data) is None
