"""Adaptive weights under two processes: the same on each, whatever each one saw."""

import socket

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from torch import distributed, multiprocessing

from tests.test_models.test_balance_in_model import balanced
from tests.test_models.test_multi_level_distill import WEIGHTS, batch

METHODS = dict(shares='shares', uncertainty='uncertainty', gradnorm=dict(type='gradnorm', interval=1))


def train(rank, port, folder):
    init_default_scope('mmseg')
    torch.set_num_threads(1)
    distributed.init_process_group('gloo', f'tcp://127.0.0.1:{port}', world_size=2, rank=rank)
    for method, config in METHODS.items():
        model = balanced(config)
        wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
        optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3))
        for step, weights in enumerate((dict(task=1.0), WEIGHTS, WEIGHTS, dict(distill=1.0), WEIGHTS)):
            model.set_loss_weights(weights)
            inputs, samples = batch(ignored=rank == 1 and step == 2)
            wrapped.train_step(dict(inputs=list(inputs * (rank + 1)), data_samples=samples), optimizer)
        torch.save({**model.balance.state_dict(), **model.effective_weights}, f'{folder}/{method}{rank}.pth')
    distributed.destroy_process_group()


@pytest.mark.slow
def test_both_processes_weigh_alike(tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(train, (port, str(tmp_path)), nprocs=2)
    for method in METHODS:
        first, second = (torch.load(tmp_path / f'{method}{rank}.pth') for rank in range(2))
        assert [name for name, value in first.items() if not torch.equal(value, second[name])] == []
        assert all(torch.isfinite(value).all() for value in first.values())
        assert first['effective/distill'].item() != pytest.approx(WEIGHTS['distill'])
