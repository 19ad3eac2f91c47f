"""Exploration: which points of a space of designs are the best, and what each axis is worth.

A *space* has axes (what may vary), objectives and constraints. A *point* gives each axis a value,
and is evaluated as compiling and pricing that design would, doing again only what an axis changes.
"""
