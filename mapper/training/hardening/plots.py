"""The curves of a training run, for people who look."""

from pathlib import Path
from typing import Any

from mapper.writing import whole_file


def draw_curves(rows: list[dict[str, Any]], path: Path) -> bool:
    """Draw loss by epoch and the metric at the end of each stage as SVG.

    A line through a metric that is an accuracy is its 95 % interval.

    Returns:
        False, and nothing is drawn, where matplotlib is not installed; ``metrics.jsonl`` has the
        numbers.
    """
    try:
        from matplotlib.figure import Figure  # no global state, no display
    except ImportError:
        return False
    figure = Figure(figsize=(7, 4), layout="constrained")
    losses = figure.add_subplot()
    epochs = range(1, len(rows) + 1)
    losses.plot(epochs, [row["loss"] for row in rows], color="tab:blue")
    losses.set_xlabel("epoch")
    losses.set_ylabel("training loss", color="tab:blue")
    ends = [(epoch, row) for epoch, row in zip(epochs, rows, strict=True) if "metric" in row]
    metrics = losses.twinx()
    metrics.plot([e for e, _ in ends], [row["metric"] for _, row in ends], "o-", color="tab:red")
    metrics.set_ylabel("metric on held-out samples", color="tab:red")
    for epoch, row in ends:
        losses.axvline(epoch + 0.5, color="0.8", linewidth=0.8)
        if "metric_interval" in row:
            metrics.plot([epoch, epoch], row["metric_interval"], color="tab:red", linewidth=0.8)
        metrics.annotate(row["stage"], (epoch, row["metric"]), fontsize=8, ha="right")
    with whole_file(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})
    return True
