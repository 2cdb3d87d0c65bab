"""What a study found, for people: a terminal table, one HTML page, one Markdown page. Reads files, writes none of the facts."""
