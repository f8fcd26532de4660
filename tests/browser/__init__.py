"""A real Chromium: with a panel and no Lab, and what the sockets of a page said."""
