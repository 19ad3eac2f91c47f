"""Training needs the extra ``train``; its tests run on one thread and from one seed."""

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")


@pytest.fixture(autouse=True)
def one_thread_one_seed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)
