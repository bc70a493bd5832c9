"""The spec built with EL's macros and folders, and with its BuildRequires only.

EL itself is not at hand. tests/el/macros has its macros for Python; the rpm database
holds the BuildRequires as empty packages; and what no BuildRequires brings, programs and
modules, is hidden from the build. Bullseye's Python 3.9, rpm 4.16 and setuptools 52 are
the nearest to EL9's: tools/matrix runs this there too.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

import pytest

from tests.project.test_spec import HOOK, LIBRARY, MAIN, PLUGIN, TOP, call, query, requires

pytestmark = pytest.mark.skipif(
    not Path("/etc/debian_version").exists(),
    reason="on EL and Fedora tests/project/test_spec.py builds with the real macros")

EL = Path(__file__).resolve().parents[1] / "support/el"
SITE = f"/usr/lib/python3.{sys.version_info.minor}/site-packages"

# Packages that mock installs before the BuildRequires (buildsys-build), by Debian's names.
BUILD_ROOT = ("bash", "bzip2", "coreutils", "cpio", "debianutils", "diffutils", "findutils",
              "grep", "gzip", "mawk", "patch", "python3-minimal", "rpm", "rpm-common", "sed",
              "tar", "util-linux", "xz-utils")

# The Python modules of each BuildRequires; those of None are in no build root.
MODULES: Mapping[str, Sequence[str]] = {
    "python3-lxml": ("lxml",),
    "python3-pip": ("pip",),
    "python3-pytest": ("pytest", "_pytest"),
    "python3-rpm": ("rpm",),
    "python3-setuptools": ("setuptools", "pkg_resources"),
    "python3-wheel": ("wheel",),
    "": ("createrepo_c", "dnf", "gpg", "hawkey", "jsonschema", "libcomps", "libdnf"),
}

BUILD_ROOT_SPEC = """\
Name: build-root
Version: 1
Release: 1
Summary: The packages that the spec builds with
License: GPL-2.0-or-later
BuildArch: noarch
%description
Holds no file.
"""


def spec_text() -> str:
    """Return the project's spec with a first line that loads EL's macros.

    By a line in it, as rpm 4.20 forgets what --load brought when it comes to a package
    without architecture.
    """
    text = (TOP / f"{MAIN}.spec").read_text(encoding="utf-8")
    return f"%{{load:{EL / 'macros'}}}\n{text}"


def build_requires(spec: Path) -> List[str]:
    return call(["rpmspec", "--query", "--buildrequires", str(spec)]).split()


def make_database(names: Sequence[str], work: Path) -> Path:
    """Make an rpm database with empty packages of these names and return its folder."""
    spec = work / "build-root.spec"
    spec.write_text(BUILD_ROOT_SPEC + "".join(
        f"%package -n {name}\nSummary: Stands for {name}\n%description -n {name}\nEmpty.\n"
        f"%files -n {name}\n" for name in names), encoding="utf-8")
    call(["rpmbuild", "--define", f"_topdir {work}/top", "--define", f"_rpmdir {work}/rpms",
          "--define", f"_dbpath {work}/none", "-bb", str(spec)])
    database = work / "db"
    call(["rpm", "--dbpath", str(database), "--justdb", "--nodeps", "--noscripts", "-i",
          *(str(path) for path in (work / "rpms").rglob("*.rpm"))])
    return database


def programs_of(packages: Sequence[str]) -> Dict[str, Path]:
    """Map the programs of installed Debian packages to their paths."""
    listed: List[str] = []
    for package in packages:
        done = subprocess.run(["dpkg", "-L", package], stdout=subprocess.PIPE, encoding="utf-8",
                              stderr=subprocess.DEVNULL)
        listed += done.stdout.splitlines()
    found = {Path(name).name: Path(name) for name in listed
             if re.fullmatch(r"(/usr)?/s?bin/[^/]+", name)}
    return {**found, "awk": Path("/usr/bin/awk"), "sh": Path("/bin/bash")}


def environment(names: Sequence[str], work: Path) -> Dict[str, str]:
    """Return an environment in which a build sees only these BuildRequires."""
    folder = work / "bin"
    folder.mkdir()
    wanted = [*BUILD_ROOT, *(name for name in names if name == "make")]
    for name, path in programs_of(wanted).items():
        (folder / name).symlink_to(path)
    if "python3-devel" in names:
        for path in Path("/usr/bin").glob("python3*"):
            if not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    hidden = [module for package, modules in MODULES.items() if package not in names
              for module in modules]
    return {"PATH": str(folder), "PYTHONPATH": str(EL), "HIDDEN_MODULES": " ".join(hidden),
            "TMPDIR": str(work)}


def build(text: str, work: Path, *, ok: Sequence[int] = (0,)) -> str:
    """Build a spec with only its BuildRequires; return the output."""
    spec = work / "el.spec"
    spec.write_text(text, encoding="utf-8")
    names = build_requires(spec)
    return call([shutil.which("make") or "make", "--no-print-directory", "rpm", f"SPEC={spec}",
                 f"BUILD={work}/build",
                 f"RPMBUILD_FLAGS=--define '_dbpath {make_database(names, work)}'"],
                env=environment(names, work), ok=ok)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """Build the RPMs, including their unit tests; map names to files."""
    work = tmp_path_factory.mktemp("el")
    said = build(spec_text(), work)
    assert re.search(r"^=+ .*\d+ passed.* =+$", said, re.MULTILINE), "%check ran no test"
    return {query(path, "--qf", "%{name}")[0]: path
            for path in (work / "build/rpms").rglob("*.noarch.rpm")}


@pytest.mark.main_job
def test_all_packages_are_built(packages: Dict[str, Path]) -> None:
    assert set(packages) >= {MAIN, LIBRARY, PLUGIN, HOOK}


@pytest.mark.main_job
def test_python_files_are_in_els_folder_and_compiled(packages: Dict[str, Path]) -> None:
    for name, top in ((LIBRARY, f"{SITE}/ovirt_node_plugin"), (PLUGIN, f"{SITE}/dnf-plugins")):
        files = query(packages[name], "-l")
        assert not any("dist-packages" in file for file in files)
        sources = [Path(file) for file in files if file.endswith(".py")]
        assert sources and all(str(source).startswith(f"{top}/") for source in sources)
        tag = sys.implementation.cache_tag
        wanted = {f"{source.parent}/__pycache__/{source.stem}.{tag}{level}.pyc"
                  for source in sources for level in ("", ".opt-1")}
        assert {file for file in files if file.endswith(".pyc")} == wanted


@pytest.mark.main_job
def test_python_packages_belong_to_one_version_of_python(packages: Dict[str, Path]) -> None:
    abi = f"python(abi) = 3.{sys.version_info.minor}"
    for name in (LIBRARY, PLUGIN):
        assert abi in requires(packages[name])


def test_the_library_is_a_python_distribution(packages: Dict[str, Path]) -> None:
    infos = [file for file in query(packages[LIBRARY], "-l")
             if file.startswith(f"{SITE}/ovirt_node_plugin-")]
    assert all(".dist-info" in file for file in infos)
    assert any(file.endswith("/METADATA") for file in infos)
    assert not any(file.endswith("/RECORD") for file in infos)
    assert any(line.startswith("python3dist(ovirt-node-plugin) = ")
               for line in query(packages[LIBRARY], "--provides"))


def test_the_program_ignores_modules_of_the_user(packages: Dict[str, Path],
                                                 tmp_path: Path) -> None:
    call(["bash", "-c", f"rpm2cpio {packages[MAIN]} | cpio --quiet -idm"], cwd=tmp_path)
    first = (tmp_path / f"usr/bin/{MAIN}").read_text(encoding="utf-8").splitlines()[0]
    assert first == "#!/usr/bin/python3 -s"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec, its tarball and an rpm database of its BuildRequires."""
    work = tmp_path_factory.mktemp("prepared")
    (work / "el.spec").write_text(spec_text(), encoding="utf-8")
    make_database(build_requires(work / "el.spec"), work)
    call(["make", "dist", f"BUILD={work}"])
    return work


