"""Families of problems, and readers for the user's own."""
