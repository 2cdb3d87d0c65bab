"""The sections of the report: one file a section."""
