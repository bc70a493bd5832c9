"""The plugins of an installation, and the settings that they share with others."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Collection, FrozenSet, Mapping, Optional, Sequence, Tuple

from ...plugin.bundle import Bundle
from ...registry.origin import Origin
from ...registry.record import Record
from ...registry.trust_level import InstalledTrust
from ...settings.engine.kinds import is_derived, is_shared
from ...settings.engine.upgrade import Upgrade
from ...settings.kit.model import Context
from .books import Books, holders
from .parameter_values import NO_VALUES, ParameterValues

Key = Tuple[str, str]
"""Kind and key of a setting."""
Holders = Mapping[Key, Tuple[str, ...]]
"""The names of the plugins that have a setting of a shared kind."""


@dataclass(frozen=True)
class Job:
    """One plugin of an installation: its bundle, its installed version, the changes.

    ``action`` is as in ``results.PluginAction``; ``old`` is the record of the installed
    version, if there is one; ``packages`` are the NEVRAs that it brings or shares;
    ``origin`` is None if packages that tell it are not fetched.
    """

    bundle: Bundle
    action: str
    old: Optional[Record]
    packages: Tuple[str, ...]
    upgrade: Upgrade
    context: Context
    origin: Optional[Origin] = None
    parameters: ParameterValues = NO_VALUES
    trust: InstalledTrust = InstalledTrust()

    @property
    def old_origin(self) -> Optional[Origin]:
        """The origin of the installed version, if that of the new one differs, else None."""
        if self.old is None or self.origin is None:
            return None
        if self.old.accepts_origin(self.origin, self.bundle.source):
            return None
        return self.old.origin

    @property
    def recorded_origin(self) -> Optional[Origin]:
        """The origin for the record. Keys stay, as not all packages change in an upgrade."""
        if self.old is None or self.origin is None or self.old_origin is not None:
            return self.origin
        return replace(self.origin, keys=self.old.origin.keys or self.origin.keys)

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.bundle.descriptor.name

    @property
    def keys(self) -> FrozenSet[Key]:
        """The settings of the new version."""
        return frozenset((item.kind, item.key) for item in self.upgrade.order)

    @property
    def keys_gone(self) -> FrozenSet[Key]:
        """The settings that are undone, also those that the new version has with another value."""
        return frozenset((applied.kind, applied.key) for applied in self.upgrade.gone)


def holders_after(job: Job, jobs: Sequence[Job], books: Books) -> Holders:
    """Return who has shared settings after the run, apart from the plugin of ``job``."""
    others = {other.name: other.keys for other in jobs if other is not job}
    return _holders(others, books, without=[job.name])


def staying_of_job(job: Job, jobs: Sequence[Job], books: Books) -> Holders:
    """Return who keeps settings as they are that ``job`` may drop.

    A setting that gets another value, from this plugin or another one of ``jobs``, does
    not stay.
    """
    kept = {other.name: other.keys - other.keys_gone for other in jobs if other is not job}
    return {key: names for key, names in _holders(kept, books, without=[job.name]).items()
            if key not in job.keys}


def staying_without(gone: Collection[str], books: Books) -> Holders:
    """Return who has shared settings when the plugins ``gone`` are removed."""
    return _holders({}, books, without=gone)


def _holders(keys: Mapping[str, Collection[Key]], books: Books, *,
             without: Collection[str]) -> Holders:
    """Return who has shared settings: plugins of the run with ``keys``, others as in ``books``."""
    installed = {name: [(applied.kind, applied.key) for applied in state.settings]
                 for name, state in books.ledger.states.items() if name not in without}
    plugins = holders(dict(sorted({**installed, **keys}.items())))
    return {key: names for key, names in plugins.items()
            if is_shared(key[0]) and not is_derived(key[0])}
