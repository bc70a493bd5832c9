"""What is written for GRUB, checked by GRUB's own parser, grub-script-check(1)."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.images.image import ISO, Image, Layout
from ovirt_node_plugin.images.iso.boot import BootConfiguration
from ovirt_node_plugin.images.iso.boot_text.texts import replace_volume_id
from ovirt_node_plugin.images.iso.grub_check import accepts
from ovirt_node_plugin.merge.iso.iso_boot import IsoBoot
from ovirt_node_plugin.system.grub_words import quoted
from ovirt_node_plugin.system.run import run
from tests.support.grub import accepted
from tests.unit.images.test_boot_loaders import (
    BROKEN,
    FUNCTION,
    LINUX_IN_A_VARIABLE,
    MENUS,
    REAL,
    SPECIAL,
    VOLUME_IDS,
    added,
)
from tests.unit.images.test_boot_text import LINES
from tests.unit.system.test_grub_words import values

GRUB_MENUS = [MENUS["grub"], FUNCTION, *(text for text in REAL.values() if "menuentry" in text)]


def scripts() -> Iterator[str]:
    """Yield menus before and after changes."""
    for text in GRUB_MENUS:
        yield from (text, added(text, *SPECIAL[:20]), added(text, *SPECIAL[20:]))
    for volume_id in VOLUME_IDS:
        yield replace_volume_id(REAL["lorax"], "Fedora-S-dvd", volume_id)
        yield replace_volume_id(LINUX_IN_A_VARIABLE, "LIVE", volume_id)
    for line, edited in LINES:
        yield from (f"menuentry 'x' {{\n{text}}}\n" for text in (line, edited))


def test_grub_accepts_what_is_written() -> None:
    lines = [f"menuentry x {{ linux /v {quoted(text)} end; }}\n" for text in values(300)]
    assert accepted("".join((*scripts(), *lines)))


@pytest.mark.parametrize("command", [*BROKEN, "linux /v a{b", "linux /v a;;b"])
def test_grub_does_not_accept_what_counts_as_broken(command: str, tmp_path: Path) -> None:
    text = f"menuentry x {{\n  {command}\n}}\n"
    assert not accepted(text)
    assert not accepts(text, tmp_path, run=run)
    assert accepts(MENUS["grub"], tmp_path, run=run)


def test_a_menu_is_refused_if_only_its_new_text_is_not_accepted(tmp_path: Path) -> None:
    place, menu = "/boot/grub2/grub.cfg", MENUS["grub"]
    broken = f"{menu}menuentry x {{\n  {BROKEN[0]}\n}}\n"
    image = Image(Layout(tmp_path / "a.iso", ISO), tmp_path, tmp_path)

    def check(old: str, new: str) -> None:
        IsoBoot(image, (BootConfiguration(place, old),), {place: new}).check_by_grub(
            tmp_path, run=run)

    with pytest.raises(Refused, match=f"^{place}: grub-script-check does not accept the boot"):
        check(menu, broken)
    for old, new in ((broken, broken), (broken, f"{broken}\n"), (menu, f"{menu}\n"),
                     ("label a\n  kernel a\n  append a\n", broken)):
        check(old, new)
