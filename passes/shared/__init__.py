"""Sizes of grids and small edits of graphs that several passes share."""
