"""What ``lower-readout`` works with: activity, references, scales, and where constant errors go."""
