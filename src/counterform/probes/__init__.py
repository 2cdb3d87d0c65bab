"""Probes: one question a file, the same items for every arm."""
