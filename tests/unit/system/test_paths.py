"""Resolution of paths inside a root, including attacks."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.errors import OutsideRoot
from ovirt_node_plugin.system.paths import (
    is_inside,
    real_places,
    relative_inside,
    resolve_inside,
    way_out,
)

pytestmark = pytest.mark.unit


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "lib").symlink_to("usr/lib")
    return root


@pytest.mark.parametrize("name", ["etc/x", "/etc/x", "//etc///x", "./etc/./x"])
def test_a_plain_name_is_below_the_root_with_or_without_slash(root: Path, name: str) -> None:
    assert resolve_inside(root, name) == root / "etc" / "x"


@pytest.mark.parametrize("name", ["..", "../x", "etc/../../x", "/..", "a\0b"])
def test_a_name_with_dots_or_nul_is_refused(root: Path, name: str) -> None:
    with pytest.raises(OutsideRoot):
        resolve_inside(root, name)


def test_dots_within_a_name_are_just_dots(root: Path) -> None:
    assert resolve_inside(root, "etc/..x/y..") == root / "etc" / "..x" / "y.."


@pytest.mark.parametrize(("target", "resolved"), [
    ("/etc/shadow", "etc/shadow"), ("../../../../etc/shadow", "etc/shadow"),
    ("..", ""), ("/", ""), ("//etc", "etc"), ("../etc/./shadow", "etc/shadow"),
])
def test_a_link_is_followed_as_in_a_chroot(root: Path, target: str, resolved: str) -> None:
    (root / "etc" / "link").symlink_to(target)
    assert resolve_inside(root, "etc/link") == root / resolved


@pytest.mark.parametrize("target", [
    "../usr/state", "..//usr/state", "/usr/state", "../../../usr/state", "../lib/../state"])
def test_real_places_follow_links_of_every_notation(root: Path, target: str) -> None:
    (root / "var").mkdir()
    (root / "var/state").symlink_to(target)
    assert real_places(root, ["var/state", "etc"]) == ("var/state", "usr/state", "etc")
    assert real_places(root, ["var/state/x"]) == ("var/state/x", "usr/state/x")


def test_a_link_to_the_root_or_a_loop_is_its_only_place(root: Path) -> None:
    (root / "top").symlink_to("/")
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert real_places(root, ["top", "a", "missing"]) == ("top", "a", "missing")


# the target of a link at etc/link for a process in the root and for one outside
@pytest.mark.parametrize(("target", "outside"), [
    ("../usr", ""), ("..//usr/lib", ""), ("../lib", ""), ("missing", ""), (".", ""),
    ("/usr", "/usr"), ("/", "/"), ("../../..", ".."), ("../../root/usr", ""),
    ("../../other", "../other"), ("../../etc", "../etc")])
def test_a_link_leads_outside_if_the_kernel_and_a_chroot_resolve_it_differently(
        root: Path, target: str, outside: str) -> None:
    (root / "etc/link").symlink_to(target)
    outside_path = way_out(root, "etc/link")
    # in the root, ../../root/usr is /root/usr, which is not the kernel's /usr
    if target == "../../root/usr":
        assert outside_path == f"{root}/usr"
    else:
        assert bool(outside_path) == bool(outside)
    assert way_out(root, "etc/passwd") == "" and way_out(root, "lib/x") == ""


def test_a_loop_of_links_does_not_lead_outside(root: Path) -> None:
    (root / "a").symlink_to("a")
    with pytest.raises(OutsideRoot, match="leads back to itself") as caught:
        way_out(root, "a/x")
    assert str(root) in caught.value.message and caught.value.hint


def test_a_link_in_the_middle_of_a_path_does_not_lead_outside(root: Path) -> None:
    (root / "etc" / "out").symlink_to("/../../tmp")
    assert resolve_inside(root, "etc/out/x") == root / "tmp" / "x"


def test_the_last_component_may_remain_a_link(root: Path) -> None:
    (root / "etc" / "link").symlink_to("/usr")
    assert resolve_inside(root, "etc/link", follow_last=False) == root / "etc" / "link"
    assert resolve_inside(root, "etc/link/lib", follow_last=False) == root / "usr" / "lib"


def test_a_loop_of_links_is_refused(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OutsideRoot, match="loop"):
        resolve_inside(root, "a/x")


def test_two_names_of_one_entry_give_the_same_relative_path(root: Path) -> None:
    assert relative_inside(root, "/lib/x.ko") == relative_inside(root, "usr/lib/x.ko")
    assert relative_inside(root, "/lib/x.ko") == "usr/lib/x.ko"


@pytest.mark.parametrize(("path", "folder", "inside"), [
    ("etc", "etc", True), ("etc/x", "etc", True), ("etc/x", "etc/", True),
    ("etcetera/x", "etc", False), ("et", "etc", False), ("usr/etc", "etc", False),
])
def test_containment_compares_whole_components(path: str, folder: str, inside: bool) -> None:
    assert is_inside(path, folder) is inside
