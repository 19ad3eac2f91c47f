"""What is said of dies: yields, sweeps, what costs what; as text, tables, charts and a page."""
