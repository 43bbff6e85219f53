"""Faults: the command line is killed, starved, lied to and raced against, and what is left behind is looked at.

``python -m tests.faults`` runs every row and prints how many of its trials went well; see the README beside this.
"""
