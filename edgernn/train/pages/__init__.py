"""Pages of what was trained: one file of HTML each, with drawings and tables, that needs nothing from elsewhere."""
