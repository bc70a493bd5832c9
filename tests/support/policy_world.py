"""What the tests of policies share: what is installed, .repo files, a counting web server."""
from __future__ import annotations

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.target import find_rpmdb
from tests import support
from tests.support.driver import Answer, Dnf


def installed(root: Path) -> Tuple[str, ...]:
    """Return the NEVRA of every package in the rpm database of ``root``, sorted."""
    listing = run(["rpm", "--root", root, "--dbpath", f"/{find_rpmdb(root)}", "-qa",
                   "--queryformat", "%{NEVRA}\n"])
    return tuple(sorted(line for line in listing.splitlines() if "gpg-pubkey" not in line))


def define_repo(root: Path, repo_id: str, url: str, *, enabled: bool = True,
                extra: str = "") -> Path:
    """Write a ``.repo`` file for one repository without signatures into ``root``."""
    folder = root / "etc/yum.repos.d"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{repo_id}.repo"
    path.write_text(support.repo_file(repo_id, url, enabled=enabled, gpgcheck=False) + extra)
    return path


def repos_on(answer: Answer) -> List[str]:
    """Return the ids that ``dnf repolist`` printed, but for ``os``, which may always be on."""
    assert answer.status == 0, answer.text
    found = [line.split()[0] for line in answer.out.splitlines()[1:]]
    return [repo_id for repo_id in found if repo_id != "os"]


class Web:
    """A web server on a folder; ``requests`` are the paths it was asked for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.requests: List[str] = []


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[Web]:
    """Yield a web server on ``folder``, which ends with the block."""
    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            web.requests.append(self.path)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0),
                                 functools.partial(Handler, directory=str(folder)))
    web = Web(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


PROGRAM = """
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


def run_program(dnf: Dnf, root: Path, *words: str, text: Optional[str] = None) -> Answer:
    """Run a program that uses dnf as a library and installs ``words``, ``+ID`` enables a repo.

    ``text`` is another program than the usual one.
    """
    program = dnf.folder / "program.py"
    program.write_text(text or PROGRAM)
    plugin_path = next(word for word in dnf.argv(root) if "pluginpath=" in word).split("=")[2]
    return dnf.run(["/usr/bin/python3", str(program), str(root), plugin_path,
                    str(dnf.folder / "pluginconf"), *words])
