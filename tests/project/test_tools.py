"""The scripts of tools/: output, refusals and exit statuses."""
from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

import pytest

from tests.support import needs, order

TOP = Path(__file__).resolve().parents[2]
TOOLS = ("check", "chroot", "matrix", "setup")
SYSTEMS = ("debian", "el9", "el10", "fedora")
GROUPS = ("run", "test", "check", "chroot")


def call(*argv: str, cwd: Path = TOP, env: Optional[Mapping[str, str]] = None
         ) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8", env={**os.environ, **(env or {})})


def sources(top: Path) -> List[str]:
    done = call(str(top / "tools" / "sources"), cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.split("\0") if name]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script ``sources``, a source file, and files that are not sources."""
    top = tmp_path / "my project"
    for name in ("tools", "build", ".venv", "a/__pycache__", "ovirt.egg-info"):
        (top / name).mkdir(parents=True)
    shutil.copy(TOP / "tools" / "sources", top / "tools")
    for name in ("a/one file", "build/x", ".venv/y", "a/__pycache__/z.pyc", "ovirt.egg-info/w"):
        (top / name).touch()
    return top


def test_sources_are_found_without_git(checkout: Path) -> None:
    assert sources(checkout) == ["a/one file", "tools/sources"]


def test_sources_are_files_that_git_does_not_ignore(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("build\n.venv\n__pycache__\n*.egg-info\n",
                                         encoding="utf-8")
    (checkout / "gone").touch()
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "gone", "a"], cwd=checkout, check=True)
    (checkout / "gone").unlink()
    assert sources(checkout) == [".gitignore", "a/one file", "tools/sources"]


@pytest.mark.parametrize("tool", TOOLS)
def test_an_unknown_option_is_refused_before_any_change(tool: str) -> None:
    done = call(str(TOP / "tools" / tool), "--no-such-option")
    assert done.returncode != 0 and "--no-such-option" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("tool", TOOLS)
def test_help_prints_the_head_of_the_script(tool: str) -> None:
    done = call(str(TOP / "tools" / tool), "--help")
    assert done.returncode == 0 and f"tools/{tool} " in done.stdout
    assert "set -euo" not in done.stdout


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_setup_lists_the_packages_of_a_group(system: str, group: str) -> None:
    done = call("tools/setup", f"--list={system}", group)
    names = done.stdout.split()
    assert done.returncode == 0 and names
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]*", name) for name in names)


def test_setup_refuses_an_unknown_group() -> None:
    done = call("tools/setup", "--list=debian", "everything")
    assert done.returncode != 0
    assert "no group is called everything: run, test, check or chroot" in done.stderr


def test_setup_refuses_an_unknown_system() -> None:
    done = call("tools/setup", "--list=plan9", "run")
    assert done.returncode != 0
    assert "no system is called plan9: debian, el9, el10 or fedora" in done.stderr


# Stand-ins for the package managers of EL and Fedora. STATE lists installed packages,
# ABSENT packages that no repo has. dnf records its arguments and installs nothing if a
# name is absent, unless it is told to skip such names.
STAND_INS = {
    "rpm": """\
for name; do :; done
exec grep -qx -- "$name" "$STATE"
""",
    "dnf": """\
echo "dnf $*" >>"$LOG"
case $1 in
--version) echo "$DNF_VERSION"; exit ;;
install)   shift ;;
*)         exit 0 ;;
esac
skip=no status=0
for word; do
    case $word in --setopt=strict=0 | --skip-unavailable) skip=$word ;; esac
done
case "$skip $DNF_VERSION" in
--setopt*dnf5* | --skip-unavailable*4.*) echo "unknown option $skip" >&2; exit 2 ;;
esac
for word; do
    case $word in -*) continue ;; esac
    if grep -qx -- "$word" "$ABSENT"; then status=1; else echo "$word" >>"$STATE.new"; fi
done
if [ $status = 0 ] || [ "$skip" != no ]; then cat "$STATE.new" >>"$STATE"; fi
rm -f "$STATE.new"
[ "$skip" != no ] || exit $status
""",
    "subscription-manager": """\
