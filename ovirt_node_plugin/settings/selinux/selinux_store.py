"""What a root's SELinux policy store holds: local values, modules, names of the policy.

The store is /var/lib/selinux/TYPE/active, of which libsemanage makes the policy in
/etc/selinux/TYPE (semanage.conf(5), semodule(8)); TYPE is SELINUXTYPE in
/etc/selinux/config. It is only read here.
"""
from __future__ import annotations

import bz2
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Tuple

from ...system.paths import read_inside, resolve_inside

STORES, _CONFIG = "var/lib/selinux", "etc/selinux/config"
BOOLEAN, PORT, CONTEXT, MODULE = "boolean", "port", "file-context", "module"
PRIORITY = "300"
"""Above a distribution's modules (100) and packages' (200), below an administrator's (400)."""
LOCAL = {BOOLEAN: "booleans.local", PORT: "ports.local", CONTEXT: "file_contexts.local"}
FILE_TYPES = {"regular": "--", "directory": "-d", "character-device": "-c",
              "block-device": "-b", "socket": "-s", "symlink": "-l", "pipe": "-p"}
_MAX_BYTES = 128 << 20
_TYPE = re.compile(r"^[ \t]*SELINUXTYPE[ \t]*=[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
_DISABLED = re.compile(r"^[ \t]*SELINUX[ \t]*=[ \t]*disabled", re.MULTILINE | re.IGNORECASE)
_PORT = re.compile(r"portcon\s+(\w+)\s+(\d+)(?:\s*-\s*(\d+))?\s+\(?([^\s()]+)")
_CONTEXT = re.compile(r"(\S+)\s+(?:(-[-dcbslp])\s+)?(\S+)")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.$-]*")

Key = Tuple[str, str]


@dataclass(frozen=True)
class PolicyRule:
    """One thing that a plugin wants of the policy.

    ``what`` is BOOLEAN, PORT, CONTEXT or MODULE. ``key`` is a boolean's name,
    ``tcp/80`` or ``tcp/80-90``, ``REGEX`` or ``REGEX#FILE-TYPE``, a module's name;
    ``value`` is ``on`` or ``off``, a type, a type, the module's file.
    """

    what: str
    key: str
    value: str

    @property
    def code(self) -> str:
        """The whole in one word, for which none of them has a blank in it."""
        return f"{self.what}:{self.key}={self.value}"

    @property
    def about(self) -> Key:
        """What it is about, whatever it says of it."""
        return self.what, self.key


def decode(codes: str) -> Tuple[PolicyRule, ...]:
    """Return the rules of which ``codes`` holds the codes, blanks between them."""
    found = []
    for code in codes.split():
        what, _, rest = code.partition(":")
        key, _, value = rest.rpartition("=")
        found.append(PolicyRule(what, key, value))
    return tuple(found)


@dataclass(frozen=True)
class Store:
    """The store of one root; ``policy`` is the TYPE, such as ``targeted``."""

    root: Path
    policy: str

    @property
    def active(self) -> str:
        """The store's folder, relative to the root."""
        return f"{STORES}/{self.policy}/active"

    @property
    def made(self) -> str:
        """The folder of what is made of it, relative to the root."""
        return f"etc/selinux/{self.policy}"

    def local(self, what: str) -> Mapping[str, str]:
        """Return the local values, such as administrators set too, by key."""
        return parse(what, self._text(f"{self.active}/{LOCAL[what]}"))

    def contexts(self) -> Mapping[str, str]:
        """Return the types of all file contexts, the policy's own and local ones, by key."""
        found: Dict[str, str] = {}
        for name in ("file_contexts", "file_contexts.homedirs", LOCAL[CONTEXT]):
            found.update(parse(CONTEXT, self._text(f"{self.active}/{name}")))
        return found

    def equivalent(self, path: str) -> Optional[Tuple[str, str]]:
        """Return what ``path`` is below, and what the policy knows that folder as."""
        for name in ("file_contexts.subs", "file_contexts.subs_dist"):
            for line in self._text(f"{self.made}/contexts/files/{name}").splitlines():
                words = line.split()
                if len(words) == 2 and words[0][0] == "/" and path.startswith(words[0] + "/"):
                    return words[0], words[1]
        return None

    def priorities(self, module: str) -> Tuple[str, ...]:
        """Return at which priorities there is a module of that name, sorted."""
        modules = resolve_inside(self.root, f"{self.active}/modules")
        return tuple(sorted(folder.name for folder in modules.glob("[0-9]*")
                            if (folder / module).is_dir())) if modules.is_dir() else ()

    def module(self, name: str) -> Optional[bytes]:
        """Return a plugin's module as it was put in, unpacked; None if it is not there."""
        for file in ("hll", "cil"):
            data = self._bytes(f"{self.active}/modules/{PRIORITY}/{name}/{file}")
            if data is not None:
                return unpacked(data)
        return None

    def is_off(self, module: str) -> bool:
        """Say if an administrator switched a module off."""
        return resolve_inside(self.root, f"{self.active}/modules/disabled/{module}").is_file()

    def compiled(self) -> Optional[CompiledPolicy]:
        """Return the compiled policy, of the newest format; None if there is none."""
        folder = resolve_inside(self.root, f"{self.made}/policy")
        names = [path.name for path in folder.glob("policy.[0-9]*")
                 if path.suffix[1:].isdigit()] if folder.is_dir() else []
        if not names:
            return None
        name = max(names, key=lambda one: int(one.rpartition(".")[2]))
        data = self._bytes(f"{self.made}/policy/{name}")
        return None if data is None else CompiledPolicy(data)

    def _text(self, path: str) -> str:
        return (self._bytes(path) or b"").decode(errors="replace")

    def _bytes(self, path: str) -> Optional[bytes]:
        try:
            return read_inside(self.root, path, max_bytes=_MAX_BYTES)
        except OSError:
            return None


