"""Read the entries of a GRUB 2 configuration, whose commands may be anywhere in it.

A command may come from a variable (``$linux``) and arguments too (``$args``), with the values
that the configuration itself sets.
"""
from __future__ import annotations

import re
from typing import Iterator, List, Optional, Tuple

from ....system.grub_words import Token, parts, quoted, quoted_argument, value
from ....system.limits import BOOT_ARGUMENTS_CHARACTERS
from .grub_script import Command, Script
from .model import (
    ArgumentWord,
    CannotEdit,
    Edit,
    EntryText,
    label_pattern,
    line_number,
    udev_label,
    unquoted,
    with_edits,
    without_quoted_blanks,
)

_LINUX = frozenset(("linux", "linuxefi", "linux16", "kernel"))
_INITRD = frozenset(("initrd", "initrdefi", "initrd16"))
# Commands that run another one, and those that load Linux for a hypervisor
_INDIRECT = frozenset(("eval", "time"))
_MODULE = frozenset(("module", "module2"))
_KERNEL_FILE = re.compile(r"(?:^|/)(?:vmlinu[xz]|bzImage|linux)[^/]*$")
_MENU = frozenset(("menuentry", "submenu", "hiddenentry"))
# Options of menuentry that have a value (grub-core/commands/menuentry.c)
_WITH_VALUE = frozenset(("--class", "--users", "--hotkey", "--source", "--id"))
_VARIABLE = re.compile(r"\$\w+|\$\{\w+\}", re.ASCII)
_LINUX_LINE = re.compile(r"^[ \t]*((?:linux|linuxefi|linux16)[ \t]+[^\s;#])", re.MULTILINE)
_BY_LABEL = re.compile(r"--label(?:=.*)?|-[a-z]*l[a-z]*", re.DOTALL)
# What is in one kind of quotes, or in none
_RUN = re.compile(r"""'[^']*'|\$?"[^\\"]*(?:\\[\s\S][^\\"]*)*"|(?:[^'"\\$]|\\[\s\S]|\$(?!"))+""")
_OTHER_ID = "Write the volume id into the commands instead of variables, or give another --volid."


def write(argument: str) -> str:
    """Return a kernel argument as a word for GRUB. Raises ValueError with the reason."""
    try:
        word = quoted_argument(without_quoted_blanks(argument))
    except ValueError as exc:
        raise ValueError(f"GRUB does not pass {exc} to the kernel as it is") from exc
    text = unquoted(argument)  # GRUB adds the quotes that the kernel needs
    return word if text == argument else quoted(text)


def entries(text: str) -> Iterator[EntryText]:
    """Yield the entries of a configuration, in linear time."""
    script = Script(text)
    titles: List[str] = []
    entry: Optional[EntryText] = None
    positions = set()
    for command in script.commands:
        names, is_known = _names(script, command)
        if names & _LINUX and len(command.words) > 1:
            yield from filter(None, [entry])
            entry = _entry(script, command, titles[-1] if titles else "")
            positions.add(entry.position)
        elif names & _INITRD and entry is not None:
            entry.initrds += [value(word) or word for word in map(script.word, command.words[1:])]
        elif _is_hidden(script, command, names):
            yield _problem(command.words[0].start, f"{script.word(command.words[0])} boots Linux"
                                                   " in a way that is not supported")
        elif not is_known and len(command.words) > 1 and titles:
            yield _problem(command.words[0].start, "a variable is used as a command, and the"
                                                   " configuration does not set it")
        if command.symbol == "{":
            titles.append(_title(script, command) if names & _MENU
                          else titles[-1] if titles else "")
        elif command.symbol == "}" and titles:
            titles.pop()
    yield from filter(None, [entry])
    hidden = next((line.start(1) for line in _LINUX_LINE.finditer(text)
                   if line.start(1) not in positions), None)
    if hidden is not None:
        yield _problem(hidden, "GRUB does not read this line as a command, as a quote before it is"
                               " not closed")


def _is_hidden(script: Script, command: Command, names: "frozenset[str]") -> bool:
    """Return whether a command boots Linux without being one of _LINUX."""
    words = list(map(script.word, command.words[1:]))
    if names & _MODULE:
        return bool(words) and _KERNEL_FILE.search(words[0]) is not None
    return bool(names & _INDIRECT) and any(
        _LINUX.intersection(re.findall(r"\w+", word)) for word in words)


def _problem(position: int, problem: str) -> EntryText:
    return EntryText("", write, position=position, problem=problem)


def _names(script: Script, command: Command) -> Tuple["frozenset[str]", bool]:
    """Return the names that a command may have, and whether these are all."""
    if not command.words or len(script.word(command.words[0])) > BOOT_ARGUMENTS_CHARACTERS:
        return frozenset(), True
    texts, is_all = script.expansions(command.words[0])
    return frozenset(texts), is_all


def _title(script: Script, command: Command) -> str:
    """Return the title of a menu entry: its first word that is no option."""
    words = iter(command.words[1:])
    for token in words:
        word = script.word(token)
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("--"):
            return "".join(f"${part.text}" if part.is_variable else part.text
                           for part in parts(word))
    return ""


