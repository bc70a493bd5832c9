"""A program that uses dnf as a library, as Ansible does."""
from __future__ import annotations

from pathlib import Path
from typing import Optional

from tests.support.dnf_runner import Answer, Dnf

LIBRARY_PROGRAM = """
import sys
import dnf
root, pluginpath, pluginconf, installs = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
base = dnf.Base()
base.conf.installroot = root
base.conf.cachedir = root + "/var/cache/dnf"
base.conf.persistdir = root + "/var/lib/dnf"
base.conf.reposdir = [root + "/etc/yum.repos.d"]
base.conf.pluginpath = [pluginpath]
base.conf.pluginconfpath = [pluginconf]
base.conf.substitutions["releasever"] = "9"
base.conf.assumeyes = True
base.init_plugins()
base.pre_configure_plugins()
base.read_all_repos()
for name in [word[1:] for word in installs if word.startswith("+")]:
    base.repos.get_matching(name).enable()
base.configure_plugins()
base.fill_sack(load_system_repo="auto")
print("on:", *sorted(repo.id for repo in base.repos.iter_enabled()))
names = [word for word in installs if not word.startswith("+")]
print("offered:", *sorted(str(p) for p in base.sack.query().available().filter(name=names)))
if names:
    for name in names:
        base.install(name)
    base.resolve()
    base.download_packages(base.transaction.install_set)
    base.do_transaction()
base.close()
"""


def run_library_program(dnf: Dnf, root: Path, *words: str, text: Optional[str] = None) -> Answer:
    """Run a program that uses dnf as a library.

    It installs the packages of ``words``; ``+ID`` enables a repo. ``text`` replaces the program.
    """
    program = dnf.folder / "program.py"
    program.write_text(text or LIBRARY_PROGRAM)
    plugin_path = next(word for word in dnf.argv(root) if "pluginpath=" in word).split("=")[2]
    return dnf.run(["/usr/bin/python3", str(program), str(root), plugin_path,
                    str(dnf.folder / "pluginconf"), *words])
