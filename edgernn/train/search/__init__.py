"""The search for settings: what may vary, how it is drawn, what counts, where it is kept, who does which trial."""
