"""Ten minutes in Python: from a torch model to ADC-less and ADC designs side by side.

Run it as a script (``python examples/notebook/ten_minutes.py``), or cell by cell: editors take each
``# %%`` as a cell, and ``jupytext --to notebook`` makes a notebook of it. It needs the extra
``train``.
"""

# %% A spiking network in torch, and recordings of three gestures before an event camera
import argparse
from pathlib import Path

import torch
from torch import nn

import mapper as spikeloom
from mapper.training import LIF, export_onnx, harden, over_time
from mapper.training.data import gestures

arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
arguments.add_argument("-o", "--output", type=Path, default=Path("build/notebook"))
arguments.add_argument("--epochs", type=int, default=16)
arguments.add_argument("--recordings", type=int, default=96)
given = arguments.parse_args()
given.output.mkdir(parents=True, exist_ok=True)

CLASSES = ("hand-clap", "right-hand-wave", "left-hand-wave")
frames, labels = gestures.make(given.recordings, size=32, steps=10, seed=1, classes=CLASSES)
test_frames, test_labels = gestures.make(30, size=32, steps=10, seed=2, classes=CLASSES)
x, y = torch.from_numpy(frames).float(), torch.from_numpy(labels)

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(2, 12, 5, stride=2, padding=2),
    LIF(leak=0.75, threshold=1.0),
    nn.MaxPool2d(2),
    nn.Conv2d(12, 16, 3, stride=2, padding=1),
    LIF(leak=0.75, threshold=1.0),
    nn.Flatten(),
    nn.Linear(16 * 4 * 4, len(CLASSES)),
)


def train(network: nn.Module, epochs: int, rate: float) -> None:
    """Minimise the cross-entropy of outputs summed over time."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(y)).split(24):
            outputs = over_time(network, x[:, batch]) if network is model else network(x[:, batch])
            loss = nn.functional.cross_entropy(outputs.sum(dim=0), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


train(model, given.epochs, 3e-3)

# %% Export it, and look at what Spikeloom recognises
path = given.output / "gestures.onnx"
export_onnx(model, path, x)
print(spikeloom.inspect(path))

# %% Compile it for 5-bit ADCs and for sense amplifiers, calibrated on what it was trained with
calibration = {"x": frames[:, :8]}
adc = spikeloom.compile(path, "hpadc-sar5-64", calibrate=calibration)
one_bit = spikeloom.compile(path, "adcless-diff-64", calibrate=calibration)
print(adc)
print(one_bit)

# %% The integers of the chip, on recordings that took no part in training
run = one_bit.run(test_frames, spikes=True)
print(f"5-bit ADC: right on {adc.run(test_frames).score(test_labels)}")
print(f"1 bit, not trained for it: right on {run.score(test_labels)}")
for layer, spikes in run.spikes.items():
    print(f"  {layer}: {spikes.mean():.1%} of neurons fire in a step")

# %% Train for the readout: the twin has the columns, references and membranes of the target
twin = harden(model, target="adcless-diff-64", example=x)
train(twin, 2 * given.epochs, 4e-3)
twin.eval()
trained_path = given.output / "trained.onnx"
export_onnx(twin, trained_path, x)
trained = spikeloom.compile(trained_path, "adcless-diff-64")  # it brings its references along

# %% Is every bit right? Engines that know nothing of each other say so
found = trained.verify(test_frames, labels=test_labels, model=trained_path)
print(found)
assert found.bit_exact

# %% What it costs, at the spikes that were counted, and a page to send around
print(trained.cost(trained.run(test_frames, trace=True)))
trained.report(given.output / "trained.html", inputs=test_frames)

# %% The comparison
table = spikeloom.compare_mappings(
    [
        adc.save(given.output / "5-bit-adc"),
        one_bit.save(given.output / "1-bit"),
        trained.save(given.output / "1-bit-trained"),
    ],
    inputs={"x": test_frames, "labels": test_labels},
)
print(f"{'build':16}{'energy':>12}{'latency':>12}{'area':>12}{'accuracy':>10}")
for row in table.builds:
    energy, latency = row.cost.total_pj.nominal, row.cost.latency_ns["inference_pipelined"].nominal
    area = row.cost.total_um2.nominal
    print(
        f"{row.title:16}{energy / 1e3:9.0f} nJ{latency / 1e3:9.2f} us{area / 1e6:8.2f} mm2"
        f"{row.accuracy:10.0%}"
    )
