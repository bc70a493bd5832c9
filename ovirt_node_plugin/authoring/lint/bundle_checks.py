"""What is wrong with a bundle as such: its descriptor, its ``.repo`` files, its other files."""
from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from ...errors import BadBundle, Reasons
from ...plugin.bundle import Bundle, examine, unpacked
from ...plugin.bundle_files import is_bundle_file
from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor, When
from ...plugin.settings import Setting
from ...system.run import Runner
from .findings import LintFinding, found, of_errors, relative

_FORM = "descriptor/form"
_REPO = "repo/"


@dataclass(frozen=True)
class Examined:
    """The bundle in the folder ``directory``, and the findings about it.

    ``bundle`` is None if its descriptor is not valid, ``directory`` if a tar was not unpacked.
    For a repository, ``directory`` is a temporary folder with its descriptor.
    """

    directory: Optional[Path]
    bundle: Optional[Bundle]
    findings: Tuple[LintFinding, ...]
    is_repository: bool = False


@contextlib.contextmanager
def opened(path: Path, *, run: Runner) -> Iterator[Examined]:
    """Yield the bundle at ``path``, with every defect for which ``dnf node-plugin`` refuses it.

    A repository whose metadata have a descriptor is one, too.

    Raises UsageError if the path does not exist.
    """
    if not (path / DESCRIPTOR_NAME).exists() and (path / "repodata/repomd.xml").is_file():
        with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
            yield _of_repository(path.absolute(), Path(work), run)
        return
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(unpacked(path, run=run))
        except BadBundle as exc:
            yield Examined(None, None, tuple(of_errors([exc], path.absolute())))
            return
        yield _examined(directory, source=str(path))


def _of_repository(repository: Path, work: Path, run: Runner) -> Examined:
    from .repositories import write_bundle  # it imports dnf

    try:
        write_bundle(repository, work, run=run)
    except BadBundle as exc:
        return Examined(None, None, tuple(of_errors([exc], repository)), True)
    result = _examined(work, source=str(repository))
    bundle = replace(result.bundle, repository=repository) if result.bundle is not None else None
    # the .repo files of a repository are where they are installed
    return Examined(work, bundle, tuple(finding for finding in result.findings
                                        if finding.code != "repo-file/ids"), True)


def relative_to_repository(findings: Iterable[LintFinding]) -> List[LintFinding]:
    """Return the findings about a repository with paths relative to it, not to a bundle."""
    return [replace(finding, file=finding.file[len(_REPO):])
            if finding.file.startswith(_REPO) else finding for finding in findings]


def _examined(directory: Path, *, source: str) -> Examined:
    reasons = Reasons()
    bundle = examine(directory, source=source, reasons=reasons)
    findings: List[LintFinding] = list(of_errors(reasons.errors, directory))
    if bundle is None:
        findings.append(found("lint/incomplete", "the packages and settings were not checked, as"
                              f" {DESCRIPTOR_NAME} is not valid or was not read"))
    else:
        findings += _advice(bundle.descriptor)
    return Examined(directory, bundle, tuple(
        relative(finding, directory, source=source) for finding in findings))


def is_well_formed(result: Examined) -> bool:
    """Return whether the descriptor is XML, whatever it contains."""
    if result.bundle is not None:
        return True
    codes = {finding.code for finding in result.findings}
    return bool(codes & {"descriptor/schema", "descriptor/rule", "descriptor/tool"}) and (
        _FORM not in codes)


def settings_of(descriptor: Descriptor) -> Iterator[Setting]:
    """Yield all settings in document order, those with a condition too."""
    for item in descriptor.settings:
        yield from item.settings if isinstance(item, When) else (item,)


def _advice(descriptor: Descriptor) -> Iterator[LintFinding]:
    """Yield what an install does not refuse."""
    if not descriptor.license:
        yield found("descriptor/license", "expected <license> in <node-plugin>, found none",
                    file=DESCRIPTOR_NAME, line=1, column=1)
    if not descriptor.url:
        yield found("descriptor/address", "expected <url> in <node-plugin>, found none",
                    file=DESCRIPTOR_NAME, line=1, column=1)
    yield from _unused(descriptor.files, {
        source for setting in settings_of(descriptor)
        for source in [getattr(setting, "source", "")] if source and is_bundle_file(source)})


def _unused(files: Mapping[str, bytes], sources: Set[str]) -> Iterator[LintFinding]:
    for name in sorted(set(files) - sources):
        yield found("files/unused", f"no setting has {name} as its source", file=name)
