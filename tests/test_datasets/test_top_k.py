"""The k likeliest classes and the rest's mass."""

import numpy as np
import pytest

from mapsage_mmseg.datasets.transforms.top_k import keep_top_k, spread, top_k_dtype


def log_softmax(logits, temperature=1.0):
    logits = logits.astype(np.float64) / temperature
    return (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - logits.max(-1, keepdims=True)
    )


def divergence(logits, other, temperature):
    """KL of the two at a temperature, of each position."""
    one, two = log_softmax(logits, temperature), log_softmax(other, temperature)
    return (np.exp(one) * (one - two)).sum(-1)


@pytest.fixture
def logits():
    return 4 * np.random.RandomState(0).randn(12, 10, 40).astype(np.float32)


def test_a_case_worked_out_by_hand():
    entries = keep_top_k(np.log(np.array([[[0.1, 0.6, 0.06, 0.2, 0.04]]], np.float32)), 2)
    assert set(entries['index'][0, 0].tolist()) == {1, 3}
    np.testing.assert_allclose(np.exp(entries['log'][0, 0, -1].astype(np.float32)), 0.2, rtol=1e-3)
    np.testing.assert_allclose(np.exp(spread(entries, 5)[0, 0]), [0.2 / 3, 0.6, 0.2 / 3, 0.2, 0.2 / 3], rtol=1e-3)


def test_at_temperature_1_kept_probabilities_and_the_rests_mass_are_exact(logits):
    dense, exact = np.exp(spread(keep_top_k(logits, 6), 40)), np.exp(log_softmax(logits))
    order = np.argsort(-logits, axis=-1)
    kept = np.take_along_axis(exact, order[..., :6], -1)
    np.testing.assert_allclose(np.take_along_axis(dense, order[..., :6], -1), kept, rtol=4e-3)
    np.testing.assert_allclose(dense.sum(-1), 1, rtol=2e-3)


def test_at_higher_temperatures_the_rest_weighs_too_much_and_the_error_falls_with_k(logits):
    for temperature in (3.0, 6.0):
        errors = []
        for k in (2, 6, 12, 24):
            dense = spread(keep_top_k(logits, k), 40)
            tail = np.argsort(-logits, axis=-1)[..., k:]
            mass = [np.take_along_axis(np.exp(log_softmax(z, temperature)), tail, -1).sum(-1) for z in (dense, logits)]
            assert (mass[0] > mass[1] * (1 - 4e-3)).all()
            errors.append(divergence(logits, dense, temperature).mean())
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.1 * errors[0]


def test_all_the_mass_on_one_class(logits):
    logits[0, 0, 7] = 5000.0
    dense = spread(keep_top_k(logits, 3), 40)
    assert np.isfinite(dense).all()
    assert dense[0, 0].argmax() == 7


def test_more_than_256_classes_take_two_bytes_each():
    assert top_k_dtype(8, 150).itemsize == 26
    assert top_k_dtype(8, 300).itemsize == 34
    entries = keep_top_k(np.eye(300, dtype=np.float32)[None] * 9, 1)
    assert (entries['index'][0, :, 0] == np.arange(300)).all()
