"""Programs and modules that a package uses are required or recommended by it.

The programs are read from the source: the first word of every argument list that is
passed to a runner. A form of list that this module does not understand fails the test,
so that no program is missed.
"""
from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sysconfig
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

import pytest

from tests.project.test_layers import LIBRARY, Function, Module, functions, imported, read_modules
from tests.project.test_spec import LIBRARY as LIBRARY_PACKAGE
from tests.project.test_spec import MAIN, TOP

RUNNERS = ("run", "_run", "runner", "attached", "_attached")
# objects whose run() starts no program: DNF's goal, the session of the transaction
OTHERS = ("goal", "running", "session")
# the argument is a parameter; its values are read below
FIELDS: Mapping[str, str] = {"self.placement.program": "program", "sys.executable": "python3"}

# Programs that only ovirt-node-plugin starts.
MAINS = ("images", "compare", "merge", "cli")

# The package of each program on EL9, EL10 and Fedora; a line lists programs of one package.
PACKAGES: Mapping[str, str] = {
    program: package for package, programs in {
        "coreutils": "chroot cp rm stat sync",
        "createrepo_c": "createrepo_c modifyrepo_c",
        "dracut": "dracut lsinitrd", "e2fsprogs": "debugfs e2fsck resize2fs",
        "firewalld": "firewall-cmd firewall-offline-cmd", "grubby": "grubby",
        "grub2-tools": "grub-script-check grub2-script-check",
        "gnupg2": "gpg gpgv", "imgbased": "imgbase",
        "isomd5sum": "checkisomd5 implantisomd5", "kmod": "depmod modprobe",
        "libselinux-utils": "getsebool matchpathcon selinuxenabled", "lvm2": "lvs",
        "mtools": "mcopy mdir",
        "policycoreutils": "load_policy restorecon setsebool", "procps-ng": "sysctl",
        "python3": "python3", "python3-dnf": "dnf-3", "rpm": "rpm rpmkeys", "rpm-build": "rpmbuild",
        "rpm-sign": "rpmsign",
        "squashfs-tools": "mksquashfs unsquashfs",
        "systemd": "systemctl systemd-run systemd-sysusers systemd-tmpfiles",
        "systemd-udev": "udevadm",
        "tar": "tar",
        "util-linux": "blkid findmnt fstrim losetup mount prlimit umount",
        "veritysetup": "veritysetup", "xfsprogs": "xfs_growfs xfs_repair", "xorriso": "xorriso",
        "zstd": "zstd",
    }.items() for program in programs.split()}

# Programs that only one kind of setting, an option, a Node, or a host with SELinux, needs.
RECOMMENDED = frozenset({"createrepo_c", "dracut", "firewalld", "grub2-tools", "grubby",
                         "imgbased", "libselinux-utils", "lvm2", "policycoreutils", "rpm-build",
                         "rpm-sign", "systemd-udev", "veritysetup"})


class NotUnderstood(Exception):
    """An argument list in a form that this module does not understand."""


def started_by(module: Module) -> Set[str]:
    """Return the programs that a module starts."""
    found: Set[str] = set()
    for function in functions(module):
        for call in calls_of_runners(function):
            found |= set(first_words(call.args[0], function, module))
    return found


def calls_of_runners(function: Function) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args:
            name = node.func
            if isinstance(name, ast.Name) and name.id in RUNNERS:
                yield node
            elif isinstance(name, ast.Attribute) and name.attr in RUNNERS and not (
                    isinstance(name.value, ast.Name) and name.value.id in OTHERS):
                yield node


def first_words(value: ast.expr, function: Function, module: Module) -> List[str]:
    """Return the possible first words of an argument list."""
    if isinstance(value, ast.List) and value.elts:
        return words(value.elts[0], function, module)
    if isinstance(value, ast.BinOp):
        return first_words(value.left, function, module)
    if isinstance(value, ast.IfExp):
        return [word for part in (value.body, value.orelse)
                for word in first_words(part, function, module)]
    if isinstance(value, ast.Name):
        return assigned(value.id, function, module)
    if isinstance(value, ast.Call) and dotted(value.func) in (
            "size_limited", "time_limited"):
        return ["prlimit", *first_words(value.args[0], function, module)]
    if isinstance(value, ast.Call):
        return returned(value, module)
    raise NotUnderstood(f"{module.path}:{value.lineno}: {ast.dump(value)}")


