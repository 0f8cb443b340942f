"""Gradients of two processes against those of one with the same images in a step."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from mmseg.registry import MODELS
from torch import distributed, nn

from mapsage_mmseg.engine import processes
from mapsage_mmseg.engine.data_parallel import DistillDataParallel, average_statistics
from tests import tiny
from tests.processes import run_processes
from tests.test_models.test_multi_level_distill import WEIGHTS, batch

PHASES = dict(task=dict(task=1.0), distill=WEIGHTS)
OFF = (None, 'distill', 'feature', 'attention')


class KeepGradients(OptimWrapper):
    def zero_grad(self, **settings):
        pass


def make_model(off=None, norm='BN'):
    """The tiny pair in eval mode: running statistics, nothing dropped."""
    torch.manual_seed(0)
    config = tiny.distill(**({off: None} if off else {}))
    config.architecture.decode_head.norm_cfg.type = norm
    model = MODELS.build(config)
    model.init_weights()
    model.build_teacher().init_weights()
    return model.eval()


def images(ignored=(8, 8, 8, 8)):
    """Four images, whose first rows are ignored: as many in each, or not."""
    (first, labels), (second, more) = batch(), batch()
    samples = copy.deepcopy([*labels, *more])
    for sample, rows in zip(samples, ignored, strict=True):
        sample.gt_sem_seg.data[:, :rows] = 255
    return dict(inputs=list(torch.cat([first, second.flip(-1)])), data_samples=samples)


def step(model, wrapped, data, weights):
    """Gradients and log of a training step."""
    model.set_loss_weights(
        {term: weight for term, weight in weights.items() if term in ('task', *model.distiller.levels)}
    )
    model.zero_grad()
    log = wrapped.train_step(data, KeepGradients(torch.optim.SGD(model.parameters(), lr=0.0)))
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    return gradients, {name: float(value) for name, value in log.items()}


def share(data, rank):
    return {key: value[2 * rank : 2 * rank + 2] for key, value in data.items()}


def two_processes(folder):
    processes.join('pytorch', {})
    rank, found = distributed.get_rank(), {}
    for off in OFF:
        model = make_model(off)
        wrapped = DistillDataParallel(model)
        # one after the other in one wrapper: what a phase leaves out, the next finds
        for phase, weights in PHASES.items():
            found[off, phase] = step(model, wrapped, share(images(), rank), weights)
    model = make_model()
    uneven = images(ignored=(0, 8, 32, 56))
    found['uneven'] = step(model, DistillDataParallel(model), share(uneven, rank), WEIGHTS)

    model = make_model(norm='SyncBN').train()
    wrapped = MODEL_WRAPPERS.build(dict(type='mmseg.DistillDataParallel', module=model, device_ids=[rank]))
    step(model, wrapped, share(images(), rank), WEIGHTS)
    found['norms'] = {
        type(module).__name__ for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase)
    }
    found['before'] = model.student.decode_head.fusion_conv.bn.running_mean.clone()
    average_statistics(wrapped)
    found['after'] = model.student.decode_head.fusion_conv.bn.running_mean.clone()
    torch.save(found, folder / f'{rank}.pth')
    processes.leave()


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp('found')
    run_processes(two_processes, folder)
    return [torch.load(folder / f'{rank}.pth', weights_only=False) for rank in range(2)]


def difference(left, right):
    assert left.keys() == right.keys()
    return max(float((left[name] - right[name]).abs().max()) for name in left)


@pytest.mark.parametrize('phase', PHASES)
@pytest.mark.parametrize('off', OFF)
def test_two_processes_have_the_gradients_of_one(found, phase, off):
    """In either phase, with each level off, without a search for unused parameters."""
    model = make_model(off)
    gradients, log = step(model, model, images(), PHASES[phase])
    mine, its = (found[rank][off, phase] for rank in range(2))
    assert difference(gradients, mine[0]) < 1e-6
    assert difference(mine[0], its[0]) == 0
    assert max(float(value.abs().max()) for value in gradients.values()) > 1e-3
    for term, value in log.items():
        assert (mine[1][term] + its[1][term]) / 2 == pytest.approx(value, rel=1e-5), term


def test_weights_are_applied_once(found):
    for log in (found[rank][None, 'distill'][1] for rank in range(2)):
        assert log['loss'] == pytest.approx(sum(weight * log[term] for term, weight in WEIGHTS.items()), rel=1e-6)


def test_where_valid_pixels_differ_each_process_counts_alike(found):
    """The general case: a mean of each process's means, which is not the mean over all pixels."""
    model, uneven = make_model(), images(ignored=(0, 8, 32, 56))
    alone = [step(model, model, share(uneven, rank), WEIGHTS)[0] for rank in range(2)]
    mean = {name: (alone[0][name] + alone[1][name]) / 2 for name in alone[0]}
    assert difference(mean, found[0]['uneven'][0]) < 1e-6
    assert difference(step(model, model, uneven, WEIGHTS)[0], mean) > 1e-4


def test_on_cpus_batchnorm_takes_the_place_of_syncbatchnorm_and_ends_up_alike(found):
    assert [result['norms'] for result in found] == [{'_BatchNormXd', 'BatchNorm2d'}] * 2
    assert not torch.equal(found[0]['before'], found[1]['before'])
    assert torch.equal(found[0]['after'], found[1]['after'])
    torch.testing.assert_close(found[0]['after'], (found[0]['before'] + found[1]['before']) / 2)
