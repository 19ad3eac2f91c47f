"""Dies of a compiled network: which chip is drawn, of what, and what its wordlines carry."""
