"""A recognised network written as a graph."""
