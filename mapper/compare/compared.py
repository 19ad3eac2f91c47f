"""One build of a comparison, with what is known of it before it is put beside the others."""

from dataclasses import dataclass

from mapper.build.model import Build
from mapper.cost import DENSITY, Activity
from mapper.ir.core import Array
from mapper.ir.firing import MAPPING, NETWORK, Firing
from mapper.layout import Taken
from mapper.verify.activity import Recorded
from mapper.verify.record import Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One build of a comparison, and what is known of it."""

    build: Build
    activity: Activity | float = DENSITY
    steps: int = 1
    """Time steps of an inference, where activity is a share."""
    right: Array | None = None
    """Of each sample of this comparison's recordings ``[B]`` whether its answer is right."""
    firing: Firing | None = None
    """How often layers fired, where spikes were counted or the rings ran; None elsewhere."""
    source_firing: Firing | None = None
    """The same of the trained network, where that was looked at."""
    taken: Taken | None = None
    """What the recordings of this comparison were taken for; None where there are none."""
    name: str = ""
    """Of a build that was compiled before, or where its target stands twice; else its target's."""
    verified: Verified | None = None
    ran: Recorded | None = None
    """The run that ``activity`` was counted in; None where there was none."""

    @property
    def title(self) -> str:
        return self.name or self.build.target.name

    @property
    def incomparable(self) -> str:
        """Why its costs stand beside no others; empty where they do."""
        return self.build.dead if self.firing is None else self.firing.reason

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be known of this build before a number of it is used."""
        pairs = ((NETWORK, self.source_firing), (MAPPING, self.firing))
        seen = [text for what, one in pairs if one is not None for text in one.warnings(what)]
        told = self.build.told if self.firing is None else seen
        otherwise = (*self.build.read_otherwise, *self.build.uncalibrated)
        return (*self.build.of_passes, *told, *otherwise)
