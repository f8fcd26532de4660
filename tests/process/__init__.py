"""A process and what it takes: memory, descriptors, the turns and seconds of its loop."""