@dataclass(frozen=True)
class CompiledPolicy:
    """A compiled policy, in which names are found as libsepol writes them.

    From its write.c: of a type its length, value, properties and bounds, of a boolean
    its value, state and length, each in 32 bits, little-endian, before the name.
    """

    data: bytes

    def boolean(self, name: str) -> str:
        """Return ``on``, ``off``, or nothing for an unknown one."""
        for place in self._places(name):
            value, state, length = struct.unpack("<III", self.data[place - 12:place])
            if length == len(name) and value and state in (0, 1):
                return "on" if state else "off"
        return ""

    def type(self, name: str) -> str:
        """Return a type's own name, of which ``name`` may be an alias; nothing if unknown."""
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
    """Return the store that the root's configuration names; it may not be there.

    Of a root without a configuration, the one with an empty name.
    """
    found = _TYPE.search(_config(root))
    return Store(root, found.group(1) if found else "")


def is_disabled(root: Path) -> bool:
    """Say if the root's configuration switches SELinux off."""
    return _DISABLED.search(_config(root)) is not None


def parse(what: str, text: str) -> Mapping[str, str]:
    """Return what a file of local values says, as keys and values of rules."""
    found: Dict[str, str] = {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#") or not line:
            continue
        if what == BOOLEAN:
            name, _, value = line.partition("=")
            found[name.strip()] = "on" if value.strip() in ("1", "true", "on") else "off"
        elif what == PORT:
            port = _PORT.match(line)
            if port:
                found[port_key(port.group(1), port.group(2), port.group(3) or "")] = _type_of(
                    port.group(4))
        else:
            context = _CONTEXT.fullmatch(line)
            if context:
                found[_local_key(context.group(1), context.group(2))] = _type_of(
                    context.group(3))
    return found


def port_key(protocol: str, low: str, high: str) -> str:
    """Return a port's key; one port, if ``high`` is empty or as ``low``."""
    return f"{protocol}/{low}" + (f"-{high}" if high not in ("", low) else "")


def port_of(key: str) -> Tuple[str, int, int]:
    """Return protocol, first and last port of a key."""
    protocol, _, ports = key.partition("/")
    low, _, high = ports.partition("-")
    return protocol, int(low), int(high or low)


def overlap(one: str, other: str) -> bool:
    """Say if the ports of two keys have one in common."""
    protocol, low, high = port_of(one)
    its_protocol, its_low, its_high = port_of(other)
    return protocol == its_protocol and low <= its_high and its_low <= high


def context_key(regex: str, file_type: str) -> str:
    """Return a file context's key; an empty file type is any."""
    return f"{regex}#{file_type}" if file_type else regex


def context_of(key: str) -> Tuple[str, str]:
    """Return a file context's regular expression, and file type (empty: any) of its key."""
    regex, _, file_type = key.partition("#")
    return regex, file_type


def unpacked(data: bytes) -> bytes:
    """Return a module's bytes without the bzip2 around them, if there is one."""
    try:
        return bz2.decompress(data) if data.startswith(b"BZh") else data
    except (OSError, ValueError):
        return data


def _config(root: Path) -> str:
    try:
        return read_inside(root, _CONFIG).decode(errors="replace")
    except OSError:
        return ""


def _local_key(regex: str, mark: Optional[str]) -> str:
    name = next((name for name, one in FILE_TYPES.items() if one == mark), "")
    return context_key(regex, name)


def _type_of(context: str) -> str:
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else context