echo "subscription-manager $*" >>"$LOG"
""",
}


class OtherSystem:
    """tools/setup of a checkout on another system, with stand-ins for the programs it calls."""

    def __init__(self, top: Path, release: str, dnf_version: str, absent: str) -> None:
        self.top = top
        (top / "bin").mkdir()
        for name, text in STAND_INS.items():
            (top / "bin" / name).write_text(f"#!/bin/bash\n{text}", encoding="utf-8")
            (top / "bin" / name).chmod(0o755)
        (top / "tools").mkdir()
        shutil.copy(TOP / "tools" / "setup", top / "tools")
        self.log, self.state = top / "log", top / "state"
        (top / "os-release").write_text(release, encoding="utf-8")
        (top / "absent").write_text("".join(f"{name}\n" for name in absent.split()),
                                    encoding="utf-8")
        self.log.touch()
        self.state.touch()
        self.env = {"PATH": f"{top}/bin:{os.environ['PATH']}", "LOG": str(self.log),
                    "STATE": str(self.state), "ABSENT": str(top / "absent"),
                    "DNF_VERSION": dnf_version}

    def setup(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run it in a mount namespace with the os-release of the other system."""
        return call("unshare", "--mount", "sh", "-c",
                    'mount --bind "$1" "$(readlink -f /etc/os-release)" && shift && exec "$@"',
                    "sh", str(self.top / "os-release"), str(self.top / "tools/setup"), *words,
                    env=self.env)

    @property
    def installed(self) -> List[str]:
        return self.state.read_text(encoding="utf-8").split()


EL9 = 'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
EL10 = 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.1"\n'
RHEL10 = 'ID="rhel"\nID_LIKE="centos fedora"\nVERSION_ID="10.1"\n'
FEDORA = 'ID=fedora\nVERSION_ID=44\n'


@pytest.mark.parametrize(("release", "version", "system"), [
    (EL9, "4.14.0", "el9"), (EL10, "4.20.0", "el10"), (FEDORA, "dnf5 version 5.3.0", "fedora")])
def test_setup_installs_all_packages_that_a_system_has(tmp_path: Path, release: str, version: str,
                                                       system: str) -> None:
    other = OtherSystem(tmp_path, release, version, absent="")
    assert other.setup("run", "test", "chroot").returncode == 0
    listed = call("tools/setup", f"--list={system}", "run", "test", "chroot").stdout.split()
    assert set(listed) <= set(other.installed)
    log = other.log.read_text(encoding="utf-8")
    assert ("config-manager --set-enabled crb" in log) == (system != "fedora")
    assert ("epel-release" in other.installed) == (system != "fedora")
    other.log.write_text("", encoding="utf-8")
    assert other.setup("run", "test", "chroot").returncode == 0
    assert other.log.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(("release", "version"), [
    (EL10, "4.20.0"), (FEDORA, "dnf5 version 5.3.0")])
def test_setup_names_what_is_skipped_without_an_unavailable_package(
        tmp_path: Path, release: str, version: str) -> None:
    other = OtherSystem(tmp_path, release, version,
                        absent="busybox mandoc debootstrap debian-keyring epel-release")
    done = other.setup("run", "test", "chroot")
    assert done.returncode == 0, done.stderr
    assert ("busybox is in no enabled repository; left out: the tests that build images"
            in done.stderr)
    assert {"python3-pytest", "qemu-kvm", "xorriso"} <= set(other.installed)
    assert other.setup("--left-out", "run", "test", "check", "chroot").stdout.split() == [
        "busybox", "git", "mandoc", "bash-completion", "enchant2", "file-libs", "cockpit-ws",
        "cockpit-bridge", "chromium", "debootstrap", "debian-keyring"]
    # and queries no repo again
    other.log.write_text("", encoding="utf-8")
    assert other.setup("run", "test", "chroot").returncode == 0
    assert other.log.read_text(encoding="utf-8") == ""


def test_setup_installs_the_rest_if_a_needed_package_is_unavailable(tmp_path: Path) -> None:
    other = OtherSystem(tmp_path, EL10, "4.20.0", absent="python3-pytest python3-wheel")
    done = other.setup("run", "test")
    assert done.returncode != 0
    assert "all else is installed: python3-pytest python3-wheel" in done.stderr
    assert "syslinux" in other.installed


