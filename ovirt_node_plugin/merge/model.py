"""What a merge works on: the order, the plans, the open image, and the result."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Tuple

from ..images.dnf_program import Dnf
from ..images.draft import filesystem_size
from ..images.image import Image
from ..images.rpm.rpm_build import NewRpm
from ..images.squashfs.compression import Compression
from ..operations.model.answers import PlanAnswer
from ..operations.model.results import KEEP, REMOVE, PlannedSetting
from ..policy.key_trust import NO_TRUST, KeyTrust
from ..registry.record import Record
from ..system.progress import Progress, Silent
from ..system.run import Runner
from .input.named_checksums import NO_CHECKSUMS, CheckedImage, NamedChecksums
from .root import marks
from .root.labels import Labels


@dataclass(frozen=True)
class Order:
    """What to merge, and how.

    ``install`` are names of plugins and paths of bundles, ``remove`` names of plugins.
    ``payload`` is the path of the squashfs on the ISO, needed if there are several.
    ``size_bytes`` is the minimum size of the filesystem image, 0 to keep it; ``volume_id`` is
    empty to keep it. ``keep_bundles`` copies the bundles to the ISO; ``check`` verifies the
    output. ``sources`` are the permanent sources, for the records, of temporary paths in
    ``install``. ``replayed`` are the records of the plugins of another image, by name: it is no
    error to remove one that is not in this image. ``accounts_from`` is a root with their records,
    for the numbers of their users and groups, and the values of their parameters. ``parameters``
    are options --set for other values. ``skip_scriptlets`` does not run scriptlets of
    packages that leave; ``allow_replace`` are names of packages, or globs, that a plugin may
    replace in a host. ``checksums`` are those that the image has to match. ``site_tag`` and
    ``sign_key`` are those of the new RPM. ``trust_level`` raises the level of trust of the site.
    """

    image: Path
    install: Tuple[str, ...]
    remove: Tuple[str, ...] = ()
    payload: str = ""
    recompress: Optional[Compression] = None
    size_bytes: int = 0
    volume_id: str = ""
    keep_bundles: bool = False
    check: bool = True
    trust: KeyTrust = NO_TRUST
    trust_level: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    replayed: Mapping[str, Record] = field(default_factory=dict)
    accounts_from: Optional[Path] = None
    parameters: Tuple[str, ...] = ()
    skip_scriptlets: bool = False
    allow_replace: Tuple[str, ...] = ()
    checksums: NamedChecksums = NO_CHECKSUMS
    site_tag: str = ""
    sign_key: str = ""

    def options(self, subcommand: str) -> Tuple[str, ...]:
        """Return the options of ``dnf node-plugin``, the same for the plan and the change.

        Those of install keep the numbers of users and groups, and values of parameters.
        """
        own: List[str] = []
        if subcommand == "install":
            own += [f"--accounts-from={self.accounts_from}"] if self.accounts_from else []
            own += [f"--allow-replace={name}" for name in self.allow_replace]
            own += self.parameters
            own += [f"--trust={self.trust_level}"] if self.trust_level else []
        return (*own, *(["--skip-scriptlets"] if self.skip_scriptlets else ()))


@dataclass(frozen=True)
class Rehearsal:
    """What the merge would do: the plans of ``dnf node-plugin``, in the order of the steps."""

    plans: Tuple[PlanAnswer, ...]

    @property
    def needed_bytes(self) -> int:
        """The space that the packages need in the root's filesystem."""
        return sum(plan.space.needed_bytes for plan in self.plans if plan.space is not None)

    @property
    def needed_files(self) -> int:
        """The number of files in the packages that are installed."""
        return sum(package.files for plan in self.plans for package in plan.packages
                   if package.action != "remove")

    def sources(self) -> Dict[str, str]:
        """Return the source of each plugin that is installed, by its name."""
        return {plugin.name: plugin.source for plan in self.plans for plugin in plan.plugins
                if plugin.action not in (KEEP, REMOVE)}

    def settings(self) -> Iterator[PlannedSetting]:
        """Yield the settings that are applied or undone."""
        for settings in self.settings_by_plan():
            yield from settings

    def settings_by_plan(self) -> Tuple[Tuple[PlannedSetting, ...], ...]:
        """Return the settings that are applied or undone by each plan."""
        return tuple(tuple(setting for plugin in plan.plugins for setting in plugin.settings)
                     for plan in self.plans)

    @property
    def changes(self) -> bool:
        """Whether the merge would change anything."""
        return any(plan.changes for plan in self.plans)


@dataclass(frozen=True)
class MergeResult:
    """The result of a merge.

    ``mark`` was written to the image; ``packages`` are the NEVRAs of each plugin in it, by name
    and version; ``answers`` are those of ``dnf node-plugin`` on the changed plugins; ``notes``
    are for people. ``labels`` are those that were set, None if the image has no SELinux policy;
    ``checked`` says whether the output was compared with what was expected.
    """

    mark: marks.Mark
    packages: Mapping[str, Tuple[str, ...]]
    answers: Tuple[PlanAnswer, ...]
    notes: Tuple[str, ...]
    labels: Optional[Labels] = None
    checked: bool = True

    def without(self, notes: Collection[str]) -> MergeResult:
        """Return the result without ``notes``, which the plan had."""
        return dataclasses.replace(self, notes=tuple(
            note for note in self.notes if note not in notes))


@dataclass(frozen=True)
class Merge:
    """A merge in progress: the order, the checked and open image, and the work folder.

    ``package`` is how an RPM is written.
    """

    order: Order
    image: Image
    checked: CheckedImage
    work: Path
    dnf: Dnf
    run: Runner
    progress: Progress = field(default_factory=Silent)
    package: Optional[NewRpm] = None

    def folder(self, name: str) -> Path:
        """Return the folder ``name`` in the work folder, and create it if it is missing."""
        path = self.work / name
        path.mkdir(exist_ok=True)
        return path


def wanted_size(merge: Merge, rehearsal: Rehearsal) -> int:
    """Return the new size of the filesystem image in bytes, 0 to keep the present size."""
    return filesystem_size(merge.image, needed_bytes=rehearsal.needed_bytes,
                           needed_files=rehearsal.needed_files, size_bytes=merge.order.size_bytes)

