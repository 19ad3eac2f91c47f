"""A build: one compiled network, how it is made, and the folder that it is written to."""
