"""Recordings filtered from file to file: named, planned, transferred, reported."""
