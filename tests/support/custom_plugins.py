"""Plugins that a test defines: one unsigned package each, or configuration only."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Sequence

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


def make_configuration(folder: Path, name: str, version: str = "1.0", *,
                       settings: Sequence[str], files: Mapping[str, str]) -> Path:
    """Write a bundle without packages below ``folder`` and return it.

    ``files`` are the texts of those in its folder ``files/``, by name.
    """
    text = support.descriptor_xml(name, version, settings=settings)
    start, end = text.index("  <packages>"), text.index("  <settings>")
    bundle = support.write_bundle(folder / f"{name}-{version}", text[:start] + text[end:])
    for path, content in files.items():
        (bundle / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / "files" / path).write_text(content)
    return bundle
