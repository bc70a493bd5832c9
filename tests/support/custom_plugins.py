"""Plugins of one package each, made up by a test; their packages are not signed."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

from tests import support

UNSIGNED = "--nogpgcheck"


def make_plugin(folder: Path, name: str, version: str = "1.0", *, settings: Sequence[str] = (),
                **rpm: Any) -> Path:
    """Return a bundle, below ``folder``, of one package; ``rpm`` is as for ``RpmRepo.add``."""
    repo = support.RpmRepo(folder / f"{name}-{version}.repo", name)
    repo.add(name, version, **rpm)
    return support.write_bundle(
        folder / f"{name}-{version}",
        support.descriptor_xml(name, version, repos=[name], settings=settings), repo=repo)