def names_in_the_spec() -> List[str]:
    text = (TOP / f"{MAIN}.spec").read_text(encoding="utf-8")
    return re.findall(r"^BuildRequires:\s+(\S+)", text, re.MULTILINE)


@pytest.mark.parametrize("name", names_in_the_spec())
def test_a_missing_build_requirement_is_named(prepared: Path, name: str,
                                              tmp_path: Path) -> None:
    shutil.copytree(prepared / "db", tmp_path / "db")
    call(["rpm", "--dbpath", str(tmp_path / "db"), "--justdb", "--nodeps", "-e", name])
    said = call(["rpmbuild", "--define", f"_topdir {tmp_path}/top", "--define",
                 f"_sourcedir {prepared}", "--define", f"_dbpath {tmp_path}/db",
                 "-bb", str(prepared / "el.spec")], ok=range(1, 256))
    assert f"{name} is needed by {MAIN}-" in said


@pytest.mark.parametrize(("name", "said"), [
    ("make", "make: (command )?not found"),
    ("python3-pip", "No module named 'pip'"),
    ("python3-lxml", "No module named 'lxml'"),
])
def test_a_spec_without_a_needed_requirement_does_not_build(name: str, said: str,
                                                            tmp_path: Path) -> None:
    text, count = re.subn(rf"^BuildRequires:\s+{name}\n", "", spec_text(), flags=re.MULTILINE)
    assert count == 1
    assert re.search(said, build(text, tmp_path, ok=range(1, 256)))


def test_the_makefile_uses_the_systems_database_on_rpm_distributions(tmp_path: Path) -> None:
    """Run in a mount namespace without the file that identifies Debian."""
    script = ('mount -t tmpfs tmpfs "$1" && cp -a /etc/. "$1" && rm "$1/debian_version" && '
              'mount --bind "$1" /etc && make --dry-run rpm')
    said = call(["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path)],
                env={k: v for k, v in os.environ.items() if k != "RPMBUILD_FLAGS"})
    (line,) = [line for line in said.splitlines() if re.search(r"rpmbuild .* -bb ", line)]
    assert "_dbpath" not in line and "--nodeps" not in line
