"""Read a root's SELinux policy store: local values, modules, names in the policy.

The store is /var/lib/selinux/TYPE/active, from which libsemanage builds the policy in
/etc/selinux/TYPE (semanage.conf(5), semodule(8)); TYPE is SELINUXTYPE in
/etc/selinux/config.
"""
from __future__ import annotations

import bz2
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Tuple

from ...system.limits import EDITED_BYTES
from ...system.paths import read_inside, resolve_inside

STORES, _CONFIG = "var/lib/selinux", "etc/selinux/config"
BOOLEAN, PORT, CONTEXT, MODULE = "boolean", "port", "file-context", "module"
PRIORITY = "300"
"""Above a distribution's modules (100) and packages' (200), below an administrator's (400)."""
LOCAL = {BOOLEAN: "booleans.local", PORT: "ports.local", CONTEXT: "file_contexts.local"}
FILE_TYPES = {"regular": "--", "directory": "-d", "character-device": "-c",
              "block-device": "-b", "socket": "-s", "symlink": "-l", "pipe": "-p"}
_TYPE = re.compile(r"^[ \t]*SELINUXTYPE[ \t]*=[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
_DISABLED = re.compile(r"^[ \t]*SELINUX[ \t]*=[ \t]*disabled", re.MULTILINE | re.IGNORECASE)
_PORT = re.compile(r"portcon\s+(\w+)\s+(\d+)(?:\s*-\s*(\d+))?\s+\(?([^\s()]+)")
_CONTEXT = re.compile(r"(\S+)\s+(?:(-[-dcbslp])\s+)?(\S+)")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.$-]*")

Key = Tuple[str, str]


@dataclass(frozen=True)
class PolicyRule:
    """One rule of a plugin for the policy.

    ``kind`` is BOOLEAN, PORT, CONTEXT or MODULE. ``key`` and ``value`` are, in this order:
    a boolean's name, and ``on`` or ``off``; ``tcp/80`` or ``tcp/80-90``, and a type;
    ``REGEX`` or ``REGEX#FILE-TYPE``, and a type; a module's name, and its file.
    """

    kind: str
    key: str
    value: str

    @property
    def code(self) -> str:
        """The rule as one word; none of its parts has a blank."""
        return f"{self.kind}:{self.key}={self.value}"

    @property
    def about(self) -> Key:
        """The rule without its value."""
        return self.kind, self.key


def decode(codes: str) -> Tuple[PolicyRule, ...]:
    """Return the rules in ``codes``, which are separated by blanks."""
    rules = []
    for code in codes.split():
        kind, _, rest = code.partition(":")
        key, _, value = rest.rpartition("=")
        rules.append(PolicyRule(kind, key, value))
    return tuple(rules)


@dataclass(frozen=True)
class Store:
    """The store of one root; ``policy`` is the TYPE, such as ``targeted``, empty if unknown."""

    root: Path
    policy: str

    @property
    def active(self) -> str:
        """The store's folder, relative to the root."""
        return f"{STORES}/{self.policy}/active"

    @property
    def built(self) -> str:
        """The folder of the policy that is built from the store, relative to the root."""
        return f"etc/selinux/{self.policy}"

    def local(self, kind: str) -> Mapping[str, str]:
        """Return the local values by key, also those of the administrator."""
        return parse(kind, self._text(f"{self.active}/{LOCAL[kind]}"))

    def contexts(self) -> Mapping[str, str]:
        """Return the types of all file contexts by key, those of the policy and local ones."""
        types: Dict[str, str] = {}
        for name in ("file_contexts", "file_contexts.homedirs", LOCAL[CONTEXT]):
            types.update(parse(CONTEXT, self._text(f"{self.active}/{name}")))
        return types

    def equivalent(self, path: str) -> Optional[Tuple[str, str]]:
        """Return the folder above ``path`` that has an equivalent in the policy, and that one."""
        for name in ("file_contexts.subs", "file_contexts.subs_dist"):
            for line in self._text(f"{self.built}/contexts/files/{name}").splitlines():
                words = line.split()
                if len(words) == 2 and words[0][0] == "/" and path.startswith(words[0] + "/"):
                    return words[0], words[1]
        return None

    def priorities(self, module: str) -> Tuple[str, ...]:
        """Return the priorities of the modules of that name, sorted."""
        modules = resolve_inside(self.root, f"{self.active}/modules")
        return tuple(sorted(folder.name for folder in modules.glob("[0-9]*")
                            if (folder / module).is_dir())) if modules.is_dir() else ()

    def module(self, name: str) -> Optional[bytes]:
        """Return the file of a plugin's module, decompressed, None if it is not in the store."""
        for file in ("hll", "cil"):
            data = self._bytes(f"{self.active}/modules/{PRIORITY}/{name}/{file}")
            if data is not None:
                return unpacked(data)
        return None

    def is_off(self, module: str) -> bool:
        """Return whether an administrator disabled a module."""
        return resolve_inside(self.root, f"{self.active}/modules/disabled/{module}").is_file()

    def compiled(self) -> Optional[CompiledPolicy]:
        """Return the compiled policy of the newest format, None if there is none."""
        folder = resolve_inside(self.root, f"{self.built}/policy")
        names = [path.name for path in folder.glob("policy.[0-9]*")
                 if path.suffix[1:].isdigit()] if folder.is_dir() else []
        if not names:
            return None
        name = max(names, key=lambda name: int(name.rpartition(".")[2]))
        data = self._bytes(f"{self.built}/policy/{name}")
        return None if data is None else CompiledPolicy(data)

    def _text(self, path: str) -> str:
        return (self._bytes(path) or b"").decode(errors="replace")

    def _bytes(self, path: str) -> Optional[bytes]:
        try:
            return read_inside(self.root, path, max_bytes=EDITED_BYTES)
        except OSError:
            return None


