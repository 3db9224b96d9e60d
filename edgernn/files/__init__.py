"""Reading and writing files: whole or not at all, and within bounds where anybody may have written them."""
