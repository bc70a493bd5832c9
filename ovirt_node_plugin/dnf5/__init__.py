"""The policies in runs of DNF 5, kept by a program that its actions plugin starts."""
