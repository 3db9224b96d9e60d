"""Pages: self-contained HTML of checks and histories, with their drawings and templates."""
