#!/usr/bin/python3
"""A hook of VDSM: let a VM start only if the array has a path."""
import os
import sys

STATE = "/run/example-storage/no-path"

if os.path.exists(STATE):
    sys.stderr.write(f"example-storage: no path to the array, see {STATE}\n")
    sys.exit(2)  # VDSM does not start the VM
