"""Charts as data, and what they are drawn from."""
