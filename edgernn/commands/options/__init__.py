"""Options that several verbs share; each is defined once."""
