"""Every bundle that a test here has refused is also given to ``ovirt-node-plugin lint``."""
from __future__ import annotations

import pytest

from tests.support.linting import LintedReaders


@pytest.fixture(autouse=True)
def _linted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch,
            tmp_path_factory: pytest.TempPathFactory) -> None:
    """Replace the readers that the test's module imports; a new refusal needs nothing else."""
    if request.module.__name__.endswith("_limits"):
        return  # these tests count the calls of the readers
    readers = LintedReaders(tmp_path_factory.getbasetemp() / f"linted-{id(request.node)}")
    for name, reader in readers.by_name().items():
        if hasattr(request.module, name):
            monkeypatch.setattr(request.module, name, reader)
