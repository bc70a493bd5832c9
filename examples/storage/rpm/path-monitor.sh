#!/bin/sh
# Stands for the monitor's program.
exec sleep infinity
