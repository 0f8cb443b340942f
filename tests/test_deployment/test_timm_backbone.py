"""EfficientNet-Lite for stock MMSegmentation: timm's names, the same logits, and the way back."""

import copy
import dataclasses
import hashlib
import importlib.util
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model
from mmseg.registry import MODELS

from mapsage_mmseg.commands import cli, export
from mapsage_mmseg.deployment.export.stock_config import stock_config
from mapsage_mmseg.deployment.find_student import find_student
from mapsage_mmseg.deployment.student.student import Student
from mapsage_mmseg.deployment.student.timm_backbone import from_timm, needs_timm, to_timm
from mapsage_mmseg.errors import InputError
from tests.under_stock import under_stock

pytest.importorskip('safetensors', reason='needs the extra [deploy]')
CLASSES = ('a', 'b', 'c', 'd', 'e', 'f', 'g')
PALETTE = tuple((30 * index, 0, 0) for index in range(7))
# Of names and shapes in timm 1.0.31, of create_model('tf_efficientnet_lite0', features_only=True) and so on.
TIMMS = dict(lite0='cf225292a97479c0', lite1='db619557c593f17e', lite2='214f9598909f835c')


@pytest.fixture(scope='module')
def student(repository, tmp_path_factory):
    """A student over EfficientNet-Lite0 with random weights, whose norms have seen something."""
    config = Config.fromfile(str(repository / 'configs/distill/recommended_control.py'))
    config.model.backbone.pretrained = False
    config.model.decode_head.norm_cfg.type = 'BN'
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.train()
        for _ in range(3):
            model(torch.randn(2, 3, 64, 64), mode='tensor')
    file = tmp_path_factory.mktemp('lite') / 'epoch_1.pth'
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=PALETTE))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    config.dump(str(file.parent / 'config.py'))
    return find_student(file)[0]


def logits(student: Student, image: np.ndarray) -> np.ndarray:
    model = student.build()
    model.cfg = Config(dict(test_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))
    return inference_model(model, image).seg_logits.data.numpy()


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize('variant', TIMMS)
def test_names_and_shapes_are_timms(variant):
    backbone = MODELS.build(dict(type='EfficientNetLite', variant=variant, pretrained=False))
    lines = sorted(f'{name} {tuple(value.shape)}' for name, value in backbone.state_dict().items())
    assert hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:16] == TIMMS[variant]


def test_there_and_back_it_says_the_same(student):
    there = to_timm(student)
    assert needs_timm(there) and not needs_timm(student)
    assert there.model.backbone.model_name == 'tf_efficientnet_lite0'
    assert there.model.data_preprocessor['mean'] == [127.0] * 3 and there.model.data_preprocessor['std'] == [128.0] * 3
    assert student.model.data_preprocessor['mean'] == [123.675, 116.28, 103.53]  # the one given is left alone
    back, image = from_timm(there), picture(64, 96)
    assert back.weights.keys() == student.weights.keys()
    assert np.abs(logits(back, image) - logits(student, image)).max() < 1e-4
    again = to_timm(back)
    assert again.model == there.model and again.weights.keys() == there.weights.keys()


def test_where_an_image_is_filled_up_only_the_colour_of_the_filling_differs(student):
    mine, image = logits(student, picture(50, 70)), picture(50, 70)
    its = logits(from_timm(to_timm(student)), image)
    assert (mine.argmax(0) == its.argmax(0)).mean() > 0.99


def test_other_students_stay_as_they_are(trained):
    other = find_student(trained)[0]
    assert to_timm(other) is other and from_timm(other) is other


def test_bands_that_timm_has_no_weights_for_are_refused(student):
    student = dataclasses.replace(student, model=copy.deepcopy(student.model))
    student.model.backbone.in_channels = 4
    with pytest.raises(InputError, match=r'model\.backbone\.in_channels=4: stock MMSegmentation loads three bands'):
        to_timm(student)


@pytest.fixture(scope='module')
def out(student, tiles, tmp_path_factory):
    """What the export tool makes of it."""
    folder = tmp_path_factory.mktemp('out')
    command = ['student', str(student.checkpoint), '-o', str(folder), '--data-root', str(tiles)]
    assert cli.run(export.main, command) == 0
    return folder


def test_an_export_says_that_it_needs_timm_and_is_read_without(student, out):
    assert 'timm has to be installed too: pip install timm' in (out / 'config.py').read_text()
    again, _ = find_student(out)
    assert again.model.backbone.type == 'EfficientNetLite'
    image = picture(64, 64)
    assert np.abs(logits(again, image) - logits(student, image)).max() < 1e-4
    assert again.provenance == student.provenance
    assert 'TIMMBackbone' in stock_config(to_timm(again), dict(type='BaseSegDataset', data_root='data'))


@pytest.mark.skipif(importlib.util.find_spec('timm') is None, reason='timm is not installed')
def test_stock_mmsegmentation_gives_the_same_logits_by_timm(student, out, tiles, tmp_path):
    image = picture(64, 96)
    found = under_stock(out, image[None], tiles, tmp_path)
    assert np.abs(found['logits'][0] - logits(student, image)).max() < 1e-4
    shutil.rmtree(tmp_path)
