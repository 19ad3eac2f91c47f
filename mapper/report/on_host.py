"""What a host computes of a network's outputs, for whoever shows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OnHost:
    """What a host computes of the outputs, which no cost has."""

    file: str
    """In the build folder."""
    operators: tuple[str, ...]
    """Standard operators of ONNX."""
    outputs: tuple[str, ...]
    """Of the model."""
    whole: bool
    """Of the whole sequence, not of each time step."""

    @property
    def value(self) -> str:
        """Name the operators."""
        return ", ".join(self.operators) or "outputs as they are"

    @property
    def told(self) -> str:
        """Say of what they are, and that they have no cost here."""
        of = "the whole sequence" if self.whole else "each time step"
        return f"of {of}, for {', '.join(self.outputs)} ({self.file}); in none of these costs"

    @property
    def line(self) -> str:
        """Say what it is in a line."""
        of = "the whole sequence" if self.whole else "each time step"
        return f"on the host: {self.value} of {of}, for {', '.join(self.outputs)}; no cost has it"

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "file": self.file,
            "of": "sequence" if self.whole else "step",
            "operators": list(self.operators),
            "outputs": list(self.outputs),
        }
