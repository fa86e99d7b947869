"""Files that the program writes: atomic files, records, journals, tables, user settings."""
