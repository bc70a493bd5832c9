"""Labels of files where SELinux runs, after what the policy says of them changed.

An image's files are labelled when the image is made, or when it first boots.
"""
from __future__ import annotations

import re
from pathlib import Path
from typing import List, Sequence

from ..paths import resolve_inside
from . import selinux_store
from .model import Context

_PLAIN = re.compile(r"(?:[A-Za-z0-9/_@%,~=:-]|\\[.+^$*?()|{}\[\]\\-])*")


def wrong(keys: Sequence[str], ctx: Context) -> bool:
    """Say if a file of these contexts is labelled otherwise than the policy says."""
    places = _places(keys, ctx.root)
    return bool(places) and bool(ctx.run(["restorecon", "-n", "-v", "-R", "--", *places]).strip())


def restore(keys: Sequence[str], ctx: Context) -> None:
    """Label all files of these contexts as the policy says."""
    places = _places(keys, ctx.root)
    if places:
        ctx.run(["restorecon", "-R", "--", *places])


def _places(keys: Sequence[str], root: Path) -> List[Path]:
    """Return what is there of regular expressions, as far as they begin with plain names."""
    found: List[Path] = []
    for key in keys:
        regex = selinux_store.context_of(key)[0]
        match = _PLAIN.match(regex)
        end = match.end() if match else 0
        folder, _, name = re.sub(r"\\(.)", r"\1", regex[:end]).rpartition("/")
        where = resolve_inside(root, folder)
        whole = end == len(regex) or regex[end] == "("
        if where.is_dir():
            found += [where / one.name for one in sorted(where.iterdir())
                      if (one.name == name if whole else one.name.startswith(name))]
    return list(dict.fromkeys(found))
