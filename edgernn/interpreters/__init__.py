"""The interpreters of a trace that need only numpy: they compute it, or count its cost."""
