"""Gradients of single terms, worked out by hand."""

import pytest
import torch
from torch import nn

from mapsage_mmseg.models.segmentors.term_gradients import TermGradients, norms_and_cosines


class Student(nn.Module):
    """x goes through a (1, 2) matrix, then through two heads: only the matrix is shared."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        self.head = nn.Linear(1, 1)
        with torch.no_grad():
            self.backbone[1].weight.copy_(torch.tensor([[1.0, 1.0]]))
            self.backbone[0].weight.copy_(torch.eye(2))
            for layer in (*self.backbone, self.head):
                layer.bias.zero_()
            self.head.weight.fill_(2.0)


@pytest.fixture
def student():
    return Student()


def terms(student):
    """At x = (3, 4): the shared matrix gets 2·(3, 4) from the task, -(3, 4) from one level, nothing from another."""
    x = torch.tensor([[3.0, 4.0]])
    hidden = student.backbone(x)
    return dict(task=student.head(hidden).sum(), against=-hidden.sum(), cut=hidden.detach().sum())


def test_the_last_shared_parameter_is_the_last_matrix_of_the_backbone(student):
    name, parameter = TermGradients(student).shared(terms(student))
    assert name == 'backbone.1.weight'
    assert parameter is student.backbone[1].weight


def test_a_term_that_stops_earlier_moves_the_shared_layer_up(student):
    x = torch.tensor([[3.0, 4.0]])
    early = student.backbone[0](x)
    found = TermGradients(student).shared(dict(task=student.backbone[1](early).sum(), early=early.sum()))
    assert found[0] == 'backbone.0.weight'


def test_a_module_that_a_level_records_is_no_shared_layer(student):
    assert TermGradients(student, outside=['backbone', 'backbone.1']).shared(terms(student))[0] == 'backbone.0.weight'


def test_gram_matrix_by_hand(student):
    gram = TermGradients(student).gram(terms(student))
    # <2v, 2v> = 100, <2v, -v> = -50, <v, v> = 25 with v = (3, 4)
    torch.testing.assert_close(gram, torch.tensor([[100.0, -50.0, 0.0], [-50.0, 25.0, 0.0], [0.0, 0.0, 0.0]]))


def test_norms_and_cosines_by_hand(student):
    gram = TermGradients(student).gram(terms(student))
    found = {k: v.item() for k, v in norms_and_cosines(gram, dict(task=0.5, against=0.2, cut=1.0)).items()}
    assert found == pytest.approx(
        {
            'norm/task': 10.0,
            'norm/against': 5.0,
            'norm/cut': 0.0,
            'cosine/against': -1.0,
            'cosine/cut': 0.0,
            'cosine_all': -1.0,
        }
    )


def test_levels_at_a_right_angle_add_up_as_vectors():
    # task along x; one level along x, one along y, both of norm 1: their sum is 45 degrees from the task.
    gram = torch.tensor([[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = norms_and_cosines(gram, dict(task=1.0, along=1.0, across=1.0))
    assert found['cosine_all'].item() == pytest.approx(0.5**0.5)


def test_terms_that_share_nothing_have_no_gram_matrix(student):
    apart = dict(task=student.backbone[0].weight.sum(), other=student.backbone[1].weight.sum())
    assert TermGradients(student).gram(apart) is None


def test_the_graph_survives(student):
    found = terms(student)
    TermGradients(student).gram(found)
    (found['task'] + found['against']).backward()
    torch.testing.assert_close(student.backbone[1].weight.grad, torch.tensor([[3.0, 4.0]]))
