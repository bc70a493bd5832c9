"""The key by which a machine recognises the journals that it wrote."""
from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ovirt_node_plugin.undo import origin

pytestmark = [pytest.mark.unit]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a key that is not there yet."""
    path = tmp_path / "etc/journal.key"
    monkeypatch.setattr(origin, "KEY", path)
    return path


def test_what_this_machine_sealed_is_its_own(key: Path) -> None:
    seal = origin.seal_of(b"journal")
    assert origin.is_own(b"journal", seal)
    assert not origin.is_own(b"journal ", seal)
    assert not origin.is_own(b"journal", "0" * 64)
    assert not origin.is_own(b"journal", "")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_key_is_made_once(key: Path) -> None:
    first = origin.seal_of(b"journal")
    made = key.read_bytes()
    assert origin.seal_of(b"journal") == first and key.read_bytes() == made
    assert len(made) == 32 and os.listdir(key.parent) == ["journal.key"]


def test_with_another_key_nothing_is_its_own(key: Path) -> None:
    seal = origin.seal_of(b"journal")
    key.write_bytes(b"k" * 32)
    assert not origin.is_own(b"journal", seal)


@pytest.mark.parametrize("content", [b"", b"short", b"k" * 33])
def test_a_key_of_another_size_is_no_key(key: Path, content: bytes) -> None:
    key.parent.mkdir()
    key.write_bytes(content)
    assert origin.seal_of(b"journal") == ""
    assert not origin.is_own(b"journal", "")


def test_without_a_place_for_a_key_nothing_is_its_own(key: Path) -> None:
    key.parent.write_text("no folder")
    assert origin.seal_of(b"journal") == ""
    assert not origin.is_own(b"journal", "")
