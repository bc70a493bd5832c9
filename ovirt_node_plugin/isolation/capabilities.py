"""The capabilities that sealed code keeps; numbers of <linux/capability.h>.

DAC_READ_SEARCH must not be one of them: with it, a file handle opens any file of the
filesystem that the root is on. SYS_ADMIN must not be one either: with it, every mount can be
changed.
"""
from __future__ import annotations

CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID = 0, 1, 3, 4, 5, 6, 7
SYS_CHROOT, MKNOD, SETFCAP = 18, 27, 31

KEPT = frozenset((CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SYS_CHROOT, MKNOD,
                  SETFCAP))