def _entry(script: Script, command: Command, title: str) -> EntryText:
    kernel, entry_end = command.words[1], command.words[-1].end
    entry = EntryText(
        title, write, kernel=value(script.word(kernel)) or script.word(kernel),
        position=command.words[0].start, end=entry_end,
        problem="GRUB cannot parse this command" if command.is_broken else "")
    gap, length = kernel.end, 0
    whole = _argument(script, kernel, gap)
    if not whole.is_literal and _VARIABLE.fullmatch(script.word(kernel)):
        # the variable may have arguments behind the kernel's name
        is_known = script.word(kernel) not in whole.arguments
        entry.kernel = whole.arguments[0] if is_known and whole.arguments else entry.kernel
        entry.words.append(whole._replace(arguments=whole.arguments[1:]))
    for token in command.words[2:]:
        entry.words.append(_argument(script, token, gap))
        gap = token.end
        length += sum(map(len, (*entry.words[-1].arguments, *entry.words[-1].possible)))
        if length > BOOT_ARGUMENTS_CHARACTERS:
            break  # which is more than is read
    return entry


def _argument(script: Script, token: Token, gap: int) -> ArgumentWord:
    word = script.word(token)
    if len(word) > BOOT_ARGUMENTS_CHARACTERS:
        return ArgumentWord(gap, token.start, token.end, (word,))
    choices = script.arguments(token)
    if value(word) is not None:
        return ArgumentWord(gap, token.start, token.end, choices[0])
    _, is_all = script.expansions(token)
    first = parts(word)[0]
    names_itself = not first.is_variable and "=" in first.text
    return ArgumentWord(
        gap, token.start, token.end, choices[0] if is_all and len(choices) == 1 else (word,),
        is_literal=False, is_unknown=not (is_all or names_itself),
        possible=tuple(argument for choice in choices for argument in choice
                       if is_all or len(choices) > 1))


def replace_volume_id(text: str, old: str, new: str) -> str:
    """Return a configuration in which the volume id ``new`` replaces ``old``.

    That is in kernel arguments, in what ``search`` looks for, and in variables of these.
    Raises CannotEdit for a line in which that is not possible.
    """
    script, edits = Script(text), []
    searched, booted = _label_variables(script)
    for command in script.commands:
        names, _ = _names(script, command)
        for token in command.words[1:] if len(command.words) > 1 else command.words:
            word = script.word(token)
            name, is_assignment, assigned = word.partition("=")
            changed = word
            if "LABEL=" in word:
                changed = _relabelled(word, old, new)
            elif _is_search(script, command, names) and value(word) == old:
                changed = _requoted(word, new)
            elif is_assignment and name in searched | booted and value(assigned) == old:
                changed = "" if name in booted and udev_label(new) != new else (
                    f"{name}={_requoted(assigned, new)}")
            if not changed:
                raise CannotEdit(line_number(text, token.start),
                                 f"the volume id in {word} cannot be replaced by {new}", _OTHER_ID)
            edits.append(Edit(token.start, token.end, changed))
    return with_edits(text, edits)


def _is_search(script: Script, command: Command, names: "frozenset[str]") -> bool:
    return "search.fs_label" in names or "search" in names and any(
        _BY_LABEL.fullmatch(script.word(token)) for token in command.words[1:])


def _label_variables(script: Script) -> "Tuple[frozenset[str], frozenset[str]]":
    """Return the variables that ``search`` uses, and those that follow ``LABEL=``."""
    searched, booted = set(), set()
    for command in script.commands:
        is_search = _is_search(script, command, _names(script, command)[0])
        for token in command.words:
            before = ""
            for part in parts(script.word(token)):
                if part.is_variable and is_search:
                    searched.add(part.text)
                elif part.is_variable and before.endswith("LABEL="):
                    booted.add(part.text)
                before = part.text
    return frozenset(searched), frozenset(booted)


def _relabelled(word: str, old: str, new: str) -> str:
    """Return a word with another label; empty if it has variables and cannot be changed."""
    pattern, label = label_pattern(old), udev_label(new)
    before = _joined(word)
    after = pattern.sub(lambda match: label, before)
    if after == before:
        return word
    changed = _RUN.sub(lambda run: _relabelled_run(run.group(), old, label), word)
    if _joined(changed) == after:
        return changed
    return quoted(after) if value(word) is not None else ""


def _relabelled_run(run: str, old: str, label: str) -> str:
    """Return a part of a word, all of it quoted or unquoted, with another label."""
    if run.startswith(("'", '"', "$\"")):
        return label_pattern(old).sub(lambda match: label, run)
    unquoted = label_pattern(old).sub(lambda match: label, run.replace("\\\\", "\\"))
    return unquoted.replace("\\", "\\\\")


def _requoted(word: str, text: str) -> str:
    """Return ``text`` as a word, in the quotes of ``word`` if they suffice."""
    if word.startswith("'") and "'" not in text:
        return f"'{text}'"
    if word.startswith('"') and not set(text) & set('$"\\'):
        return f'"{text}"'
    return quoted(text)


def _joined(word: str) -> str:
    return "".join(f"${{{part.text}}}" if part.is_variable else part.text for part in parts(word))
