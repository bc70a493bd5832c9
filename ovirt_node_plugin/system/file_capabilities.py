"""The capabilities of a file, from its extended attribute, as text."""
from __future__ import annotations

import struct
from typing import Dict, List

CAPABILITY = "security.capability"
# In the order of their numbers in <linux/capability.h>.
_NAMES = """
chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read
perfmon bpf checkpoint_restore
""".split()
_EFFECTIVE = 1


def text_of(value: bytes) -> str:
    """Return the capabilities in the attribute ``value`` in the form of cap_to_text(3).

    The result is empty for an empty value, and hexadecimal for one of an unknown form: struct
    vfs_cap_data of <linux/capability.h>, whose revisions 2 and 3 have two words of 32 bits.
    """
    if len(value) not in (20, 24):
        return value.hex()
    magic, permitted, inheritable, high_permitted, high_inheritable = struct.unpack_from(
        "<5I", value)
    both = (permitted | high_permitted << 32, inheritable | high_inheritable << 32)
    groups: Dict[str, List[str]] = {}
    for number in range(64):
        permitted_too, inheritable_too = (bool(word >> number & 1) for word in both)
        flags = (("e" if magic & _EFFECTIVE and (permitted_too or inheritable_too) else "")
                 + ("i" if inheritable_too else "") + ("p" if permitted_too else ""))
        name = f"cap_{_NAMES[number]}" if number < len(_NAMES) else str(number)
        groups.setdefault(flags, []).append(name)
    groups.pop("", None)
    return " ".join(f"{','.join(names)}={flags}" for flags, names in groups.items())
