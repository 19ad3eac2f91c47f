"""Train a small convolutional SNN on toy gestures and export one time step of it to ONNX.

python examples/gesture_start/train.py            # the network that `spikeloom demo` maps
python examples/gesture_start/train.py --help
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from events import CLASSES, SIZE, make_dataset

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "mapper" / "data" / "demo"

LEAK = 0.875  # of the membrane kept from one time step to the next; v - v/8 in hardware
THRESHOLD = 1.0
BATCH = 32
THREADS = 2  # fixed, because the order of a sum of floats depends on it
TRAIN_SEED, HELD_OUT_SEED, RECORDING_SEED = 1, 2, 3

State = tuple[Tensor, Tensor, Tensor]


class Fire(torch.autograd.Function):
    """Spike where the membrane reaches the threshold; going backward, the slope of an arctan."""

    @staticmethod
    def forward(ctx, membrane: Tensor) -> Tensor:
        ctx.save_for_backward(membrane)
        return (membrane >= THRESHOLD).to(membrane.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (membrane,) = ctx.saved_tensors
        return gradient / (1 + (torch.pi * (membrane - THRESHOLD)) ** 2)


class Lif(nn.Module):
    """Leaky integrate-and-fire neurons, one time step: leak, input, fire, reset by subtraction."""

    def forward(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        """Return (spikes 0/1, membrane after the reset), both shaped like ``current``."""
        membrane = membrane * LEAK + current
        spikes = Fire.apply(membrane)
        # The reset is not differentiated: the forward pass is the same, training is steadier.
        return spikes, membrane - spikes.detach() * THRESHOLD


class GestureNet(nn.Module):
    """One time step of conv - LIF - conv - LIF - linear - LIF; the state goes in and comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 16, 3, stride=2, padding=1)
        self.lif1 = Lif()
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.lif2 = Lif()
        self.fc = nn.Linear(32 * (SIZE // 4) ** 2, len(CLASSES))
        self.lif3 = Lif()

    def forward(self, x: Tensor, v1: Tensor, v2: Tensor, v3: Tensor) -> tuple[Tensor, ...]:
        """Take frames ``[B, 2, 32, 32]`` and membranes; return spikes ``[B, 6]`` and membranes."""
        spikes, v1 = self.lif1(self.conv1(x), v1)
        spikes, v2 = self.lif2(self.conv2(spikes), v2)
        spikes, v3 = self.lif3(self.fc(spikes.flatten(1)), v3)
        return spikes, v1, v2, v3

    def initial_state(self, batch: int) -> State:
        """Return membranes at rest."""
        return (
            torch.zeros(batch, 16, SIZE // 2, SIZE // 2),
            torch.zeros(batch, 32, SIZE // 4, SIZE // 4),
            torch.zeros(batch, len(CLASSES)),
        )


def count_spikes(net: GestureNet, frames: Tensor) -> Tensor:
    """Run frames ``[T, B, 2, 32, 32]``; return how often each output fired ``[B, 6]``."""
    state = net.initial_state(frames.shape[1])
    counts = torch.zeros(frames.shape[1], len(CLASSES))
    for frame in frames:
        spikes, *state = net(frame, *state)
        counts = counts + spikes
    return counts


def train(net: GestureNet, frames: Tensor, labels: Tensor, epochs: int) -> None:
    """Minimise the cross-entropy of the spike counts."""
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    batches = -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    for epoch in range(epochs):
        loss_sum = 0.0
        for chosen in torch.randperm(len(labels)).split(BATCH):
            loss = functional.cross_entropy(count_spikes(net, frames[:, chosen]), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.item() * len(chosen)
        print(f"epoch {epoch + 1:2}  loss {loss_sum / len(labels):.3f}", flush=True)


@torch.no_grad()
def accuracy(net: GestureNet, frames: Tensor, labels: Tensor) -> float:
    """Return the share of recordings whose class fired most; of equals, the first counts."""
    return (count_spikes(net, frames).argmax(1) == labels).double().mean().item()


@torch.no_grad()
def spike_density(net: GestureNet, frames: Tensor) -> dict[str, float]:
    """Return the share of pixels and of each layer's neurons that spike in a time step."""
    sums = dict.fromkeys(("input", "lif1", "lif2", "lif3"), 0.0)
    v1, v2, v3 = net.initial_state(frames.shape[1])
    for frame in frames:
        first, v1 = net.lif1(net.conv1(frame), v1)
        second, v2 = net.lif2(net.conv2(first), v2)
        third, v3 = net.lif3(net.fc(second.flatten(1)), v3)
        for name, spikes in zip(sums, (frame, first, second, third), strict=True):
            sums[name] += spikes.mean().item()
    return {name: round(total / len(frames), 4) for name, total in sums.items()}


def export(net: GestureNet, path: Path) -> None:
    """Write one time step with an open batch size; states are v1 -> v1_out and so on."""
    inputs, outputs = ["x", "v1", "v2", "v3"], ["spk", "v1_out", "v2_out", "v3_out"]
    torch.onnx.export(
        net.eval(),
        (torch.zeros(1, 2, SIZE, SIZE), *net.initial_state(1)),
        path,
        input_names=inputs,
        output_names=outputs,
        dynamic_axes={name: {0: "batch"} for name in inputs + outputs},
        opset_version=17,
        dynamo=False,
    )


@torch.no_grad()
def check_export(net: GestureNet, path: Path, frames: Tensor) -> None:
    """Step the file through ONNX Runtime beside torch; every spike must be the same."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    state = net.initial_state(frames.shape[1])
    stored = {name: v.numpy() for name, v in zip(("v1", "v2", "v3"), state, strict=True)}
    for step, frame in enumerate(frames):
        spikes, *state = net(frame, *state)
        got, *membranes = session.run(None, {"x": frame.numpy(), **stored})
        stored = dict(zip(stored, membranes, strict=True))
        same = np.array_equal(got, spikes.numpy()) and all(
            np.allclose(a, b.numpy(), rtol=1e-5, atol=1e-5)  # another order of the float sums
            for a, b in zip(membranes, state, strict=True)
        )
        if not same:
            raise SystemExit(f"{path.name} and torch differ at time step {step}")


def tensors(frames: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return the same arrays for torch, frames as float32."""
    return torch.from_numpy(frames).float(), torch.from_numpy(labels)


def main() -> None:
    """Train, export, check, and write down what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--train", type=int, default=1500, help="recordings to train on")
    parser.add_argument("--held-out", type=int, default=600, help="recordings to measure on")
    parser.add_argument("--bundled", type=int, default=18, help="recordings in recording.npz")
    parser.add_argument("--out", type=Path, default=DEMO, help="for model.onnx and recording.npz")
    parser.add_argument("--metrics", type=Path, default=HERE / "metrics.json")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    net = GestureNet()
    start = time.perf_counter()
    train(net, *tensors(*make_dataset(args.train, TRAIN_SEED)), args.epochs)
    seconds = time.perf_counter() - start

    held_out = tensors(*make_dataset(args.held_out, HELD_OUT_SEED))
    recording, labels = make_dataset(args.bundled, RECORDING_SEED)
    args.out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.out / "recording.npz", x=recording, labels=labels)
    export(net, args.out / "model.onnx")
    check_export(net, args.out / "model.onnx", tensors(recording, labels)[0])

    metrics = {
        "held_out_accuracy": round(accuracy(net, *held_out), 4),
        "held_out_recordings": args.held_out,
        "bundled_accuracy": round(accuracy(net, *tensors(recording, labels)), 4),
        "bundled_recordings": args.bundled,
        "spike_density": spike_density(net, held_out[0]),
        "parameters": sum(p.numel() for p in net.parameters()),
        "train_recordings": args.train,
        "epochs": args.epochs,
        "training_seconds": round(seconds, 1),
        "threads": THREADS,
        "torch": torch.__version__,
    }
    args.metrics.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
