"""Exploration: which points of a space of designs are the best, and what each axis is worth."""
