"""Run ``dnf node-plugin`` without privileges."""
from __future__ import annotations

from pathlib import Path

from .dnf_runner import Answer, Dnf, environment


def as_nobody(dnf: Dnf, root: Path, *words: str) -> Answer:
    """Run ``dnf node-plugin`` as nobody; rpm's database path is configured as on EL."""
    home = root.parent / "home"
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").write_text("%_dbpath /usr/share/rpm\n")
    for folder in (root, *root.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env",
            f"PATH={environment()['PATH']}", f"HOME={home}", *dnf.argv(root), "node-plugin",
            *words]
    return dnf.run(argv)
