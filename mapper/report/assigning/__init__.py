"""What a search of readouts found, for people: words and tables, charts, a page, files."""
