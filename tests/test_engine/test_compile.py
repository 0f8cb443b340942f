"""torch.compile over the tiny pair: how often it compiles and where it breaks, not how fast it gets."""

import copy

import pytest
import torch
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import HOOKS, MODELS
from mmseg.structures import SegDataSample
from torch._dynamo.utils import counters

from mapsage_mmseg.engine.hooks import CompileHook
from mapsage_mmseg.engine.hooks.compile_hook import compile_forwards
from mapsage_mmseg.models.segmentors.frozen_teacher import freeze_teacher
from tests import runs, tiny

TASK, ALL = dict(task=1.0), dict(task=0.6, distill=0.3, feature=0.1, attention=0.05)


class Graphs:
    """A backend that runs what it is given and counts it."""

    def __init__(self):
        self.count = 0

    def __call__(self, graph, inputs):
        self.count += 1
        return graph.forward


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def make_model():
    """Its teacher is as one is on a GPU, whose weights are not packed."""
    torch.manual_seed(0)
    model = MODELS.build(tiny.distill())
    model.init_weights()
    model.build_teacher().init_weights()
    return model.train()


def batch(size=64):
    generator = torch.Generator().manual_seed(0)
    meta = dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size))
    labels = [torch.randint(0, 7, (1, size, size), generator=generator) for _ in range(2)]
    samples = [SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=label)) for label in labels]
    return torch.randn(2, 3, size, size, generator=generator), samples


def step(model, weights, temperature=4.0):
    model.set_loss_weights(weights)
    model.distiller.temperature = temperature
    torch.manual_seed(1)
    total, log = model.parse_losses(model.loss(*batch()))
    total.backward()
    return log


def test_no_graph_breaks_and_schedules_compile_nothing_anew():
    """Backbone and head for the task alone, once more for what the levels record, and the teacher: five graphs."""
    model, graphs = make_model(), Graphs()
    compile_forwards(model, backend=graphs, dynamic=False)
    step(model, TASK)
    assert graphs.count == 2
    step(model, ALL)
    assert graphs.count == 5
    for number in range(4):  # temperature and weights move, the phase comes back
        step(model, {term: weight / (number + 2) for term, weight in ALL.items()}, temperature=6.0 - number)
        step(model, dict(task=0.9 - number / 10))
    assert graphs.count == 5
    assert not counters['graph_break']
    model.eval()
    with torch.no_grad():  # a validation, whose images have other sizes
        model(*batch(96), mode='predict')
    assert graphs.count == 5


def test_a_packed_teacher_stays_as_it_is():
    model, graphs = make_model(), Graphs()
    freeze_teacher(model, (64, 64))
    compile_forwards(model, backend=graphs, dynamic=False)
    step(model, ALL)
    assert graphs.count == 2
    assert not counters['graph_break']


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['eager', 'aot_eager'])
def test_terms_and_gradients_are_those_of_the_model_as_written(backend):
    """To 1e-5; drop path and dropout draw the same, since the backend keeps torch's generator."""
    written, compiled = make_model(), make_model()
    compile_forwards(compiled, backend=backend, dynamic=False)
    for weights in (TASK, ALL):
        mine, its = step(compiled, weights), step(written, weights)
        for name, value in its.items():
            torch.testing.assert_close(mine[name], value, rtol=1e-5, atol=1e-6)
    for (name, mine), its in zip(compiled.named_parameters(), written.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=1e-4, atol=1e-5, msg=name)
    assert compiled.state_dict().keys() == written.state_dict().keys()


@pytest.mark.slow
def test_what_mmengines_own_switch_takes_in_breaks():
    """Why there is a switch of ours: ``cfg.compile`` compiles the whole step, optimizer and labels included."""
    from mmengine.optim import OptimWrapper

    model = make_model()
    model.set_loss_weights(ALL)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    inputs, samples = batch()
    data = dict(inputs=list(inputs), data_samples=samples)
    torch.compile(model.train_step, backend='eager')(data, wrapper)
    assert sum(counters['graph_break'].values()) > 0


@pytest.mark.slow
def test_a_compiled_run_resumes_and_its_checkpoints_are_the_same_as_ever(tmp_path):
    """A run with the switch continues without it, and the other way round."""
    cfg = runs.config(tmp_path, epochs=2, phases=[dict(begin=1, weights=ALL)])
    plain = copy.deepcopy(cfg)
    cfg.default_hooks.compile = dict(type='CompileHook', backend='eager')
    cfg.train_cfg.max_epochs = 1
    first = Runner.from_cfg(cfg)
    first.train()
    assert HOOKS.get('CompileHook') is CompileHook
    plain.resume, plain.experiment_name = True, 'again'
    second = Runner.from_cfg(plain)
    second.train()
    assert second.iter == 12
    assert first.model.state_dict().keys() == second.model.state_dict().keys()
    assert not any('_orig_mod' in key for key in first.model.state_dict())
