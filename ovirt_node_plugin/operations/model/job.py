"""One plugin's part of an installation, as it is planned."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple

from ...plugin.bundle import Bundle
from ...registry.record import Record
from ...settings.engine.upgrade import Upgrade
from ...settings.kit.model import Context


@dataclass(frozen=True)
class Job:
    """One plugin of an installation: its bundle, what is there, what is to be.

    ``old`` is the record of the version that is installed, if one is; ``packages``
    the NEVRAs it brings or shares.
    """

    bundle: Bundle
    action: str
    old: Optional[Record]
    packages: Tuple[str, ...]
    upgrade: Upgrade
    context: Context

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.bundle.descriptor.name