def words(value: ast.expr, function: Function, module: Module) -> List[str]:
    """Return the possible values of the first element of a list."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [value.value]
    if isinstance(value, ast.Starred):
        return first_words(value.value, function, module)
    if isinstance(value, ast.Attribute):
        field = FIELDS.get(dotted(value))
        if field == "program":
            return given_as("program", module)
        if field is not None:
            return [field]
    raise NotUnderstood(f"{module.path}:{value.lineno}: {ast.dump(value)}")


def dotted(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return f"{dotted(value.value)}.{value.attr}"
    return value.id if isinstance(value, ast.Name) else "?"


def assigned(name: str, function: Function, module: Module) -> List[str]:
    """Return the first words of the lists that a function assigns to a name."""
    found = []
    for node in ast.walk(function):
        targets: List[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value: Optional[ast.expr] = node.value  # type: ignore[attr-defined]
            if value is not None:
                found += first_words(value, function, module)
    if not found and name not in {arg.arg for arg in function.args.args}:
        raise NotUnderstood(f"{module.path}:{function.lineno}: nothing is assigned to {name}")
    return found  # the value of a parameter is read where it is created


def returned(call: ast.Call, module: Module) -> List[str]:
    """Return the first words of the lists that a function of this module returns."""
    if dotted(call.func) == "program.argv":
        return ["python3"]  # it starts a program of a root, which no package here provides
    name = dotted(call.func).rpartition(".")[2]
    found = [word for function in functions(module) if function.name == name
             for node in ast.walk(function)
             if isinstance(node, ast.Return) and node.value is not None
             for word in first_words(node.value, function, module)]
    if not found:
        raise NotUnderstood(f"{module.path}:{call.lineno}: {name} is not of this module")
    return found


def given_as(keyword: str, module: Module) -> List[str]:
    """Return the constants that a module passes for a keyword."""
    return [node.value.value for node in ast.walk(module.tree)
            if isinstance(node, ast.keyword) and node.arg == keyword
            and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)]


def dependencies() -> Dict[str, Dict[str, FrozenSet[str]]]:
    """Map each package of the spec to what it requires and recommends."""
    text = (TOP / f"{MAIN}.spec").read_text(encoding="utf-8").partition("%prep")[0]
    found: Dict[str, Dict[str, Set[str]]] = {}
    package = MAIN
    for line in text.splitlines():
        start = re.match(r"%package -n (\S+)$", line)
        tag = re.match(r"(Requires|Recommends):\s+\(?(\S+)", line)
        if start:
            package = start.group(1).replace("%{name}", MAIN)
        elif tag:
            kinds = found.setdefault(package, {"Requires": set(), "Recommends": set()})
            kinds[tag.group(1)].add(tag.group(2).replace("%{name}", MAIN))
    return {name: {kind: frozenset(names) for kind, names in kinds.items()}
            for name, kinds in found.items()}


@functools.lru_cache(maxsize=None)
def started() -> FrozenSet[Tuple[str, str]]:
    """Return each program with the package that starts it.

    Never while tests are collected, which each process does: it parses the whole library.
    """
    found: Set[Tuple[str, str]] = set()
    for module in read_modules(LIBRARY):
        if module.name == "system.run":
            continue  # the module that starts every program
        package = MAIN if module.package in MAINS else LIBRARY_PACKAGE
        found |= {(program, package) for program in started_by(module)}
    return frozenset(found)


def unnamed(program: str, starter: str) -> Iterator[str]:
    """Yield the fault if a program's package is not named by the package that starts it."""
    package = PACKAGES[program]
    kind = "Recommends" if package in RECOMMENDED else "Requires"
    asked = dependencies()
    # the main package requires the library of its version, and so its requirements
    names = asked[starter][kind] | (asked[LIBRARY_PACKAGE][kind] if starter == MAIN else set())
    if package not in names:
        yield f"{starter} starts {program} and does not name {package}"


def test_every_program_is_required_by_the_package_that_starts_it() -> None:
    assert started()
    assert [fault for program, starter in sorted(started())
            for fault in unnamed(program, starter)] == []


def test_programs_that_nothing_starts_are_not_required() -> None:
    used = {PACKAGES[program] for program, _ in started()}
    named = {name for package in (MAIN, LIBRARY_PACKAGE)
             for names in dependencies()[package].values() for name in names}
    # python3-dnf is a module too
    assert sorted(set(PACKAGES.values()) & named - used - {"python3-dnf"}) == []


# The packages of third-party modules; dnf's package requires libdnf and hawkey.
MODULES: Mapping[str, str] = {"dnf": "python3-dnf", "hawkey": "python3-dnf",
                              "libdnf": "python3-dnf", "lxml": "python3-lxml",
                              "rpm": "python3-rpm"}


def is_pythons_own(name: str) -> bool:
    """Return whether a module belongs to Python's standard library."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin in ("built-in", "frozen"):
        return found is not None
    origin = Path(found.origin or "")
    return (Path(sysconfig.get_path("stdlib")) in origin.parents
            and not {"site-packages", "dist-packages"} & set(origin.parts))


def test_every_module_that_the_library_imports_is_required() -> None:
    names = {name.partition(".")[0] for module in read_modules(LIBRARY)
             for _, name in imported(module, LIBRARY.name)} - {LIBRARY.name}
    others = {name for name in names if name in MODULES or not is_pythons_own(name)}
    assert others == set(MODULES)
    assert {MODULES[name] for name in others} <= dependencies()[LIBRARY_PACKAGE]["Requires"]


def test_programs_are_found_in_every_form() -> None:
    text = '''
def one(ctx, image):
    ctx.run(["a", "-x"])
    self._run([*listed(), "z"], ok=(0, 1))
    argv = ["b"] if image else ["c"]
    argv += ["y"]
    run([*argv, image])
    attached(["d", *argv] + image)
    run(size_limited(["f", "-d"], most_bytes=1))
    run(time_limited(["g", "-d"], most_s=1))
    goal.run(allow=True)

def listed():
    return ["e"]
'''
    module = Module("m", Path("m.py"), 0, ast.parse(text))
    assert started_by(module) == {"a", "b", "c", "d", "e", "prlimit", "f", "g"}


@pytest.mark.parametrize("text", ["run(make(1))", "run([name])", "run({}['x'])", "run([x.y])"])
def test_an_unknown_form_of_argument_list_is_an_error(text: str) -> None:
    module = Module("m", Path("m.py"), 0, ast.parse(f"def f():\n    {text}\n"))
    with pytest.raises(NotUnderstood):
        started_by(module)
