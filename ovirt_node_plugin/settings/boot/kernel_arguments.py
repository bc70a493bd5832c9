"""The kernel arguments of each plugin.

This kind changes no file: the kind ``command-line`` writes the arguments of all plugins. A
merge into an image also reads them from the records, as an unpacked root may have no boot
configuration.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import KernelArgument, Setting
from ...system.differences import MISSING, UNEXPECTED
from ...target import is_image_mode
from ...undo.changes import Applied, Watch
from ..kit.model import Context, SettingProblem, Wanted
from . import command_line, image_arguments
from .argument_text import ADD, DROP, SET, Argument, decode, plain_name, problems


@dataclass(frozen=True)
class KernelArguments:
    """The kind ``kernel-argument``.

    Value is ``NAME=VALUE`` or ``NAME`` for an argument that replaces others of its name,
    ``+NAME=VALUE`` for one beside others, ``-NAME`` or ``-NAME=VALUE`` for a removed one.
    Key is NAME, with ``=VALUE`` where there may be others of the name, and ``_`` for ``-``,
    which are equal for the kernel.
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
                       text=f"{verb} kernel argument {argument.word}", item=item,
                       notes=_notes(argument, ctx.root)),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse to remove an argument that files of an image in image mode add.

        The rules of descriptors refuse the arguments by which an image is found.
        """
        argument = decode(wanted.value)
        for path, tokens in _of_the_image(argument, ctx.root).items():
            if argument.how == DROP:
                raise Refused(
                    f"plugin {ctx.plugin} wants to {wanted.text}, but /{path} of the image adds"
                    f" {tokens[0]}, and no other file can remove it",
                    hint="Remove it from that file in the Containerfile, before the plugins.")

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        new, old = decode(wanted.value), decode(other.value)
        if plain_name(new.name) != plain_name(old.name) or new.how == old.how == DROP:
            return False
        if DROP in (new.how, old.how):
            drop, keep = (new, old) if new.how == DROP else (old, new)
            return drop.matches(keep.token)
        return SET in (new.how, old.how) and new.code != old.code

    def state(self, wanted: Wanted, ctx: Context) -> str:
        known = command_line.configurations(ctx.root)
        return "present" if known and not self._missing(wanted.value, ctx) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return ()

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        """Change nothing: the kind ``command-line`` does."""

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        argument = decode(applied.value)
        verb, how = ("is still", UNEXPECTED) if argument.how == DROP else ("is not", MISSING)
        return [SettingProblem(f"kernel argument {argument.word} {verb} as wanted in /{path}",
                               f"/{path}", (how,)) for path in self._missing(applied.value, ctx)]

    def _missing(self, code: str, ctx: Context) -> List[str]:
        """Return the boot configurations that do not have the argument as wanted."""
        syntax = command_line.syntax_of(ctx.root)
        return [path for path, text in command_line.configurations(ctx.root).items()
                if problems(text, decode(code), entry=command_line.is_entry(path),
                            syntax=syntax)]


KIND = KernelArguments()


def _of_the_image(argument: Argument, root: Path) -> Dict[str, List[str]]:
    """Return the arguments that an image in image mode has in place of ``argument``, by file."""
    return image_arguments.of_the_image(
        argument, root, command_line.syntax_of(root)) if is_image_mode(root) else {}


def _notes(argument: Argument, root: Path) -> Tuple[str, ...]:
    """Return notes on what files of kernel arguments cannot do in image mode."""
    if not is_image_mode(root):
        return ()
    if argument.how == DROP:
        return (f"kernel argument {argument.word} is not removed from a host that has it from"
                " elsewhere than its image",)
    if argument.how != SET:
        return ()
    return tuple(f"/{path} of the image also adds {token}, which stays beside {argument.word}"
                 for path, tokens in _of_the_image(argument, root).items()
                 for token in tokens if token != argument.token)
