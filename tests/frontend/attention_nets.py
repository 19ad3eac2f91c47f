"""Blocks of spiking transformers, after their authors' equations, on ``[T, B, C, H, W]``."""

from typing import Any

from tests.frontend.zoo import nn, torch

H, C = 2, 8
D = C // H


class LIF(nn.Module):
    """``v + (x - v) / tau``, fires at ``>=``, resets to zero; over all steps of ``x[T, ...]``."""

    def __init__(self, tau=2.0, threshold=1.0):
        super().__init__()
        self.tau, self.threshold, self.v = tau, threshold, None

    def forward(self, x):
        v = torch.zeros_like(x[0]) if self.v is None else self.v
        spikes = []
        for step in x:
            v = v + (step - v) / self.tau
            spike = (v >= self.threshold).to(v)
            v = (1.0 - spike) * v
            spikes.append(spike)
        self.v = v
        return torch.stack(spikes)


class Project(nn.Module):
    """A 1x1 convolution and batch norm on ``[T, B, C, N]``, steps folded into samples."""

    def __init__(self, inputs=C, outputs=C, bias=False):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 1, bias=bias)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x):
        t, b, _, n = x.shape
        return self.bn(self.conv(x.flatten(0, 1))).reshape(t, b, -1, n)


class Tokens(nn.Module):
    """A matrix on tokens ``[T, B, N, C]``, and batch norm between two transposes."""

    def __init__(self):
        super().__init__()
        self.fc, self.bn = nn.Linear(C, C), nn.BatchNorm1d(C)

    def forward(self, x):
        t, b, n, _ = x.shape
        x = self.fc(x.flatten(0, 1))
        return self.bn(x.transpose(-1, -2)).transpose(-1, -2).reshape(t, b, n, C)


