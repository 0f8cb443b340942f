"""Mixed precision on a CPU: how near it stays, what stays in float32, and that it resumes."""

import shutil

import pytest
import torch
from mmengine.runner import Runner
from mmseg.registry import MODELS, OPTIM_WRAPPERS
from torch import nn

from mapsage_mmseg.engine.mixed_precision import MixedPrecisionOptimWrapper
from mapsage_mmseg.errors import InputError
from mapsage_mmseg.models.losses import AttentionKLLoss, LogitKLLoss
from tests import runs, tiny


def run(folder, name, resume=False, amp=True):
    cfg = runs.config(folder, name=name, epochs=3, losses=dict(type='Losses'), checkpoint=dict(max_keep_ckpts=-1))
    if amp:
        cfg.optim_wrapper.type, cfg.optim_wrapper.dtype = 'AmpOptimWrapper', 'bfloat16'
    cfg.resume = resume
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_a_run_stays_near_the_one_in_float32_and_resumes_bit_for_bit(tmp_path):
    """The total of every step within 2 percent, over 18 steps and both phases."""
    exact, half = run(tmp_path, 'exact', amp=False), run(tmp_path, 'half')
    assert type(half.optim_wrapper) is MixedPrecisionOptimWrapper
    mine, its = (runs.losses(runner) for runner in (half, exact))
    assert len(mine) == len(its) == 18
    for step, (near, far) in enumerate(zip(mine, its, strict=True)):
        assert near['loss'] == pytest.approx(far['loss'], rel=0.02), step
    assert any(near['task'] != far['task'] for near, far in zip(mine, its, strict=True))
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    left = tmp_path / 'left' / 'checkpoints' / 'epoch_2.pth'
    left.parent.mkdir(parents=True)
    shutil.copy(tmp_path / 'half' / 'checkpoints' / left.name, left)
    (tmp_path / 'left' / 'last_checkpoint').write_text(str(left))
    again = run(tmp_path, 'left', resume=True)
    expected = half.model.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in again.model.state_dict().items())


class Dtypes(nn.Module):
    """A loss that notes in which precision it is asked, and in which a product inside it is worked out."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def forward(self, student, teacher, valid):
        self.seen |= {student.dtype, teacher.dtype, (student[0, 0] @ teacher[0, 0].T).dtype}
        return (student - teacher).square().mean()


@pytest.mark.parametrize('teacher_dtype', [None, 'bfloat16'])
def test_losses_and_attention_rows_are_worked_out_in_float32(teacher_dtype):
    """What feeds them is rounded: the terms are within 2 percent of those in float32."""
    MODELS.register_module(module=Dtypes, force=True)
    config = tiny.distill(
        extra=dict(student='decode_head.conv_seg', teacher='decode_head.conv_seg', loss=dict(type='Dtypes'))
    )
    model = MODELS.build(config | dict(teacher_dtype=teacher_dtype))
    model.build_teacher()
    model.eval()
    seen = {}
    for name in ('distill', 'attention'):
        loss = model.distiller.distill_losses[f'loss_{name}']
        loss.register_forward_pre_hook(lambda module, args, name=name: seen.update({name: {x.dtype for x in args}}))
    x, valid = torch.randn(2, 3, 64, 64), torch.ones(2, 1, 64, 64)
    recorded = {}
    model.student.decode_head.conv_seg.register_forward_hook(lambda *a: recorded.update(student=a[-1].dtype))
    model.teacher.decode_head.conv_seg.register_forward_hook(lambda *a: recorded.update(teacher=a[-1].dtype))

    def terms():
        with torch.no_grad(), model._teacher_autocast(), model.distiller.recording('teacher', model.distiller.levels):
            model.teacher(x, None, mode='tensor')
        with model.distiller.recording('student', model.distiller.levels):
            model.student(x, None, mode='tensor')
        rows = model.distiller.teacher_recorders.get_recorder('backbone.layers.1.attn.rows').data_buffer[0]
        return rows, model.distiller.compute_distill_losses(None, valid)

    _, exact = terms()
    with torch.autocast('cpu', torch.bfloat16):
        rows, half = terms()
    assert recorded == dict(student=torch.bfloat16, teacher=torch.bfloat16)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.sum(dim=-1), torch.ones(rows.shape[:-1]), rtol=1e-5, atol=1e-5)
    assert isinstance(model.distiller.distill_losses['loss_distill'], LogitKLLoss)
    assert isinstance(model.distiller.distill_losses['loss_attention'], AttentionKLLoss)
    assert seen == dict.fromkeys(('distill', 'attention'), {torch.float32})
    assert model.distiller.distill_losses['loss_extra'].seen == {torch.float32}
    assert {value.dtype for value in half.values()} == {torch.float32}
    for name, value in exact.items():
        torch.testing.assert_close(half[name], value, rtol=0.02, atol=1e-4)


def wrapper(**settings):
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(dict(type='AmpOptimWrapper', optimizer=optimizer, **settings))


def test_the_stock_tools_switch_finds_it():
    """MMSegmentation's --amp sets this type and this loss_scale, and nothing else."""
    found = wrapper(loss_scale='dynamic')
    assert type(found) is MixedPrecisionOptimWrapper
    if not torch.cuda.is_available():
        assert found.cast_dtype == torch.bfloat16 and not found.loss_scaler.is_enabled()


@pytest.mark.parametrize(('dtype', 'message'), [('float16', 'needs a GPU'), ('int8', 'must be bfloat16 or float16')])
def test_other_precisions_are_refused(dtype, message, monkeypatch):
    monkeypatch.setattr('mapsage_mmseg.engine.mixed_precision.get_device', lambda: 'cpu')
    with pytest.raises(InputError, match=message):
        wrapper(dtype=dtype)


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_on_a_gpu_float16_is_scaled_and_bfloat16_is_not(dtype):
    model = nn.Linear(4, 4).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = OPTIM_WRAPPERS.build(
        dict(type='AmpOptimWrapper', optimizer=optimizer, dtype=dtype, clip_grad=dict(max_norm=1.0))
    )
    assert found.loss_scaler.is_enabled() == (dtype == 'float16')
    before = model.weight.detach().clone()
    with found.optim_context(model):
        out = model(torch.ones(2, 4, device='cuda'))
    assert out.dtype == getattr(torch, dtype)
    found.update_params(out.float().square().mean())
    change = (model.weight - before).norm()
    assert torch.isfinite(change) and 0 < change <= 0.1 + 1e-4  # clipped behind the unscaling
