"""Arguments of the kernel's command line, as each plugin wants them.

This kind changes no file: what all plugins want together is written by the kind
``command-line``. The record of it is also what a merge into an image goes by, where an
unpacked root has no boot configuration of its own.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence

from ...plugin.settings import KernelArgument, Setting
from ...undo.changes import Applied, Watch
from ..kit.model import Context, Wanted
from . import command_line
from .argument_text import ADD, DROP, SET, Argument, decode, plain_name, problems


@dataclass(frozen=True)
class KernelArguments:
    """The kind ``kernel-argument``.

    Value ``NAME=VALUE`` or ``NAME`` for one that is there alone of its name, ``+NAME=VALUE``
    for one beside others, ``-NAME`` or ``-NAME=VALUE`` for one that is not there. Key
    NAME, with ``=VALUE`` where others of the name may be there; ``_`` for ``-``, which to
    the kernel are the same.
    """

    name: str = "kernel-argument"
    shared: bool = True
    follows_content: bool = False

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, KernelArgument):
            return ()
        how = DROP if not item.present else ADD if item.repeat else SET
        argument = Argument(item.name, item.value, how)
        key = plain_name(item.name) + (f"={item.value}" if how != SET and item.value else "")
        verb = "remove" if how == DROP else "add" if how == ADD else "set"
        return (Wanted(kind=self.name, key=key, value=argument.code,
                       text=f"{verb} kernel argument {argument.token}", item=item),)

    def check(self, wanted: Wanted, ctx: Context, *, mine: bool) -> None:
        """Nothing can be wrong: the descriptor's rules keep the image's own arguments out."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        one, two = decode(wanted.value), decode(other.value)
        if plain_name(one.name) != plain_name(two.name) or one.how == two.how == DROP:
            return False
        if DROP in (one.how, two.how):
            drop, keep = (one, two) if one.how == DROP else (two, one)
            return drop.matches(keep.token)
        return SET in (one.how, two.how) and one.code != two.code

    def state(self, wanted: Wanted, ctx: Context) -> str:
        known = command_line.configurations(ctx.root)
        return "present" if known and not self._missing(wanted.value, ctx) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return ()

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Nothing to do here: see the kind ``command-line``."""

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        argument = decode(applied.value)
        told = "is still" if argument.how == DROP else "is not"
        return [f"kernel argument {argument.token} {told} as wanted in /{path}"
                for path in self._missing(applied.value, ctx)]

    def _missing(self, code: str, ctx: Context) -> List[str]:
        """Return the boot configurations that are not as the argument wants them."""
        return [path for path, text in command_line.configurations(ctx.root).items()
                if problems(text, decode(code), entry=command_line.is_entry(path))]


KIND = KernelArguments()