def heads(x):
    """Return ``[T, B, h, N, d]`` of ``[T, B, C, N]``."""
    t, b, c, n = x.shape
    return x.transpose(-1, -2).reshape(t, b, n, H, c // H).permute(0, 1, 3, 2, 4).contiguous()


class Attention(nn.Module):
    """Neurons and projections that several kinds have."""

    def __init__(self, mask=0.5, projected=True):
        super().__init__()
        self.q, self.k, self.v = Project(), Project(), Project()
        self.q_lif, self.k_lif, self.v_lif = LIF(), LIF(), LIF()
        self.attn_lif = LIF(threshold=mask)
        self.proj, self.proj_lif = Project(bias=True), LIF()

    def forward(self, x):
        t, b, c, h, w = x.shape
        return self.attend(x.flatten(3)).reshape(t, b, c, h, w)

    def spikes(self, x):
        return self.q_lif(self.q(x)), self.k_lif(self.k(x)), self.v_lif(self.v(x))


class Spikformer(Attention):
    """SSA: ``(q k^T) v``, times a scale."""

    def __init__(self, first="scores", scale=0.125):
        super().__init__()
        self.first, self.scale = first, scale

    def attend(self, x):
        q, k, v = map(heads, self.spikes(x))
        if self.first == "scores":
            a = (q @ k.transpose(-2, -1)) * self.scale @ v
        else:
            a = q @ (k.transpose(-2, -1) @ v) * self.scale
        a = a.transpose(3, 4).reshape(x.shape).contiguous()
        return self.proj_lif(self.proj(self.attn_lif(a)))


class SpikformerTokens(nn.Module):
    """SSA with matrices on tokens, as its first version had them."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(Tokens() for _ in range(4))
        self.lifs = nn.ModuleList(LIF(threshold=0.5) for _ in range(5))

    def forward(self, x):
        t, b, c, h, w = x.shape
        x = x.flatten(3).transpose(-1, -2)
        q, k, v = (
            lif(part(x)).reshape(t, b, h * w, H, D).permute(0, 1, 3, 2, 4).contiguous()
            for part, lif in zip(self.parts[:3], self.lifs[:3], strict=True)
        )
        a = (q @ k.transpose(-2, -1)) @ v * 2.0
        a = self.lifs[4](a.transpose(2, 3).reshape(t, b, h * w, c).contiguous())
        a = self.lifs[3](self.parts[3](a))
        return a.transpose(-1, -2).reshape(t, b, c, h, w)


class OneProjection(Attention):
    """SSA of SpikingJelly: q, k and v of one convolution, ``v k^T`` then ``q`` in ``[d, N]``."""

    def __init__(self):
        super().__init__()
        self.qkv, self.qkv_lif = Project(C, 3 * C), LIF()

    def attend(self, x):
        t, b, c, n = x.shape
        q, k, v = self.qkv_lif(self.qkv(x)).reshape(t, b, 3 * H, D, n).chunk(3, dim=2)
        a = v @ k.transpose(-2, -1) @ q * 0.125
        return self.proj_lif(self.proj(self.attn_lif(a.reshape(t, b, c, n))))


class SpikeDriven(Attention):
    """SDSA-1 of the Spike-driven Transformer, and its pooling of events."""

    def __init__(self, events=False):
        super().__init__()
        self.events = events
        self.pool = nn.MaxPool3d((1, 3, 3), (1, 1, 1), (0, 1, 1))

    def forward(self, x):
        t, b, c, h, w = x.shape
        shortcut = x
        q, k, v = (s.reshape(x.shape) for s in self.spikes(x.flatten(3)))
        if self.events:
            k, v = self.pool(k), self.pool(v)
        q, k, v = (heads(s.flatten(3)) for s in (q, k, v))
        mask = self.attn_lif(k.mul(v).sum(dim=-2, keepdim=True))
        a = q.mul(mask).transpose(3, 4).reshape(t, b, c, h * w).contiguous()
        return self.proj(a).reshape(t, b, c, h, w) + shortcut


class Meta(Attention):
    """SDSA-3 of Meta-SpikeFormer: ``q (k^T v)``, with a neuron on what comes in."""

    def __init__(self):
        super().__init__()
        self.head_lif = LIF(threshold=0.5)

    def attend(self, x):
        t, b, c, n = x.shape
        s = self.head_lif(x)
        q, k, v = map(heads, self.spikes(s))
        a = (q @ (k.transpose(-2, -1) @ v)) * (D**-0.5)
        a = self.attn_lif(a.transpose(3, 4).reshape(t, b, c, n))
        return self.proj(a.reshape(t, b, c, n)) + x


class QKToken(Attention):
    """QKFormer: channels of a head of q, or tokens, decide on k."""

    def __init__(self, dim=3, mask=0.5):
        super().__init__(mask=mask)
        self.dim = dim

    def attend(self, x):
        t, b, _, n = x.shape
        q, k = self.q_lif(self.q(x)), self.k_lif(self.k(x))
        q, k = (s.unsqueeze(2).reshape(t, b, H, D, n) for s in (q, k))
        mask = self.attn_lif(torch.sum(q, dim=self.dim, keepdim=True))
        a = torch.mul(mask, k).flatten(2, 3)
        return self.proj_lif(self.proj(a)) + x


class Resformer(nn.Module):
    """DSSA of SpikingResformer: products of analogue values and spikes, twice."""

    def __init__(self, patch=2):
        super().__init__()
        self.w = nn.Conv2d(C, 2 * C, patch, patch, bias=False)
        self.bn = nn.BatchNorm2d(2 * C)
        self.lif, self.attn_lif, self.out_lif = LIF(threshold=0.5), LIF(), LIF()
        self.proj = Project()
        self.register_buffer("rates", torch.tensor([0.3, 0.2]))

    def forward(self, x):
        t, b, c, h, w = x.shape
        x = self.lif(x)
        y = self.bn(self.w(x.flatten(0, 1))).reshape(t, b, H, 2 * D, -1)
        y1, y2 = y[:, :, :, :D, :], y[:, :, :, D:, :]
        x = x.flatten(3).reshape(t, b, H, D, -1)
        scores = torch.matmul(y1.transpose(-1, -2), x) * (1.0 / torch.sqrt(self.rates[0] * D))
        a = self.attn_lif(scores)
        found = torch.matmul(y2, a) * (1.0 / torch.sqrt(self.rates[1] * y2.shape[-1]))
        found = self.out_lif(found.reshape(t, b, c, -1))
        return self.proj(found).reshape(t, b, c, h, w)


class Stem(nn.Module):
    """A patch stem that pools before its neuron, and a convolution that tells positions apart."""

    def __init__(self, block):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, C, 3, padding=1, bias=False), nn.BatchNorm2d(C)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.rpe, self.rpe_bn = nn.Conv2d(C, C, 3, padding=1, bias=False), nn.BatchNorm2d(C)
        self.lif, self.rpe_lif = LIF(), LIF()
        self.block = block
        self.head = nn.Linear(C, 3)

    def forward(self, x):
        t, b = x.shape[:2]
        y = self.pool(self.bn(self.conv(x.flatten(0, 1))))
        y = self.lif(y.reshape(t, b, *y.shape[1:]))
        positions = self.rpe_bn(self.rpe(y.flatten(0, 1))).reshape(y.shape)
        y = self.block(self.rpe_lif(positions) + y)
        return self.head(y.flatten(3).mean(3).mean(0))


class Step(nn.Module):
    """One step of a block, states in and out: ``forward(x[B, ...], *states)``."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def lifs(self):
        return [part for part in self.net.modules() if isinstance(part, LIF)]

    def forward(self, x, *states):
        used = [lif for lif in self.lifs() if lif.used]
        for lif, v in zip(used, states, strict=True):
            lif.v = v
        y = self.net(x.unsqueeze(0))[0]
        return (y, *(lif.v for lif in used))


def state_shapes(net: Any, x: Any) -> list[tuple[int, ...]]:
    """Return the shapes of the states that a block has, and note which neurons it uses."""
    for lif in net.lifs():
        lif.v = None
    net.net(x.unsqueeze(0))
    for lif in net.lifs():
        lif.used = lif.v is not None
    shapes = [tuple(lif.v.shape) for lif in net.lifs() if lif.used]
    for lif in net.lifs():
        lif.v = None
    return shapes
