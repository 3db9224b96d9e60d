"""Reading and writing files: writes are atomic, and files from unknown sources are parsed within bounds."""
