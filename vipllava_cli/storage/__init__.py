"""Files: records, journals, tables, settings, atomic writes."""
