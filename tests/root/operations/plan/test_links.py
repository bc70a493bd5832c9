"""Links in packages that lead to, or replace, paths with rules: all rules, and the real dnf."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Dict, Iterator, List, Sequence, Set, Tuple

import pytest

from ovirt_node_plugin.errors import PathsRefused, Status
from ovirt_node_plugin.operations.plan import allowed_paths
from ovirt_node_plugin.operations.plan.arriving import Arrivals
from ovirt_node_plugin.operations.plan.noteworthy import noteworthy
from ovirt_node_plugin.packages.headers import Header, PackedFile
from ovirt_node_plugin.packages.session import PackageChange
from ovirt_node_plugin.policy.path_rules import PathPolicy, PathRule, built_in
from ovirt_node_plugin.report.plan_text import notable_line
from ovirt_node_plugin.system import read_paths
from ovirt_node_plugin.target import HOST, Target
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.tree_states import state_differences, tree_state

RESERVED = read_paths.paths_of(read_paths.RESERVED)
DENIED = tuple(path for _, path in read_paths.denied())
REVIEWED = tuple(path for path in read_paths.paths_of(read_paths.REVIEWED) if path not in DENIED)

Files = Dict[str, str]  # the targets of links, empty for regular files


def plain(glob: str) -> str:
    """Return a path that ``glob`` matches."""
    return glob.replace("lib*", "lib64").replace("*-pack", "site-pack").replace("*", "x")


def shapes(path: str) -> Iterator[Tuple[str, Sequence[Files], Files]]:
    """Yield packages with links by which files in /opt are at ``path``, or below it.

    Each has the link that does so first. The second mapping is what the root has already.
    """
    parts = path.split("/")
    for count in range(min(2, len(parts)), len(parts) + 1):
        folder, rest = "/" + "/".join(parts[:count]), "/".join(["", *parts[count:], "x"])
        up = "../" * (count - 1)
        yield f"{folder} as link", [{folder: f"{up}opt/evil", f"/opt/evil{rest}": ""}], {}
        yield (f"{folder} by a chain",
               [{folder: "/opt/one", "/opt/one": "two/../evil", f"/opt/evil{rest}": ""}], {})
        yield (f"{folder} as link of another package",
               [{folder: f"{up}opt/evil"}, {f"/opt/evil{rest}": ""}], {})
        yield f"{folder} as link to files of another plugin", [{folder: "/opt/other"}], {
            f"/opt/other{rest}": ""}
        yield (f"{folder} through a folder that is a link",
               [{folder: "/opt/one/evil", "/opt/one": "real", f"/opt/real/evil{rest}": ""}], {})


def arrivals(root: Path, packages: Sequence[Files]) -> Arrivals:
    changes = []
    for number, files in enumerate(packages):
        packed = tuple(PackedFile(path, 0o120777 if target else 0o100644, "root", "root", 1,
                                  link=target) for path, target in files.items())
        nevra = f"p{number}-1-1.noarch"
        changes.append(PackageChange("install", f"p{number}", nevra, "r", 1, 1, "", False,
                                     tuple(files), header=Header(nevra, "", "", (), packed)))
    return Arrivals(changes, root)


def make(root: Path, files: Files) -> None:
    for path, target in files.items():
        where = root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        if target:
            where.symlink_to(target)
        else:
            where.touch()


def refused(arriving: Arrivals) -> Set[str]:
    try:
        allowed_paths.check_reserved(
            arriving, Target(arriving.root, HOST, "EL 9", "9", "var/lib/rpm"))
    except PathsRefused as exc:
        return {file.path for file in exc.files}
    return set()


def denied(arriving: Arrivals) -> Set[str]:
    policy = PathPolicy(built_in(kernel_module=False), root=arriving.root, links=arriving.links)
    return {entry.path for entry in arriving.entries for place in entry.places
            if policy.objection(place, folder=entry.may_be_folder)}


def listed(arriving: Arrivals) -> Set[str]:
    return {notable.path for notable in noteworthy(arriving) if notable.kind != "scriptlets"}


@pytest.mark.parametrize("judge, globs", [(refused, RESERVED), (denied, DENIED),
                                          (listed, REVIEWED)])
def test_links_are_judged_like_what_they_make_reachable(
        tmp_path: Path, judge: Callable[[Arrivals], Set[str]], globs: Sequence[str]) -> None:
    missed: List[str] = []
    for number, glob in enumerate(globs):
        for shape, packages, present in shapes(plain(glob)):
            root = tmp_path / str(number)
            root.mkdir(exist_ok=True)
            make(root, present)
            found = judge(arrivals(root, packages))
            first = next(iter(packages[0]))
            behind = [path for files in packages for path, target in files.items() if not target]
            missed += [f"{glob}: {shape}: {path}" for path in (first, *behind)
                       if path not in found]
    assert missed == []


@pytest.mark.parametrize("path", RESERVED)
def test_links_that_lead_to_a_reserved_place_are_refused_wherever_they_are(
        tmp_path: Path, path: str) -> None:
    make(tmp_path, {"/opt/old": f"/{path}"})
    for target in (f"/{path}", f"../../{path}/x", "one", "/opt/old", "/opt/old/x"):
        arriving = arrivals(tmp_path, [{"/opt/a/link": target, "/opt/a/fine": "../b"},
                                       {"/opt/a/one": f"../../{path}"}])
        assert refused(arriving) == {"/opt/a/link", "/opt/a/one"}


def test_links_by_which_other_links_arrive_are_followed_to_the_end(tmp_path: Path) -> None:
    deep = "/opt/s" + "/s" * 30
    nested: List[Files] = [{f"/opt/s{'/s' * count}": f"/opt/t{count}"}
                           for count in range(30, -1, -1)]
    last = arrivals(tmp_path, [*nested, {f"{deep}/x": ""}])
    assert last.places(f"{deep}/x")[-1] == "opt/t30/x"


@pytest.mark.parametrize("path", ["opt", "usr/include", "usr/lib/modules/5.14/extra", "var/lib"])
def test_links_in_place_of_allowed_folders_are_denied_and_allow_nothing(
        tmp_path: Path, path: str) -> None:
    arriving = arrivals(tmp_path, [{f"/{path}": "/home/a", "/home/a/x": ""}])
    policy = PathPolicy(built_in(kernel_module=True), root=tmp_path, links=arriving.links)
    assert policy.objection(path) == f"it is on the way to /{path.replace('5.14/extra', '*/*')}; " \
        "only a folder may be there"
    assert policy.objection(path, folder=True) == "" and policy.objection("home/a/x")


def test_the_administrator_can_allow_a_link_on_the_way_to_a_denied_path(tmp_path: Path) -> None:
    rules = built_in(kernel_module=False)
    assert PathPolicy(rules, root=tmp_path).objection("etc/default") == (
        "it is on the way to /etc/default/useradd; only the descriptor's settings create accounts")
    policy = PathPolicy([*rules, PathRule("etc/default", True)], root=tmp_path)
    assert policy.objection("etc/default") == ""
    assert policy.objection("etc/default/grub")


def test_the_plan_says_by_which_link_a_file_is_active(tmp_path: Path) -> None:
    make(tmp_path, {"/etc/cron.d/old": "/opt/later/job", "/etc/cron.d/fine": "/opt/there/job",
                    "/opt/there/job": ""})
    notables = noteworthy(arrivals(tmp_path, [
        {"/etc/sudoers.d": "../opt/evil", "/opt/evil/all": "",
         "/etc/profile.d/a.sh": "/opt/a/profile", "/opt/a/profile": "",
         "/etc/polkit-1": "/opt/polkit", "/opt/polkit/rules.d/a.rules": "",
         "/opt/later/job": "", "/opt/there/job": "", "/opt/other": "/etc/cron.d"}]))
    assert sorted(map(notable_line, notables)) == [
        "changes who may do what: /etc/polkit-1 (polkit)",
        "changes who may do what: /etc/sudoers.d (sudo: its content is not known yet)",
        "changes who may do what: /opt/evil/all (read through /etc/sudoers.d; sudo: its content is "
        "not known yet)",
        "changes who may do what: /opt/polkit/rules.d/a.rules (read through /etc/polkit-1; polkit)",
        "runs without a setting: /etc/profile.d/a.sh (run by each shell that starts)",
        "runs without a setting: /opt/a/profile (read through /etc/profile.d/a.sh; run by each "
        "shell that starts)",
        "runs without a setting: /opt/later/job (read through /etc/cron.d/old; cron: its content "
        "is not known yet)"]


# -- by the real dnf

ATTACKS: Dict[str, Tuple[str, Dict[str, str], Dict[str, str]]] = {
    "a record of a plugin": ("/etc/ovirt.plugins.d", {"/etc/ovirt.plugins.d": "../opt/lk"}, {
        "/opt/lk/cim": "<plugin/>"}),
    "an enabled repository": ("/etc/distro.repos.d", {"/etc/distro.repos.d": "../opt/evil"}, {
        "/opt/evil/x.repo": "[x]\nname=x\nbaseurl=file:///x\nenabled=1\n"}),
    "a variable of dnf": ("/etc/yum", {"/etc/yum": "../opt/yum"}, {
        "/opt/yum/vars/releasever": "8"}),
    "a variable of dnf in its own folder": ("/etc/yum/vars/releasever", {}, {
        "/etc/yum/vars/releasever": "8"}),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_links_that_open_reserved_folders_are_refused_on_every_target(
        host: Path, dnf: Dnf, tmp_path: Path, attack: str) -> None:
    named, links, files = ATTACKS[attack]
    before = tree_state(host)
    dnf.configure(allowed_paths="off")
    answer = dnf.plugin(host, "install", make_plugin(tmp_path, "evil", links=links, files=files),
                        "-y", UNSIGNED)
    assert answer.status == Status.REFUSED
    assert f"{named} in package evil-1.0-1.noarch: " in answer.err and "reserved" in answer.err
    assert state_differences(before, tree_state(host)) == []


def test_a_folder_that_another_package_of_the_plugin_makes_a_link_is_refused(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "two")
    repo.add("two", "1", requires="two-link", files={"/opt/two/units/a.service": "[Unit]\n"})
    repo.add("two-link", "1", links={"/etc/containers/systemd": "../../opt/two/units"})
    bundle = support.write_bundle(tmp_path / "bundle",
                                  support.descriptor_xml("two", repos=["two"]), repo=repo)
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED, "--json")
    assert answer.status == Status.REFUSED
    assert {file["path"] for file in answer.json["error"]["disputed_files"]} == {
        "/etc/containers/systemd", "/opt/two/units/a.service"}