@dataclass(frozen=True)
class CompiledPolicy:
    """A compiled policy, in which names of booleans and types are looked up.

    In libsepol's write.c, 32-bit little-endian numbers come before a name: length, value,
    properties and bounds of a type; value, state and length of a boolean.
    """

    data: bytes

    def boolean(self, name: str) -> str:
        """Return ``on`` or ``off``, empty for an unknown boolean."""
        for place in self._places(name):
            value, state, length = struct.unpack("<III", self.data[place - 12:place])
            if length == len(name) and value and state in (0, 1):
                return "on" if state else "off"
        return ""

    def type(self, name: str) -> str:
        """Return the name of the type ``name``, which may be an alias, empty if unknown."""
        for place in self._places(name):
            length, value, kind = struct.unpack("<III", self.data[place - 16:place - 4])
            if length == len(name) and kind == 1:
                return name
            if length == len(name) and kind == 0:
                return self._with_value(value)
        return ""

    def _places(self, name: str) -> Iterator[int]:
        place = self.data.find(name.encode(), 16)
        while place >= 0:
            yield place
            place = self.data.find(name.encode(), place + 1)

    def _with_value(self, value: int) -> str:
        mark = struct.pack("<II", value, 1)
        place = self.data.find(mark, 4)
        while place >= 0:
            length, = struct.unpack("<I", self.data[place - 4:place])
            name = self.data[place + 12:place + 12 + length] if length < 256 else b""
            if name and _NAME.fullmatch(name):
                return name.decode()
            place = self.data.find(mark, place + 1)
        return ""


def find(root: Path) -> Store:
    """Return the store that the root's configuration names; it may not exist.

    Without a configuration, its ``policy`` is empty.
    """
    match = _TYPE.search(_config(root))
    return Store(root, match.group(1) if match else "")


def is_disabled(root: Path) -> bool:
    """Return whether SELinux is disabled in the root's configuration."""
    return _DISABLED.search(_config(root)) is not None


def parse(kind: str, text: str) -> Mapping[str, str]:
    """Return the values by key in a file of local values."""
    values: Dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#") or not line:
            continue
        if kind == BOOLEAN:
            name, _, value = line.partition("=")
            values[name.strip()] = "on" if value.strip() in ("1", "true", "on") else "off"
        elif kind == PORT:
            port = _PORT.match(line)
            if port:
                key = port_key(port.group(1), port.group(2), port.group(3) or "")
                values[key] = _type_of(port.group(4))
        else:
            context = _CONTEXT.fullmatch(line)
            if context:
                key = _local_key(context.group(1), context.group(2))
                values[key] = _type_of(context.group(3))
    return values


def port_key(protocol: str, low: str, high: str) -> str:
    """Return the key of ports; an empty ``high`` is equal to ``low``."""
    return f"{protocol}/{low}" + (f"-{high}" if high not in ("", low) else "")


def port_of(key: str) -> Tuple[str, int, int]:
    """Return the protocol, first and last port of a key."""
    protocol, _, ports = key.partition("/")
    low, _, high = ports.partition("-")
    return protocol, int(low), int(high or low)


def overlap(key: str, other_key: str) -> bool:
    """Return whether two keys have a port in common."""
    protocol, low, high = port_of(key)
    other_protocol, other_low, other_high = port_of(other_key)
    return protocol == other_protocol and low <= other_high and other_low <= high


def context_key(regex: str, file_type: str) -> str:
    """Return the key of a file context; an empty file type is any."""
    return f"{regex}#{file_type}" if file_type else regex


def context_of(key: str) -> Tuple[str, str]:
    """Return the regular expression and the file type (empty: any) in a key."""
    regex, _, file_type = key.partition("#")
    return regex, file_type


def unpacked(data: bytes) -> bytes:
    """Return a module's bytes, decompressed if they are compressed by bzip2."""
    if not data.startswith(b"BZh"):
        return data
    try:
        return bz2.BZ2Decompressor().decompress(data, EDITED_BYTES)
    except (EOFError, OSError, ValueError):
        return data


def _config(root: Path) -> str:
    try:
        return read_inside(root, _CONFIG).decode(errors="replace")
    except OSError:
        return ""


def _local_key(regex: str, mark: Optional[str]) -> str:
    name = next((name for name, letter in FILE_TYPES.items() if letter == mark), "")
    return context_key(regex, name)


def _type_of(context: str) -> str:
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else context
