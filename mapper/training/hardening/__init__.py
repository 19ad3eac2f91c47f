"""From a float network to what the chip computes: stages, training runs, export."""