def test_setup_enables_crb_of_rhel_by_subscription_manager(tmp_path: Path) -> None:
    other = OtherSystem(tmp_path, RHEL10, "4.20.0", absent="")
    assert other.setup("test").returncode == 0
    (line,) = [line for line in other.log.read_text(encoding="utf-8").splitlines()
               if line.startswith("subscription-manager ")]
    assert re.fullmatch(r"subscription-manager repos --enable codeready-builder-for-rhel-10-"
                        r"\w+-rpms", line)


def collected(*words: str) -> List[str]:
    """Return the files of tests in the order in which pytest takes them."""
    done = call(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider",
                *words, env={"PYTEST_ADDOPTS": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    return list(dict.fromkeys(line.partition("::")[0] for line in done.stdout.splitlines()
                              if "::" in line))


def test_the_files_that_take_longest_are_the_first(tmp_path: Path) -> None:
    words = ["tests/unit/system/test_rpm_version.py",
             *(f"tests/{name}" for name in reversed(order.LONGEST))]
    assert collected(*words) == [*reversed(words[1:]), words[0]]


def test_the_folder_of_a_test_is_removed_unless_the_test_failed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "tests").mkdir(parents=True)
    for name in ("ovirt_node_plugin", "tests/__init__.py", "tests/conftest.py", "tests/support"):
        (top / name).symlink_to(TOP / name)
    (top / "tests/test_folders.py").write_text(
        "import os, subprocess, pytest\n"
        "def test_good(tmp_path): (tmp_path / 'x').touch()\n"
        "def test_bad(tmp_path): (tmp_path / 'x').touch(); assert 0\n"
        "@pytest.fixture\n"
        "def broken(tmp_path):\n    (tmp_path / 'x').touch(); yield; assert 0\n"
        "def test_late(broken): pass\n"
        "def test_mount(tmp_path):\n"
        "    (tmp_path / 'at').mkdir()\n"
        "    argv = ['mount', '--bind', os.environ['KEPT'], tmp_path / 'at']\n"
        "    subprocess.run(argv, check=True)\n", encoding="utf-8")
    kept, base = tmp_path / "kept", tmp_path / "base"
    kept.mkdir()
    (kept / "precious").touch()
    done = call("unshare", "--mount", sys.executable, "-m", "pytest", "-q",
                "-p", "no:cacheprovider", f"--basetemp={base}", "tests/test_folders.py",
                cwd=top, env={"PYTEST_ADDOPTS": "", "KEPT": str(kept), "PYTHONPATH": str(top)})
    assert "1 failed, 3 passed, 1 error" in done.stdout, done.stdout + done.stderr
    folders = [path for path in base.iterdir() if not path.is_symlink()]
    assert sorted(path.name for path in folders) == ["test_bad0", "test_late0", "test_mount0"]
    assert sorted(path.name for path in folders if (path / "x").exists()) == [
        "test_bad0", "test_late0"]
    assert (kept / "precious").exists()


def test_packages_from_npm_have_fixed_versions() -> None:
    manifest = json.loads((TOP / "tools/package.json").read_text(encoding="utf-8"))
    versions = manifest["dependencies"].values()
    assert versions and all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    installed = TOP / ".venv/npm/node_modules"
    for name, version in manifest["dependencies"].items():
        about = json.loads((installed / name / "package.json").read_text(encoding="utf-8"))
        needed = {**about.get("dependencies", {}), **about.get("optionalDependencies", {})}
        assert about["version"] == version
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", one) for one in needed.values()), needed


def test_setup_lists_the_known_systems(tmp_path: Path) -> None:
    other = OtherSystem(tmp_path, "ID=plan9\n", "", absent="")
    done = other.setup("run")
    assert done.returncode != 0 and "this is plan9; Debian, EL and Fedora are known" in done.stderr


def test_tests_of_an_unavailable_package_are_skipped_with_its_name(tmp_path: Path) -> None:
    done = call(sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-k",
                "test_a_system_that_does_not_boot or test_a_plugin_made_as_in_the_readme"
                " or test_targets_of_links",
                *(f"tests/project/test_{name}.py" for name in ("documents", "system", "readme")),
                env={"TESTS_WITHOUT": "busybox debootstrap", "PYTEST_ADDOPTS": ""})
    assert "busybox is not available here" in done.stdout, done.stdout + done.stderr
    assert re.search(r"\d+ passed, \d+ skipped", done.stdout)


UNIT, OTHER = "tests/unit/system/test_rpm_version.py", "tests/project/test_layers.py"


@pytest.mark.parametrize(("library", "words", "stops"), [
    ("lxml", UNIT, True), ("rpm", f"{UNIT}::test_x", True), ("dnf", UNIT, False),
    ("dnf", OTHER, True), ("dnf", f"{UNIT} {OTHER}", True), ("dnf", "", True),
    ("dnf", f"--numprocesses=2 {OTHER}", True), ("yaml", OTHER, False)])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
        tmp_path: Path, library: str, words: str, stops: bool) -> None:
    (tmp_path / "hiding.py").write_text(f"import sys\nsys.modules['{library}'] = None\n",
                                        encoding="utf-8")
    done = call(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "hiding",
                *words.split(), env={"PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": ""})
    if stops:
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        first, *rest = done.stderr.strip().splitlines()
        assert first.startswith(f"ERROR: {sys.executable} cannot import {library}: ")
        assert rest == ["Install it, as root, with: ./tools/setup run test check",
                        "Then run the tests with: ./tools/check --tests [PATH...]"]
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_library_that_a_single_test_needs_is_named_in_its_failure(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(sys)["modules"], "yaml", None)
    with pytest.raises(pytest.UsageError, match="cannot import yaml.*\nInstall it, as root"):
        read_yaml(".packit.yaml")


