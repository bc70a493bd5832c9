"""What ``ovirt-node-plugin lint`` says of what the readers of bundles refuse."""
from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

from ovirt_node_plugin.authoring.lint import bundle_checks
from ovirt_node_plugin.authoring.lint.codes import Severity
from ovirt_node_plugin.authoring.lint.findings import of_errors
from ovirt_node_plugin.errors import BadBundle
from ovirt_node_plugin.plugin import archive, bundle, descriptor, repo_file
from ovirt_node_plugin.system.limits import TEXT_BYTES
from ovirt_node_plugin.system.run import run

from .sample_bundle import DESCRIPTOR


def errors_of(path: Path) -> Sequence[str]:
    """Return the reasons of all errors that the bundle at ``path`` has as such."""
    with bundle_checks.opened(path, run=run) as examined:
        return [finding.reason for finding in examined.findings
                if finding.severity == Severity.ERROR]


def assert_reported(error: BadBundle, path: Path) -> None:
    """Check that lint of ``path`` reports every defect that ``error`` is about, as an error."""
    reported = errors_of(path)
    assert reported
    for finding in of_errors([error], path):
        # the one may have the path of the bundle or its name in front
        reason = finding.reason.rpartition(f"{path}/")[2].partition(": ")[2] or finding.reason
        assert any(reason in text or text in finding.reason for text in reported), (
            reason, reported)


class LintedReaders:
    """The readers of bundles, which also lint whatever they refuse; ``folder`` is for copies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def by_name(self) -> Mapping[str, Callable[..., object]]:
        """Return the readers by the names of those that they replace."""
        return {"read_bundle": self.read_bundle, "opened": self.opened,
                "parse_descriptor": self.parse_descriptor, "repo_ids": self.repo_ids,
                "unpack": self.unpack}

    def read_bundle(self, directory: Path, *, source: str) -> bundle.Bundle:
        try:
            return bundle.read_bundle(directory, source=source)
        except BadBundle as exc:
            assert_reported(exc, directory.absolute())
            raise

    @contextlib.contextmanager
    def opened(self, path: Path) -> Iterator[bundle.Bundle]:
        with contextlib.ExitStack() as stack:
            try:
                found = stack.enter_context(bundle.opened(path))
            except BadBundle as exc:
                assert_reported(exc, path)
                raise
            yield found

    def parse_descriptor(self, data: bytes, *, origin: str) -> descriptor.Descriptor:
        try:
            return descriptor.parse_descriptor(data, origin=origin)
        except BadBundle as exc:
            folder = self._new()
            (folder / descriptor.DESCRIPTOR_NAME).write_bytes(data)
            if len(data) <= TEXT_BYTES:  # else the file is refused before it is parsed
                assert_reported(exc, folder)
            assert errors_of(folder)
            raise

    def repo_ids(self, files: Sequence[Path]) -> Sequence[str]:
        try:
            return repo_file.repo_ids(files)
        except BadBundle as exc:
            folder = self._new()
            (folder / descriptor.DESCRIPTOR_NAME).write_text(DESCRIPTOR, encoding="utf-8")
            for file in files:
                if file.is_file():
                    shutil.copy(file, folder)
            assert_reported(exc, folder)
            raise

    def unpack(self, path: Path, into: Path, **options: object) -> Path:
        try:
            return archive.unpack(path, into, **options)  # type: ignore[arg-type]
        except BadBundle:
            assert errors_of(path)
            raise

    def _new(self) -> Path:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        return folder
