#!/bin/sh
# Stands for the agent's program.
exec sleep infinity
