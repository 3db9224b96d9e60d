"""Pages: one file of HTML each, with drawings and tables, that needs nothing from elsewhere."""
