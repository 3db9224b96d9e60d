"""Self-contained HTML pages about trainings, with figures and tables."""
