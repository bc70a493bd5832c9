"""The real dnf with this checkout's plugin, on a temporary root."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from tests.support import schemas

TOP = Path(__file__).resolve().parents[2]
# What Debian's dnf and rpm say of themselves in each run: 12's looks into the home
# folder, 11's has another kind of database as its default, 13's wants a mount namespace.
NOISE = ("Unable to detect release version", "Found sqlite rpmdb.sqlite database while",
          "private mounts in chroot not implemented")


@dataclass(frozen=True)
class Answer:
    """What one run did: exit status and what it printed.

    ``schema`` is that of its answers in JSON, empty where every answer is an error.
    """

    status: int
    out: str
    err: str
    schema: str = ""

    @property
    def text(self) -> str:
        """Standard output and error, one after the other."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document that is valid by its schema."""
        return schemas.validated_answer(json.loads(self.out), self.schema)

    @property
    def lines(self) -> List[Any]:
        """Standard output, each line of which must be a document that is valid by its schema."""
        return [schemas.validated_answer(json.loads(line), self.schema)
                for line in self.out.splitlines()]


@dataclass
class Dnf:
    """Runs dnf; ``folder`` holds its configuration and a library of its own."""

    folder: Path
    options: Dict[str, str] = field(default_factory=dict)
    prefix: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        (self.folder / "pluginconf").mkdir(parents=True, exist_ok=True)
        self.path_rules.mkdir(parents=True, exist_ok=True)
        self.own_library.mkdir(parents=True, exist_ok=True)
        self.shipped_library.mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def own_library(self) -> Path:
        """Where ``add`` puts bundles."""
        return self.folder / "library/own"

    @property
    def shipped_library(self) -> Path:
        """Where vendors' packages would put bundles."""
        return self.folder / "library/shipped"

    @property
    def path_rules(self) -> Path:
        """Where the administrator's rules for paths are."""
        return self.folder / "paths.d"

    def configure(self, **options: str) -> None:
        """Write node-plugin.conf anew, with ``options`` besides the places."""
        self.options = options
        values = {"library": f"{self.own_library} {self.shipped_library}",
                  "core_lists": str(TOP / "etc/ovirt-node-plugin/core.d"),
                  "path_lists": str(self.path_rules), **options}
        text = "[main]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        (self.folder / "pluginconf/node-plugin.conf").write_text(text)

    def argv(self, root: Path, *words: object) -> List[str]:
        """Return the argument list of one run on ``root``."""
        return [*self.prefix, "dnf-3", f"--installroot={root}",
                f"--setopt=pluginpath={TOP / 'dnf-plugins'}",
                f"--setopt=pluginconfpath={self.folder / 'pluginconf'}",
                *map(str, words)]

    def __call__(self, root: Path, *words: object, stdin: str = "") -> Answer:
        """Run dnf on ``root`` with ``words``."""
        return self.run(self.argv(root, *words), stdin=stdin)

    def plugin(self, root: Path, *words: object, stdin: str = "") -> Answer:
        """Run ``dnf node-plugin`` on ``root`` with ``words``."""
        return self(root, "node-plugin", *words, stdin=stdin)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer:
        """Run an argument list in this checkout's environment."""
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True,
                              env=environment(), check=False)
        errors = "".join(line for line in done.stderr.splitlines(keepends=True)
                         if not any(noise in line for noise in NOISE))
        return Answer(done.returncode, done.stdout, errors, schemas.dnf_answer_schema(argv))


def environment() -> Dict[str, str]:
    """Return the environment in which dnf finds this checkout's library."""
    return {**os.environ, "PYTHONPATH": str(TOP), "LC_ALL": "C.UTF-8", "COLUMNS": "100",
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


def at_home(home: Path) -> Tuple[str, ...]:
    """Return the prefix of a dnf whose rpm looks where a Node has its database.

    As EL's does, and Debian's does not: that one begins by making one in ~/.rpmdb, and
    where that cannot be written dnf ends before any plugin is loaded. ``home`` must not exist.
    """
    home.mkdir()
    (home / ".rpmmacros").write_text("%_dbpath /usr/share/rpm\n")
    return ("env", f"HOME={home}")


def add_to_shipped_library(dnf: Dnf, bundle: Path, name: str) -> Path:
    """Put a copy of a folder bundle into the shipped library under ``name``."""
    return Path(shutil.copytree(bundle, dnf.shipped_library / name, symlinks=True))
