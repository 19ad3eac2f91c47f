"""Spikeloom: compile spiking neural networks to in-memory hardware read by sense amplifiers.

The Python interface is ``mapper.api``. This file imports nothing of ours, so that a pass can import
``mapper.ir`` without pulling in the code that runs passes.
"""

__version__ = "0.1.0"
