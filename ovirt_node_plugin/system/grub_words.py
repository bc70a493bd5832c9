"""Words of a GRUB 2 script: how GRUB reads them, and how a text is written as one.

GRUB's own rules are in grub-core/script/yylex.l (words), execute.c (what they expand to) and
lib/cmdline.c (what ``linux`` passes to the kernel). ``\\xHH``, with which udev writes a blank
in a label, reaches the kernel as it is in Red Hat's GRUB only; others double its backslash.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, NamedTuple, Optional, Tuple

_SPECIAL = "{}|&$;<> \t\n\r'\"\\"  # that end a word, or mean something in it
_NAME = r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@]"
_HEX = r"x[0-9a-fA-F]{2}"
# GRUB drops lines that begin with # before it reads words (read_config_file_getline)
_CONTINUATION = re.compile(r"\\\r?\n(?:#.*\n)*")
_PIECE = re.compile(
    rf"[^{re.escape(_SPECIAL)}]+"
    rf"|{_CONTINUATION.pattern}|\\[^\n]"
    r"|'[^']*'"
    r'|\$?"[^\\"]*(?:\\[\s\S][^\\"]*)*"'
    rf"|\$(?:{_NAME})|\$\{{(?:{_NAME})\}}")
_VARIABLE = re.compile(rf"\$(?:({_NAME})|\{{({_NAME})\}})")
_UNQUOTED_ESCAPE = re.compile(rf"{_CONTINUATION.pattern}|\\(?:({_HEX})|([^\n]))")
_DOUBLE_QUOTED_ESCAPE = re.compile(r'\\(?:([$\\"])|\r?(\n))')
_IGNORED = re.compile(rf"(?:[ \t\r]|{_CONTINUATION.pattern})+|#.*")
_SYMBOL = re.compile(r"\|\||&&|;;|[\n;{}<>|&]")
_PLAIN = re.compile(rf"(?!\#)[^{re.escape(_SPECIAL)}*?]+")  # * and ? may be globs for GRUB
_ESCAPED = re.compile(rf"\\(?={_HEX})")
_UNPASSABLE = re.compile(rf"[^!-~\x80-\xff]|['\"]|\\(?!{_HEX})")
_RESERVED = frozenset(("[[", "]]", "case", "do", "done", "elif", "else", "esac", "fi", "for",
                       "function", "if", "in", "select", "then", "until", "while"))


class Token(NamedTuple):
    """A word or a symbol of a script, from ``start`` to ``end``.

    A symbol is a newline or one of ``; ;; { } < > | || & &&``; anything else that is no word
    is an error for GRUB. ``closed`` is false for a word in which a quote is not closed.
    """

    start: int
    end: int
    is_word: bool
    closed: bool = True


@dataclass(frozen=True)
class Part:
    """A part of a word: a text, or the name of a variable.

    A variable that is not ``quoted`` is split into words at its blanks.
    """

    text: str
    is_variable: bool = False
    quoted: bool = False


def tokens(script: str) -> Iterator[Token]:
    """Yield the words and symbols of ``script``, without comments, in linear time."""
    position = 0
    while position < len(script):
        ignored = _IGNORED.match(script, position)
        if ignored:
            position = ignored.end()
            continue
        symbol = _SYMBOL.match(script, position)
        end, closed = (symbol.end(), True) if symbol else _word_end(script, position)
        if end > position:
            yield Token(position, end, is_word=symbol is None, closed=closed)
        else:  # a $ that begins no variable
            end += 1
            yield Token(position, end, is_word=False)
        position = end


def _word_end(script: str, start: int) -> Tuple[int, bool]:
    """Return where the word at ``start`` ends, and whether its quotes are closed."""
    position = end = start
    while True:
        piece = _PIECE.match(script, position)
        if piece is None:
            break
        position = piece.end()
        if not _CONTINUATION.fullmatch(piece.group()):
            end = position
    if script.startswith(("'", '"', "\\"), position):
        return len(script), False
    return end, True


def parts(word: str) -> Tuple[Part, ...]:
    """Return the parts of a word, a Token's text, without its quotes."""
    return tuple(part for piece in _PIECE.finditer(word) for part in _parts(piece.group()))


def _parts(piece: str) -> Iterator[Part]:
    if piece.startswith("'"):
        yield Part(piece[1:-1].replace("\r", ""), quoted=True)
    elif piece.startswith(('"', '$"')):
        yield from _double_quoted(piece[piece.index('"') + 1:-1])
    elif piece.startswith("$"):
        yield Part(piece.strip("${}"), is_variable=True)
    else:
        yield Part(_UNQUOTED_ESCAPE.sub(
            lambda match: f"\\{match.group(1)}" if match.group(1) else match.group(2) or "",
            piece))


def _double_quoted(content: str) -> Iterator[Part]:
    position = 0
    for match in re.finditer(rf"\\[\s\S]|{_VARIABLE.pattern}", content):
        if match.group().startswith("$"):
            yield Part(_unescaped(content[position:match.start()]), quoted=True)
            yield Part(match.group(1) or match.group(2), is_variable=True, quoted=True)
            position = match.end()
    yield Part(_unescaped(content[position:]), quoted=True)


def _unescaped(text: str) -> str:
    return _DOUBLE_QUOTED_ESCAPE.sub(lambda match: match.group(1) or "", text).replace("\r", "")


def value(word: str) -> Optional[str]:
    """Return the text that a word stands for, None if it has a variable."""
    pieces = parts(word)
    if any(part.is_variable for part in pieces):
        return None
    return "".join(part.text for part in pieces)


def quoted(text: str) -> str:
    """Return ``text`` as a word of a script, with quotes only if it needs them."""
    if _PLAIN.fullmatch(_ESCAPED.sub("", text)) and text not in _RESERVED:
        return _ESCAPED.sub(r"\\\\", text)
    if "'" not in text:
        return f"'{text}'"
    escaped = re.sub(r'[$\\"]', r"\\\g<0>", text)
    return f'"{escaped}"'


def quoted_argument(argument: str) -> str:
    """Return a kernel argument as a word of a script.

    Raises ValueError, with the character, for one that the kernel would not get as it is:
    GRUB writes a backslash before a quote and a backslash, and quotes around a blank.
    """
    unpassable = _UNPASSABLE.search(argument)
    if unpassable:
        raise ValueError(unpassable.group())
    return quoted(argument)


def kernel_text(text: str) -> str:
    """Return the argument that the kernel gets for a word that stands for ``text``.

    With a blank, GRUB passes ``"NAME=VALUE"``; returned is ``NAME="VALUE"``, which is equal.
    """
    escaped = re.sub(rf"['\"]|\\(?!{_HEX})", r"\\\g<0>", text)
    if " " not in escaped:
        return escaped
    name, equals, content = escaped.partition("=")
    return f'{name}="{content}"' if equals and " " not in name else f'"{escaped}"'
