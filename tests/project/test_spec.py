"""The project's RPMs, built by rpmbuild and installed by dnf."""
from __future__ import annotations

import gzip
import importlib.util
import json
import os
import re
import stat
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import pytest

TOP = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
MAIN, LIBRARY, PLUGIN, DNF5, HOOK, PAGE = (
    "ovirt-node-plugin", "python3-ovirt-node-plugin", "python3-dnf-plugin-node-plugin",
    "dnf5-actions-node-plugin", "vdsm-hook-node-plugins", "cockpit-ovirt-node-plugin")
HOOK_FILE = "/usr/libexec/vdsm/hooks/after_get_caps/50_node_plugins"
PROGRAM_FILE = "/usr/bin/ovirt-node-plugin"
DNF5_FILE = "/usr/libexec/ovirt-node-plugin/dnf5-policy"
BOOT_FILE = "/usr/libexec/ovirt-node-plugin/verify-at-boot"
BOOT_UNIT = "ovirt-node-plugin-verify.service"
PAGE_FOLDER = "usr/share/cockpit/ovirt-node-plugin"
METAINFO = "org.ovirt.node_plugin.metainfo.xml"
ACTIONS = "/etc/dnf/libdnf5-plugins/actions.d/node-plugin.actions"
JOURNAL_KEY = "/etc/ovirt-node-plugin/journal.key"  # made by the first change of a root
MANUALS = ("man5/node-plugin.xml.5", "man5/ovirt.plugins.d.5", "man8/dnf-node-plugin.8",
           "man8/ovirt-node-plugin.8")

STUB_SPEC = """\
Name: stub
Version: 1
Release: 1
Summary: Stands for all that the distribution has
License: GPL-2.0-or-later
BuildArch: noarch
{provides}
%description
Provides names and holds no file.
%files
"""


def call(argv: Sequence[str], *, cwd: Path = TOP, ok: Sequence[int] = (0,),
         env: Optional[Mapping[str, str]] = None) -> str:
    """Run a program and return its standard output and error."""
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    assert done.returncode in ok, f"{' '.join(argv)}: {done.returncode}\n{done.stdout}"
    return done.stdout


def ask_python(expression: str) -> str:
    """Evaluate an expression in the system's Python, which has dnf; return the value as text."""
    return call([PYTHON, "-c", f"import dnf, dnf.const, os; print({expression})"]).strip()


