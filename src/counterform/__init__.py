"""counterform."""
