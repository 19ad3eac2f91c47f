"""Which readout for which layer: what each costs in accuracy, and the cheapest that keeps it.

``trials`` is the work of a study: a record for each assignment that is tried. ``search`` decides
which are tried, ``result`` says what was found. ``docs/how-to/assign.md`` has an example.
"""

from mapper.assigning.result import Assigned, Step
from mapper.assigning.run import Wanted, assign_network
from mapper.assigning.tried import GOALS, Tried

__all__ = ["GOALS", "Assigned", "Step", "Tried", "Wanted", "assign_network"]