@pytest.mark.parametrize(("text", "package"), [
    ("from tests import support\n", "busybox"),
    ("from tests.support.full_node import full_node\n", "debootstrap"),
    ("from tests.support.agent_plugins import changes\n", "debootstrap"),
    ("from tests.support.full_host import system_root\n", "debootstrap"),
    ("from tests.support.dnf5 import machine\n", "debootstrap"),
    ("from tests.support import isos, qemu\n", "debootstrap"),
    ("from tests.cockpit.conftest import OpenPage\n", "chromium"),
    ("from tests.cockpit.conftest import OpenPage\n", "debootstrap"),
    ("from tests.support.cockpit import Host\n", "chromium"),
    ("from tests.support.cockpit import Host\n", "debootstrap")])
def test_needed_packages_are_read_from_a_test_module(text: str, package: str) -> None:
    assert package in needs.needed_packages(text, ())
    assert needs.needed_packages("import os\n", ["tmp_path"]) == frozenset()
    assert needs.needed_packages("import os\n", ["node", "built"]) == {"busybox"}


def test_setup_starts_no_package_manager_if_everything_is_installed(tmp_path: Path) -> None:
    for name in ("apt-get", "dnf", "pip"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} was started >&2; exit 1\n",
                                     encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = call("tools/setup", "run", "test", "chroot",
                env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Checkout:
    """A copy of tools/check with stand-ins that only record their arguments."""

    def __init__(self, top: Path) -> None:
        self.top, self.log = top, top / "log"
        (top / "tools").mkdir()
        (top / ".venv/bin").mkdir(parents=True)
        (top / ".venv/npm/node_modules/.bin").mkdir(parents=True)
        (top / "tests/unit").mkdir(parents=True)
        (top / ".github/ISSUE_TEMPLATE").mkdir(parents=True)
        (top / ".github/ISSUE_TEMPLATE/bug.yml").touch()
        (top / "tests/unit/test_a.py").touch()
        shutil.copy(TOP / "tools/check", top / "tools")
        for name in ("tools/setup", "tools/sources", *(f".venv/bin/{program}" for program in (
                "python", "ruff", "mypy", "vermin", "shellcheck", "yamllint",
                "check-jsonschema", "mandoc")),
                *(f".venv/npm/node_modules/.bin/{program}" for program in ("tsc", "biome"))):
            (top / name).write_text(f"#!/bin/sh\necho {Path(name).name} \"$@\" >>{self.log}\n",
                                    encoding="utf-8")
            (top / name).chmod(0o755)

    def replace(self, program: str, script: str) -> None:
        """Replace a stand-in, or give tools/check its own version of a program."""
        path = self.top / ".venv/bin" / program
        path.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        path.chmod(0o755)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run it with the stand-ins."""
        return call(str(self.top / "tools/check"), *words,
                    env={"PATH": f"{self.top}/.venv/bin:{os.environ['PATH']}",
                         "TMPDIR": str(self.top)})

    def check(self, *words: str) -> List[str]:
        """Run it and return the programs it started after tools/setup, in order."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        log = self.log.read_text(encoding="utf-8").replace(str(self.top), "TOP")
        return [line for line in re.sub(r"/node-tests\.\w{6}/", "/RANDOM/", log).splitlines()
                if not line.startswith(("setup ", "sources"))]


COMPILE = "python -m compileall -q ovirt_node_plugin dnf-plugins"
COLLECT = "python -m pytest --quiet --collect-only"
PYTEST = (f"python -m pytest --quiet --numprocesses={len(os.sched_getaffinity(0)) + 1}"
          " --dist=loadfile --no-loadscope-reorder --basetemp=TOP/RANDOM/t")


@pytest.mark.parametrize(("words", "arguments"), [
    ("", ""), ("tests/unit/test_a.py", " tests/unit/test_a.py"),
    ("--quick tests/unit/test_a.py::test_x -- -k repo",
     " -m not slow tests/unit/test_a.py::test_x -k repo"),
    ("tests/unit tests/unit/test_a.py -- --lf", " tests/unit tests/unit/test_a.py --lf"),
    ("-- --co", " --co")])
def test_check_runs_only_tests_and_only_some_of_them(tmp_path: Path, words: str,
                                                     arguments: str) -> None:
    of_all = [] if "tests/unit" in words else [COLLECT]
    assert Checkout(tmp_path).check("--tests", *words.split()) == [
        COMPILE, *of_all, PYTEST + arguments]


@pytest.mark.root
@pytest.mark.parametrize("status", [0, 1, 2])
@pytest.mark.parametrize(("free_kib", "filesystem", "in_memory"), [
    (6 << 20, "tmpfs", True), ((6 << 20) - 1, "tmpfs", False), (6 << 20, "ramfs", False)])
def test_tests_work_in_memory_and_only_folders_of_failed_ones_remain(
        tmp_path: Path, free_kib: int, filesystem: str, in_memory: bool, status: int) -> None:
    """ramfs has no user attributes, like the tmpfs of Linux before 6.6."""
    checkout = Checkout(tmp_path)
    checkout.replace("awk", f"echo {free_kib}\n")
    checkout.replace("mount", f"""
        PATH=${{PATH#*:}}
        if [ "$1" = --make-rshared ]; then exec mount "$@"; fi
        shift 4
        exec mount -t {filesystem} "$@"\n""")
    checkout.replace("python", f"""
        for word; do case $word in --basetemp=*) folder=${{word#*=}};; esac; done
        [ -n "$folder" ] || exit 0
        mkdir -p "$folder/popen-gw0/test_x0"
        mknod "$folder/popen-gw0/test_x0/null" c 1 3
        echo "$PWD $folder $(stat --format=%d "$folder")"
        exit {status}\n""")
    done = checkout.run("--tests")
    assert done.returncode == status, done.stderr
    *_, step, line = done.stdout.splitlines()
    top, folder, device = line.split()
    assert (top, Path(folder).name) == (str(tmp_path), "t")
    assert step == f"== tests, in {Path(folder).parent}"
    assert (int(device) != tmp_path.stat().st_dev) == in_memory
    assert [str(path) for path in tmp_path.glob("node-tests.*")] == [
        str(Path(folder).parent)] * (status == 1)
    assert Path(folder, "popen-gw0/test_x0/null").is_char_device() == (status == 1)


def test_check_lints_first_without_the_option(tmp_path: Path) -> None:
    """mypy runs beside what follows ruff."""
    started = Checkout(tmp_path).check("tests/unit")
    assert [line.split()[0] for line in started if not line.startswith("mypy ")] == [
        "ruff", "vermin", "tsc", "biome", "shellcheck", "yamllint",
        *["check-jsonschema"] * 4, "mandoc", "python", "python"]
    assert started[-1] == f"{PYTEST} tests/unit" and COMPILE in started
    assert [line.split()[0] for line in started].count("mypy") == 1


def test_check_runs_no_test_if_mypy_finds_an_error(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.replace("mypy", "echo 'a.py:1: error: no type'; exit 1\n")
    done = checkout.run("tests/unit")
    assert (done.returncode, done.stderr) == (1, "tools/check: mypy has found errors\n")
    assert done.stdout.endswith("a.py:1: error: no type\n")
    assert PYTEST not in checkout.log.read_text(encoding="utf-8")
    assert not list(tmp_path.glob("node-tests.*"))


def test_check_refuses_a_missing_path() -> None:
    done = call("tools/check", "--tests", "tests/test_none.py::test_x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tools/check: there is no file or folder tests/test_none.py\n"


def test_check_of_one_file_ends_with_the_summary_of_its_tests() -> None:
    done = call("tools/check", "--tests", "tests/unit/system/test_rpm_version.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lint" not in done.stdout
    assert re.fullmatch(r"\d+ passed in .*", done.stdout.splitlines()[-1])


def test_matrix_refuses_an_unknown_suite() -> None:
    done = call("tools/matrix", "--suite", "potato")
    assert done.returncode != 0
    assert "no suite is called potato: bullseye bookworm trixie sid" in done.stderr


def test_every_unit_test_is_marked_for_the_matrix() -> None:
    modules = sorted((TOP / "tests/unit").rglob("test_*.py"))
    assert len(modules) > 20
    assert [path.name for path in modules if not re.search(
        r"^pytestmark = .*pytest\.mark\.unit\b", path.read_text(encoding="utf-8"),
        re.MULTILINE)] == []


def test_tools_that_mount_require_root(tmp_path: Path) -> None:
    """They run as nobody in a copy, since only root may be able to read the checkout."""
    copy = tmp_path / "copy"
    shutil.copytree(TOP / "tools", copy / "tools")
    folder = copy
    while folder != Path("/tmp") and folder != folder.parent:
        folder.chmod(0o755)
        folder = folder.parent
    for tool in ("check", "matrix"):
        done = call("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                    str(copy / "tools" / tool))
        assert done.returncode != 0 and "run as root" in done.stderr, done.stderr


def targets() -> Sequence[str]:
    text = (TOP / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^([a-z]+):(?!=)", text, re.MULTILINE)


def test_every_target_of_the_makefile_is_phony() -> None:
    text = (TOP / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert sorted(phony.group(1).split()) == sorted(targets())
    assert {"check", "quick", "rpm", "srpm", "mock", "demo", "matrix", "install",
            "clean"} <= set(targets())


@pytest.mark.parametrize("config", ["el9", "el10"])
def test_mock_configurations_are_python_and_use_different_roots(config: str) -> None:
    text = (TOP / "mock" / f"ovirt-node-plugin-{config}.cfg").read_text(encoding="utf-8")
    included: List[str] = []
    options: dict[str, str] = {}
    exec(text, {"include": included.append, "config_opts": options})  # as mock does
    assert options == {"root": f"ovirt-node-plugin-{config}"}
    assert included == [f"/etc/mock/centos-stream-{config[2:]}-x86_64.cfg"]


def read_yaml(name: str) -> Any:
    # here: it is in .venv/ with the linters, and not in the chroots of tools/matrix
    return needs.library("yaml").safe_load((TOP / name).read_text(encoding="utf-8"))


def test_actions_of_packit_give_the_version_and_the_tarball() -> None:
    config = read_yaml(".packit.yaml")
    assert (TOP / config["specfile_path"]).exists()
    said = {name: [call(*shlex.split(command)) for command in commands]
            for name, commands in config["actions"].items()}
    assert all(done.returncode == 0 for dones in said.values() for done in dones)
    version = said["get-current-version"][-1].stdout.strip()
    assert re.fullmatch(r"\d+(\.\d+)+", version)
    # the last line of an action is the path of the archive
    archive = said["create-archive"][-1].stdout.splitlines()[-1]
    assert archive == f"build/ovirt-node-plugin-{version}.tar.gz" and (TOP / archive).exists()


def test_packit_and_the_workflow_build_for_the_same_systems() -> None:
    packit = read_yaml(".packit.yaml")
    flow = read_yaml(".github/workflows/build.yml")
    images = flow["jobs"]["rpm"]["strategy"]["matrix"]["image"]
    assert {re.sub(r"^almalinux:", "el", re.sub(r":latest$", "", image)) for image in images} == {
        "el9", "el10", "fedora"}
    for job in packit["jobs"]:
        assert {re.sub(r"^centos-stream-(\d+)-.*|^(fedora)-.*", r"el\1\2", target).replace(
            "elfedora", "fedora") for target in job["targets"]} == {"el9", "el10", "fedora"}
