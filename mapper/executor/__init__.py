"""Engines that run a hardware graph, each to the same integers as its definition."""
