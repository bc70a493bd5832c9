"""Plugins that a test defines: one unsigned package each."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

from tests import support

UNSIGNED = "--nogpgcheck"


def make_plugin(folder: Path, name: str, version: str = "1.0", *, settings: Sequence[str] = (),
                **rpm: Any) -> Path:
    """Write a bundle with one package below ``folder`` and return it.

    ``rpm`` are the keywords of ``RpmRepo.add``.
    """
    repo = support.RpmRepo(folder / f"{name}-{version}.repo", name)
    repo.add(name, version, **rpm)
    return support.write_bundle(
        folder / f"{name}-{version}",
        support.descriptor_xml(name, version, repos=[name], settings=settings), repo=repo)
