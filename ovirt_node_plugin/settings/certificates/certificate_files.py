"""What all kinds of certificate files have in common: one file, put as it is into one folder."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

from ...errors import Refused
from ...system.entries import read_entry
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted, changed_since
from ..kit.placing import check_own, check_place, place_file, read_source

_MODE = 0o644


@dataclass(frozen=True)
class CertificateFiles:
    """A kind of setting: key is the name in ``folder``, relative to the root, value the source.

    ``problem`` returns why a content is refused, empty if it is not; ``hint`` says what the
    vendor has to do then.
    """

    name: str
    folder: str
    problem: Callable[[bytes], str]
    hint: str
    shared: bool = False
    follows_content: bool = True

    def check_alone(self, wanted: Wanted, ctx: Context) -> None:
        """Refuse a source that no package has or that has other things, if that is known."""
        check_own(wanted, wanted.value, f"{self.folder}/{wanted.key}", ctx)
        data = ctx.planned(wanted.value)
        if data is not None:
            self._refuse_others(wanted, data, ctx)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an existing file."""
        check_place(wanted, f"{self.folder}/{wanted.key}", ctx, installed=installed)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key

    def state(self, wanted: Wanted, ctx: Context) -> str:
        entry = read_entry(ctx.root, f"{self.folder}/{wanted.key}", content=False)
        return "absent" if entry is None else "present"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(self.folder, wanted.key),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        data = read_source(wanted, wanted.value, ctx)
        self._refuse_others(wanted, data, ctx)
        place_file(ctx.root, self.folder, wanted.key, data, mode=_MODE)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        return changed_since(applied, ctx)

    def _refuse_others(self, wanted: Wanted, data: bytes, ctx: Context) -> None:
        problem = self.problem(data)
        if problem:
            raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {problem}",
                          hint=self.hint)
