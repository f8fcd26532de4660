"""A file an exercise: what is asked, a right solution, and what goes wrong usually."""
