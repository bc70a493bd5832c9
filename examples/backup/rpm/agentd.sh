#!/bin/sh
# Stands for the client's program.
exec sleep infinity
