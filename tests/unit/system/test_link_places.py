"""Where paths with wildcards lead by links of a root and by links that arrive."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.errors import OutsideRoot
from ovirt_node_plugin.system.link_places import LinkPlaces, existing

pytestmark = pytest.mark.unit


def link(root: Path, path: str, target: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).symlink_to(target)


def test_a_path_without_links_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "etc/yum").mkdir(parents=True)
    assert LinkPlaces(tmp_path).of("etc/yum/vars") == ("etc/yum/vars",)
    assert LinkPlaces(tmp_path).of("usr/lib*/x") == ("usr/lib*/x",)


def test_every_step_of_a_chain_of_links_is_a_place(tmp_path: Path) -> None:
    link(tmp_path, "etc/yum", "../opt/a")
    link(tmp_path, "opt/a", "/srv/b")
    places = LinkPlaces(tmp_path, {"srv/b/vars": "../c/./vars"}).of("etc/yum/vars")
    assert places == ("etc/yum/vars", "opt/a/vars", "srv/b/vars", "srv/c/vars")


def test_links_that_match_a_wildcard_are_followed(tmp_path: Path) -> None:
    link(tmp_path, "usr/lib64/python3.9/site-packages", "/opt/now")
    places = LinkPlaces(tmp_path, {"usr/lib/python3": "../../opt/then"}).of(
        "usr/lib*/python*/site-packages/*.pth")
    assert sorted(places) == ["opt/now/*.pth", "opt/then/site-packages/*.pth",
                              "usr/lib*/python*/site-packages/*.pth"]


def test_a_present_and_an_arriving_link_of_one_place_both_count(tmp_path: Path) -> None:
    link(tmp_path, "etc/a", "b")
    places = LinkPlaces(tmp_path, {"etc/a": "/opt/c"}).of("etc/a/x")
    assert set(places) == {"etc/a/x", "etc/b/x", "opt/c/x"}


def test_links_stay_inside_the_root(tmp_path: Path) -> None:
    link(tmp_path, "etc/a", "../../../../srv")
    link(tmp_path, "etc/b", "/")
    link(tmp_path, "etc/c", "/bin/../lib")
    assert LinkPlaces(tmp_path).of("etc/a/x") == ("etc/a/x", "srv/x")
    assert LinkPlaces(tmp_path).of("etc/b") == ("etc/b",)
    assert LinkPlaces(tmp_path).of("etc/b/x") == ("etc/b/x", "x")
    assert LinkPlaces(tmp_path).of("etc/c/x") == ("etc/c/x", "usr/lib/x")


def test_loops_end_and_too_many_combinations_are_an_error(tmp_path: Path) -> None:
    link(tmp_path, "etc/loop", "loop")
    assert LinkPlaces(tmp_path).of("etc/loop/x") == ("etc/loop/x",)
    arriving = {f"etc/{number}": f"{number + 1}/../{number + 1}/{number + 1}"
                for number in range(40)}
    with pytest.raises(OutsideRoot, match="too many places"):
        LinkPlaces(tmp_path, arriving).of("etc/0")


def test_existing_entries_are_found_without_following_links(tmp_path: Path) -> None:
    for path in ("usr/lib/python3.9/a.pth", "usr/lib/python3.9/b.py", "usr/lib64/x", "opt/p/c.pth"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    link(tmp_path, "usr/lib64/python3", "/opt/p")
    link(tmp_path, "usr/lib/python3.9/d.pth", "/nowhere")
    assert existing(tmp_path, "usr/lib*/python*/*.pth") == (
        "usr/lib/python3.9/a.pth", "usr/lib/python3.9/d.pth")
    assert existing(tmp_path, "usr/none/x") == existing(tmp_path, "usr/lib64/x/y") == ()
    assert existing(tmp_path, "usr/lib64/x") == ("usr/lib64/x",)
