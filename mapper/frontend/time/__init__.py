"""Models of many time steps: each becomes one step network, its start and its readout.

``read_sequence`` lays a model out in time (``flatten``), finds what one step hands to the next
(``cut``, ``match``), and writes one step with its state as inputs and outputs (``reroll``),
which the rest of the frontend reads like any other.
"""
