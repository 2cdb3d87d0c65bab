"""What other tools wrote, read into our nouns: one format a file, recognised by content."""
