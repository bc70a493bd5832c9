"""Repositories of a root: ``.repo`` files, enabled ids, installed packages, a web server."""
from __future__ import annotations

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator, List, Tuple

from ovirt_node_plugin.system.rpm_database import find_rpmdb
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import Answer


def installed(root: Path) -> Tuple[str, ...]:
    """Return the NEVRA of every package in the rpm database of ``root``, sorted."""
    listing = run(["rpm", "--root", root, "--dbpath", f"/{find_rpmdb(root)}", "-qa",
                   "--queryformat", "%{NEVRA}\n"])
    return tuple(sorted(line for line in listing.splitlines() if "gpg-pubkey" not in line))


def remove_package(root: Path, name: str) -> None:
    """Remove a package from the rpm database and the files of ``root``, whatever needs it."""
    run(["rpm", "--root", root, "--dbpath", f"/{find_rpmdb(root)}", "-e", "--nodeps", name])


def define_repo(root: Path, repo_id: str, url: str, *, enabled: bool = True,
                extra: str = "") -> Path:
    """Write a ``.repo`` file for one repository without signatures into ``root``."""
    folder = root / "etc/yum.repos.d"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{repo_id}.repo"
    path.write_text(support.repo_file(repo_id, url, enabled=enabled, gpgcheck=False) + extra)
    return path


def enabled_repos(answer: Answer) -> List[str]:
    """Return the repo ids that ``dnf repolist`` printed, without ``os``."""
    assert answer.status == 0, answer.text
    repo_ids = [line.split()[0] for line in answer.out.splitlines()[1:]]
    return [repo_id for repo_id in repo_ids if repo_id != "os"]


class Web:
    """A web server of a folder; ``requests`` lists the paths that were requested."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.requests: List[str] = []


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[Web]:
    """Yield a web server that serves ``folder`` until the block ends."""
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
