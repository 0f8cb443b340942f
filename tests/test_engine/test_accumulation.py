"""Gradients over several batches: when they are those of the large batch, and that clock and record keep their time."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample

from tests import runs, tiny

WEIGHTS = dict(task=0.6, distill=0.3, feature=0.1, attention=0.05)


def batch(ignored_rows=(0, 0, 0, 0)):
    generator = torch.Generator().manual_seed(0)
    samples = []
    for rows in ignored_rows:
        label = torch.randint(0, 7, (1, 64, 64), generator=generator)
        label[:, :rows] = 255
        meta = dict(img_shape=(64, 64), ori_shape=(64, 64), pad_shape=(64, 64))
        samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label)))
    return torch.randn(4, 3, 64, 64, generator=generator, dtype=torch.float64), samples


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = MODELS.build(tiny.distill())
    model.init_weights()
    model.build_teacher().init_weights()
    model.set_loss_weights(WEIGHTS)
    return model.double().eval()  # norms at their statistics, no dropout


def gradients(model, inputs, samples, pieces):
    """What the optimizer would see after ``pieces`` batches."""
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.0), accumulative_counts=pieces)
    model.zero_grad()
    for part in range(pieces):
        images = slice(part * 4 // pieces, (part + 1) * 4 // pieces)
        total, _ = model.parse_losses(model.loss(inputs[images], samples[images]))
        wrapper.backward(wrapper.scale_loss(total))
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize('pieces', [2, 4])
def test_the_gradient_is_the_large_batchs(model, pieces):
    whole, parts = (gradients(model, *batch(), count) for count in (1, pieces))
    # the losses count in float32
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6 * whole.abs().max().item())


def test_with_other_numbers_of_valid_pixels_each_batch_counts_the_same_and_not_each_pixel(model):
    inputs, samples = batch((48, 48, 0, 0))
    whole, parts = (gradients(model, inputs, samples, count) for count in (1, 2))
    halves = [gradients(model, inputs[part], samples[part], 1) for part in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(parts, torch.stack(halves).mean(dim=0), rtol=1e-4, atol=1e-6 * whole.abs().max().item())
    assert (parts - whole).norm() > 0.05 * whole.norm()


@HOOKS.register_module()
class Updates(Hook):
    """Before which iterations a weight had changed, and what the schedules had set."""

    priority = 'VERY_LOW'

    def before_run(self, runner):
        self.changed, self.temperatures, self.last = [], [], None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        weight = runner.model.student.decode_head.conv_seg.weight.detach().clone()
        if self.last is None or not torch.equal(weight, self.last):
            self.changed.append(runner.iter)
        self.last = weight
        self.temperatures.append(runner.model.distiller.temperature)


def test_clock_schedules_and_record_count_batches_and_gradient_norms_updates(tmp_path):
    cfg = runs.config(tmp_path, epochs=2, updates=dict(type='Updates'))
    cfg.optim_wrapper.accumulative_counts = 4
    cfg.default_hooks.phases.phases = [dict(begin=1, weights=WEIGHTS)]
    runner = Runner.from_cfg(cfg)
    kept = []
    norms = runner.message_hub
    update, norms.update_scalar = norms.update_scalar, lambda *a, **k: (kept.append(a), update(*a, **k))[1]
    runner.train()
    hook = next(hook for hook in runner.hooks if isinstance(hook, Updates))
    assert hook.changed[1:] == [3, 7, 11]  # the first look finds a weight, whatever it is
    assert hook.temperatures == pytest.approx([6.0] * 6 + [4.5] * 6)
    record = json.loads((Path(runner.work_dir) / 'result.json').read_text())
    assert [(entry['epoch'], entry['iter']) for entry in record['epochs']] == [(1, 6), (2, 12)]
    mine = [float(value) for key, value, *_ in kept if key == 'train/grad_norm']
    assert len(mine) == 3
    assert record['epochs'][0]['grad_norm'] == pytest.approx(mine[0])
    assert record['epochs'][1]['grad_norm'] == pytest.approx(sum(mine[1:]) / 2)