def version() -> str:
    text = (TOP / "ovirt_node_plugin" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def site() -> Path:
    """Return the folder from which this machine's dnf imports the library."""
    return Path(ask_python("os.path.dirname(os.path.dirname(dnf.__file__))"))


@pytest.fixture(scope="module")
def plugin_dir() -> Path:
    return Path(ask_python("dnf.const.PLUGINPATH"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """Build the RPMs; map names to files.

    Without %check, which takes a minute, where test_spec_on_el.py runs it.
    """
    build = tmp_path_factory.mktemp("build")
    debian = Path("/etc/debian_version").exists()
    flags = [f"RPMBUILD_FLAGS=--nocheck --nodeps --define '_dbpath {build}/rpmdb'"]
    # pytest of %check makes the shared folder of temporary files private; other tests run
    # programs as another user in it
    said = call(["make", "--no-print-directory", "rpm", f"BUILD={build}",
                 *(flags if debian else [])], env={"TMPDIR": str(build)})
    assert debian or re.search(r"^=+ .*\d+ passed.* =+$", said, re.MULTILINE), (
        "%check ran no test")
    return {call(["rpm", "-qp", "--qf", "%{name}", str(path)]): path
            for path in (build / "rpms").rglob("*.noarch.rpm")}


def query(package: Path, *what: str) -> List[str]:
    return sorted(set(call(["rpm", "-qp", *what, str(package)]).splitlines()))


def requires(package: Path) -> List[str]:
    """Return the requirements of a package, without rpm's features."""
    return [r for r in query(package, "--requires") if not r.startswith(("rpmlib(", "config("))]


def build_stub(names: Sequence[str], work: Path) -> None:
    """Build into ``work`` one RPM that provides all of ``names``."""
    spec = work / "stub.spec"
    spec.write_text(STUB_SPEC.format(provides="\n".join(f"Provides: {n}" for n in names)),
                    encoding="utf-8")
    call(["rpmbuild", "--define", f"_topdir {work}/top", "--define", f"_rpmdir {work}",
          "--define", f"_dbpath {work}/db", "-bb", str(spec)])


def provide(requirement: str) -> str:
    """Return a Provides that meets a requirement with the lowest version."""
    name, _, bound = requirement.partition(" ")
    return f"{name} = {bound.split()[-1]}" if bound else name


@pytest.fixture(scope="module")
def root(packages: Dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new root with VDSM into which dnf installed the main package from a repository."""
    work = tmp_path_factory.mktemp("repo")
    wanted = {r for path in packages.values() for r in requires(path)
              if r.partition(" ")[0] not in packages}
    build_stub([provide(r) for r in sorted(wanted)], work)
    for path in packages.values():
        (work / path.name).write_bytes(path.read_bytes())
    call(["createrepo_c", "--quiet", str(work)])
    top = tmp_path_factory.mktemp("root")
    call(["dnf-3", "-y", "--noplugins", f"--installroot={top}", "--releasever=9",
          "--setopt=reposdir=/dev/null", f"--setopt=cachedir={work}/cache", "--nogpgcheck",
          f"--repofrompath=own,{work.as_uri()}", "--repo=own", "install", MAIN, DNF5, PAGE])
    return top


def inside(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def test_all_packages_have_the_version_of_the_library(packages: Dict[str, Path]) -> None:
    assert set(packages) == {MAIN, LIBRARY, PLUGIN, DNF5, HOOK, PAGE}
    for path in packages.values():
        assert query(path, "--qf", "%{version}") == [version()]


def test_the_packages_require_what_they_use(packages: Dict[str, Path]) -> None:
    asked = {name: {r.partition(" ")[0] for r in requires(path)}
             for name, path in packages.items()}
    # EL's rpm adds python(abi) to packages with files in a Python folder
    for names in asked.values():
        names.discard("python(abi)")
    assert asked == {
        MAIN: {"/usr/bin/python3", LIBRARY, PLUGIN, "e2fsprogs", "isomd5sum", "mtools",
               "squashfs-tools", "tar", "util-linux", "xfsprogs", "xorriso"},
        LIBRARY: {"coreutils", "gnupg2", "kmod", "procps-ng", "python3", "python3-dnf",
                  "python3-lxml", "python3-rpm", "rpm", "systemd", "util-linux", "zstd"},
        PLUGIN: {"/bin/sh", "/usr/bin/python3", "python3-dnf", LIBRARY},
        DNF5: {"/usr/bin/python3", "libdnf5-plugin-actions", LIBRARY},
        HOOK: {"/usr/bin/python3", "vdsm", LIBRARY},
        PAGE: {"cockpit-bridge", PLUGIN},
    }


def test_the_packages_require_one_another_in_the_same_version(packages: Dict[str, Path]) -> None:
    release = query(packages[MAIN], "--qf", "%{version}-%{release}")[0]
    for name in (PLUGIN, DNF5, HOOK):
        assert f"{LIBRARY} = {release}" in requires(packages[name])
    assert {f"{LIBRARY} = {release}", f"{PLUGIN} = {release}"} <= set(requires(packages[MAIN]))
    assert f"{PLUGIN} = {release}" in requires(packages[PAGE])


def test_the_unit_of_the_boot_is_enabled_by_its_preset(root: Path) -> None:
    said = call(["systemctl", f"--root={root}", "is-enabled", BOOT_UNIT], ok=(0, 1))
    assert said.strip() == "disabled"  # Debian's rpm has no scriptlets for units
    call(["systemctl", f"--root={root}", "preset", BOOT_UNIT])
    assert call(["systemctl", f"--root={root}", "is-enabled", BOOT_UNIT]).strip() == "enabled"
    said = call(["systemd-analyze", f"--root={root}", "--man=no", "--recursive-errors=no",
                 "verify", BOOT_UNIT], ok=(0, 1))
    assert BOOT_UNIT not in said, said
    call(["systemctl", f"--root={root}", "disable", BOOT_UNIT])


def test_changed_configuration_is_kept(packages: Dict[str, Path]) -> None:
    kept = [line for path in packages.values() for line in query(path, "--configfiles") if line]
    core = [f"/etc/ovirt-node-plugin/core.d/{path.name}"
            for path in (TOP / "etc/ovirt-node-plugin/core.d").glob("*.conf")]
    assert sorted(kept) == sorted([ACTIONS, "/etc/dnf/plugins/node-plugin.conf", *core])


def test_rpmlint_finds_no_error(packages: Dict[str, Path]) -> None:
    # of the version in tools/requirements.txt, which tools/setup installs beside this Python
    said = call([str(Path(sys.executable).with_name("rpmlint")), "-r", f"{MAIN}.rpmlintrc",
                 f"{MAIN}.spec", *(str(path) for path in packages.values())], ok=range(256))
    assert re.search(r"\b6 packages and 1 specfiles checked;", said), said
    # The first depends on the distribution that built the packages; the second occurs on
    # machines without the locale en_US.UTF-8, which rpmlint sets.
    ignored = ("unused-rpmlintrc-filter", "Failed to set locale")
    assert [line for line in said.splitlines()
            if ": E: " in line and not any(words in line for words in ignored)] == []


def test_the_same_tree_gives_the_same_tarball(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        call(["make", "dist", f"BUILD={tmp_path}/{name}", "SOURCE_DATE_EPOCH=1700000000"])
        made.append((tmp_path / name / f"{MAIN}-{version()}.tar.gz").read_bytes())
    assert made[0] == made[1]


def test_a_source_package_can_be_built(tmp_path: Path) -> None:
    call(["make", "srpm", f"BUILD={tmp_path}"])
    assert [path.name for path in tmp_path.rglob("*.src.rpm")] == [f"{MAIN}-{version()}-1.src.rpm"]


def test_make_mock_reports_a_missing_mock(tmp_path: Path) -> None:
    for name in ("make", "bash", "sed", "git"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    said = call(["make", "mock"], ok=[2], env={"PATH": str(tmp_path)})
    assert "mock is not installed" in said


def test_make_mock_builds_the_source_package_for_each_el(tmp_path: Path) -> None:
    """With a stand-in for mock that records its arguments."""
    (tmp_path / "bin").mkdir()
    mock = tmp_path / "bin" / "mock"
    mock.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/log\n', encoding="utf-8")
    mock.chmod(0o755)
    call(["make", "mock", f"BUILD={tmp_path}/build"],
         env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, ("el9", "el10")):
        option, config, result, package = line.split()
        assert (option, config) == ("-r", f"./mock/{MAIN}-{name}.cfg")
        assert result == f"--resultdir={tmp_path}/build/mock/{MAIN}-{name}"
        assert (TOP / config).exists() and Path(package).name.endswith(".src.rpm")
        assert Path(package).exists()


def test_the_library_is_installed_where_dnf_imports_it(root: Path, site: Path) -> None:
    source = TOP / "ovirt_node_plugin"
    wanted = {path.relative_to(source) for path in source.rglob("*")
              if path.suffix in (".py", ".rng", ".json")}
    there = inside(root, site) / "ovirt_node_plugin"
    assert {path.relative_to(there) for path in there.rglob("*")
            if path.suffix in (".py", ".rng", ".json")} == wanted
    for name in wanted:
        assert (there / name).read_bytes() == (source / name).read_bytes()


def test_the_installed_library_is_complete(root: Path, site: Path) -> None:
    """Every module imports from the root, without this checkout."""
    script = ("import sys, pkgutil, importlib; sys.path.insert(0, sys.argv[1])\n"
              "import ovirt_node_plugin as p\n"
              "for m in pkgutil.walk_packages(p.__path__, 'ovirt_node_plugin.'):\n"
              "    importlib.import_module(m.name)\n"
              "print(p.__file__, p.__version__)\n")
    there = inside(root, site)
    said = call([PYTHON, "-I", "-c", script, str(there)], cwd=root)
    assert said.split()[-2:] == [str(there / "ovirt_node_plugin/__init__.py"), version()]


def test_dnf_finds_the_command(root: Path, site: Path, plugin_dir: Path) -> None:
    said = call(["dnf-3", f"--setopt=pluginpath={inside(root, plugin_dir)}",
                 f"--setopt=pluginconfpath={root}/etc/dnf/plugins", "node-plugin", "--help"],
                cwd=root, env={"PYTHONPATH": str(inside(root, site))})
    assert re.search(r"^usage: dnf node-plugin ", said, re.MULTILINE), said


def test_bytecode_is_owned_and_names_no_build_folder(
        root: Path, packages: Dict[str, Path], plugin_dir: Path) -> None:
    compiled = [name for name in query(packages[PLUGIN], "-l") if name.endswith(".pyc")]
    assert compiled and all(name.startswith(str(plugin_dir)) for name in compiled)
    listed = query(packages[LIBRARY], "-l")
    for name in compiled + [name for name in listed if name.endswith(".pyc")]:
        assert b"BUILDROOT" not in inside(root, Path(name)).read_bytes()
    assert sum(name.endswith(".py") for name in listed) <= sum(
        name.endswith(".pyc") for name in listed)


def test_bytecode_belongs_to_the_installed_source(root: Path, site: Path) -> None:
    """Otherwise Python ignores it. Its header has the hash, or the time and size, of the source."""
    there = inside(root, site) / "ovirt_node_plugin"
    for compiled in there.rglob("*.pyc"):
        source = compiled.parent.parent / f"{compiled.name.partition('.')[0]}.py"
        header, info = compiled.read_bytes()[4:16], source.stat()
        assert header in (
            struct.pack("<I", 3) + importlib.util.source_hash(source.read_bytes()),
            struct.pack("<III", 0, int(info.st_mtime), info.st_size))


def test_no_installed_file_names_the_folder_of_the_build(packages: Dict[str, Path]) -> None:
    assert not any("direct_url" in name for path in packages.values()
                   for name in query(path, "-l"))


def test_configuration_and_folders_are_in_place(root: Path) -> None:
    assert (root / "etc/dnf/plugins/node-plugin.conf").read_bytes() == (
        TOP / "etc/dnf/plugins/node-plugin.conf").read_bytes()
    assert any((root / "etc/ovirt-node-plugin/core.d").glob("*.conf"))
    for folder in ("etc/ovirt-node-plugin/paths.d", "etc/ovirt-node-plugin/plugins.d",
                   "usr/share/ovirt-node-plugin/plugins.d"):
        assert (root / folder).is_dir() and list((root / folder).iterdir()) == []
    for made_on_demand in ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d"):
        assert not (root / made_on_demand).exists()


def test_the_hook_is_installed_with_vdsm(root: Path, packages: Dict[str, Path]) -> None:
    assert (root / HOOK_FILE.lstrip("/")).read_bytes() == (
        TOP / "vdsm-hooks/after_get_caps/50_node_plugins").read_bytes()
    assert any(line.startswith(f"({HOOK} = ") and line.endswith(" if vdsm)")
               for line in query(packages[MAIN], "--recommends"))


def test_the_policies_are_installed_with_dnf5(root: Path, packages: Dict[str, Path]) -> None:
    assert any(line.startswith(f"({DNF5} = ") and line.endswith(" if dnf5)")
               for line in query(packages[MAIN], "--recommends"))
    lines = [line for line in (root / ACTIONS.lstrip("/")).read_text().splitlines()
             if line and not line.startswith("#")]
    started = {line.rsplit(":", 1)[1].split()[0] for line in lines}
    assert started == {DNF5_FILE} and all(" raise_error=1:" in line for line in lines)


def test_the_page_is_installed_with_cockpit(root: Path, packages: Dict[str, Path]) -> None:
    """As it is in the project: nothing is built, and what only its tests need stays there."""
    source, there = TOP / "cockpit", root / PAGE_FOLDER
    wanted = {path.name for path in source.iterdir()
              if path.suffix in (".js", ".html", ".css")} | {"manifest.json"}
    assert {path.name for path in there.iterdir()} == wanted
    for name in wanted:
        assert (there / name).read_bytes() == (source / name).read_bytes()
    listed = {name for name in query(packages[PAGE], "-l")
              if not name.startswith("/usr/share/licenses/")}
    assert listed == {f"/{PAGE_FOLDER}", *(f"/{PAGE_FOLDER}/{name}" for name in wanted),
                      f"/usr/share/metainfo/{METAINFO}"}
    assert any(line.startswith(f"({PAGE} = ") and line.endswith(" if cockpit-bridge)")
               for line in query(packages[MAIN], "--recommends"))


def test_the_page_requires_the_cockpit_of_its_manifest(packages: Dict[str, Path]) -> None:
    manifest = json.loads((TOP / "cockpit/manifest.json").read_text(encoding="utf-8"))
    assert f"cockpit-bridge >= {manifest['requires']['cockpit']}" in requires(packages[PAGE])


def test_the_metainfo_names_the_page(root: Path) -> None:
    tree = ElementTree.parse(root / "usr/share/metainfo" / METAINFO)
    texts = {name: tree.findtext(name) for name in (
        "id", "extends", "project_license", "launchable", "url")}
    assert texts == {
        "id": METAINFO.replace(".metainfo.xml", ""), "extends": "org.cockpit_project.cockpit",
        "project_license": "GPL-2.0-or-later", "launchable": Path(PAGE_FOLDER).name,
        "url": "https://github.com/oVirt/ovirt-node-plugin"}


@pytest.mark.parametrize("manual", MANUALS)
def test_man_finds_the_manual_pages(root: Path, manual: str) -> None:
    found = list((root / "usr/share/man").glob(manual + "*"))
    assert len(found) == 1
    data = found[0].read_bytes()
    text = gzip.decompress(data) if found[0].suffix == ".gz" else data
    assert text == (TOP / "man" / Path(manual).name).read_bytes()


def test_the_completion_is_loaded_by_every_new_bash(root: Path) -> None:
    file = root / "etc/bash_completion.d" / MAIN
    said = call(["bash", "--norc", "-c", f"source {file} && complete -p dnf"])
    assert "_ovirt_node_plugin_dnf" in said


def test_every_file_belongs_to_root_and_is_world_readable(
        root: Path, packages: Dict[str, Path]) -> None:
    for package in packages.values():
        for name in set(query(package, "-l")) - {JOURNAL_KEY}:
            info = inside(root, Path(name)).lstat()
            assert (info.st_uid, info.st_gid) == (0, 0), name
            runs = stat.S_ISDIR(info.st_mode) or name in (
                HOOK_FILE, PROGRAM_FILE, DNF5_FILE, BOOT_FILE)
            want = 0o755 if runs else 0o644
            assert stat.S_IMODE(info.st_mode) == want, name


def test_the_installed_program_starts(root: Path) -> None:
    library = next(root.glob("usr/lib*/python3*/**/ovirt_node_plugin")).parent
    said = call(["env", f"PYTHONPATH={library}", str(inside(root, Path(PROGRAM_FILE))),
                 "--version"], cwd=root)
    assert re.fullmatch(r"ovirt-node-plugin [\d.]+\n", said)


def test_the_schema_for_editors_is_installed_with_what_leads_to_it(root: Path) -> None:
    for name in ("node-plugin.rng", "node-plugin.rnc", "catalog.xml", "schemas.xml"):
        assert (root / "usr/share/xml/ovirt-node-plugin" / name).read_bytes() == (
            TOP / "ovirt_node_plugin/schema" / name).read_bytes()


def test_the_main_package_contains_news_chapters_and_examples(packages: Dict[str, Path]) -> None:
    manuals = {f"{Path(page).name}.gz" for page in MANUALS} | {Path(page).name for page in MANUALS}
    files = query(packages[MAIN], "--docfiles")
    examples = {name.partition("/examples/")[2] for name in files if "/examples/" in name}
    assert examples >= {str(path.relative_to(TOP / "examples"))
                        for path in TOP.glob("examples/*/node-plugin.xml")}
    assert not [name for name in examples if "/repo/" in name or name.startswith("build/")]
    documents = {Path(name).name for name in files if "/examples/" not in name}
    assert documents - manuals == {"README.md", "NEWS.md", "ci.md", "editors.md", "products.md",
                                   "sites.md", "tutorial.md", "vendors.md"}


def test_the_packages_of_the_readme_require_neither_vdsm_nor_dnf5_nor_cockpit(
        packages: Dict[str, Path]) -> None:
    (names,) = re.findall(r"^dnf -y install build/rpms/(\S+)$",
                          (TOP / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    build = packages[MAIN].parent.parent
    found = call(["bash", "-c", f"printf '%s\\n' {names}"], cwd=build).splitlines()
    assert sorted(found) == sorted(
        str(path.relative_to(build)) for name, path in packages.items()
        if name not in (HOOK, DNF5, PAGE))
