"""A config that MMSegmentation loads without this package."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

from ...errors import InputError
from ..student.student import Student
from ..student.timm_backbone import needs_timm

STOCK = ('mmseg', 'mmengine', 'mmcv', 'torch')
HEAD = """# A land-cover student for MMSegmentation 1.2; {needs} (README.md).
#
#     python tools/test.py config.py student.pth      # MMSegmentation's own tool, on the folder that data_root names
#
# data_root holds images and labels where data_prefix says; labels are {labels}.

"""

NOTHING, TIMM = 'nothing else has to be installed', 'timm has to be installed too: pip install timm'


def stock_config(student: Student, dataset: Mapping[str, Any]) -> str:
    """Returns the text of the config.

    Args:
        student: The student; its synchronised batch norms become plain ones, which hold the same weights.
        dataset: Data set to test on, of one of MMSegmentation's types, without a pipeline.

    Raises:
        InputError: A part of the model, or the data set's type, does not belong to MMSegmentation, or the student takes
            bands that MMSegmentation cannot load.
    """
    if student.bands:
        raise InputError(
            f'the student takes bands {", ".join(map(str, student.bands.numbers))}, which stock MMSegmentation cannot '
            'load; export it as ONNX: tools/export.py onnx'
        )
    model = copy.deepcopy(student.model.to_dict())
    for where, name in _foreign(model, 'model'):
        raise InputError(
            f'{where}.type={name!r} is no part of MMSegmentation, which could not load it without this package; '
            'export it as ONNX: tools/export.py onnx'
        )
    kind = DATASETS.get(dataset['type'])
    if kind is None or kind.__module__.split('.')[0] not in STOCK:
        raise InputError(
            f"the run's data set {dataset['type']} is no part of MMSegmentation, which could not test on it; name a "
            'folder of tiles with a dataset.yaml: --data-root PATH'
        )
    _plain_batch_norms(model)
    ignored = dataset.get('ignore_index', 255)
    if ignored != 255:
        for head in _heads(model):
            head['ignore_index'] = ignored
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    loader = dict(
        batch_size=1,
        num_workers=2,
        persistent_workers=True,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(dataset, pipeline=pipeline),
    )
    evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=ignored)
    settings = dict(
        default_scope='mmseg',
        env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
        visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'),
        log_level='INFO',
        load_from=None,
        resume=False,
        model=model,
        test_pipeline=pipeline,
        val_dataloader=loader,
        test_dataloader=loader,
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
    )
    plain = dataset['type'] == 'BaseSegDataset' and not dataset.get('reduce_zero_label')
    labels = 'class numbers' if plain else f"as MMSegmentation's {dataset['type']} reads them"
    needs = (
        'timm has to be installed too: pip install timm' if needs_timm(student) else 'nothing else has to be installed'
    )
    return HEAD.format(labels=labels, needs=needs) + Config(settings).pretty_text


def _foreign(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yields the position and name of each module of a model's config that another package registered."""
    if isinstance(node, list | tuple):
        for index, item in enumerate(node):
            yield from _foreign(item, f'{where}[{index}]')
    elif isinstance(node, dict):
        named = node.get('type')
        found = MODELS.get(named) if isinstance(named, str) else named
        if found is not None and found.__module__.split('.')[0] not in STOCK:
            yield where, str(named)
        for key, value in node.items():
            yield from _foreign(value, f'{where}.{key}')


def _plain_batch_norms(node: Any) -> None:
    if isinstance(node, list | tuple):
        for item in node:
            _plain_batch_norms(item)
    elif isinstance(node, dict):
        if node.get('type') == 'SyncBN':
            node['type'] = 'BN'
        for value in node.values():
            _plain_batch_norms(value)


def _heads(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key) or []
        yield from heads if isinstance(heads, list | tuple) else [heads]
