"""The fingerprint of what a student began from: what it follows from, and that a resumed run keeps it."""

import copy

import torch
from mmseg.registry import MODELS

from mapsage_mmseg.engine.runs.first_weights import fingerprint
from tests import tiny


def student():
    torch.manual_seed(1)
    return MODELS.build(tiny.student())


def test_it_follows_from_names_and_values_alone():
    model = student()
    wanted = fingerprint(model)
    assert len(wanted) == 12 and set(wanted) <= set('0123456789abcdef')
    laid_out = copy.deepcopy(model).to(memory_format=torch.channels_last)
    assert fingerprint(laid_out.eval().requires_grad_(False)) == wanted
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.decode_head.conv_seg.bias[0] += 1e-6
    assert fingerprint(changed) != wanted
    assert fingerprint(copy.deepcopy(model).bfloat16()) != wanted
