"""What a few iterations foretell, worked out by hand."""

import pytest

from mapsage_mmseg.evaluation.dry_run import dry_run_record, estimate_seconds, gradient_ratios, suggest_weights


def test_suggested_weights_give_the_declared_shares():
    weights, terms = dict(task=0.6, distill=0.3, feature=0.1), dict(task=2.0, distill=0.5, feature=4.0)
    suggested = suggest_weights(weights, terms)
    assert suggested == pytest.approx(dict(task=0.6, distill=1.2, feature=0.05))
    weighted = {name: suggested[name] * terms[name] for name in terms}
    shares = {name: value / sum(weighted.values()) for name, value in weighted.items()}
    assert shares == pytest.approx(weights)  # they add up to 1


def test_a_term_that_is_nothing_has_no_suggestion():
    assert suggest_weights(dict(task=1.0, feature=1.0), dict(task=1.0, feature=0.0)) == dict(task=1.0, feature=None)
    assert suggest_weights(dict(task=1.0, feature=1.0), dict(task=1.0)) == dict(task=1.0, feature=None)


def test_what_a_level_decides_by_hand():
    weights, norms = dict(task=0.6, distill=0.3, feature=0.1), dict(task=2.0, distill=4.0)
    assert gradient_ratios(weights, norms) == dict(distill=pytest.approx(1.0), feature=None)  # 1.2 of 1.2
    assert gradient_ratios(weights, dict(task=0.0, distill=4.0)) == dict(distill=None, feature=None)
    assert gradient_ratios(weights, {}) == dict(distill=None, feature=None)


def test_a_dry_run_reads_as_one_epoch():
    steps = [dict(loss=2.0, task=2.0, distill=1.0, **{'norm/task': 3.0}), dict(loss=4.0, task=4.0, distill=3.0)]
    record = dry_run_record(steps, 'distill', dict(task=1.0, distill=0.0), dict(classes=['a'], chance_loss=0.0), {})
    (entry,) = record['epochs']
    assert (entry['total'], entry['terms']['task'], entry['terms']['distill']) == (3.0, 3.0, 2.0)
    assert entry['gradients'] == dict(norm=dict(task=3.0), cosine={}, cosine_all=None)


def test_seconds_of_a_run():
    # 10 steps of 1 s, 20 of 3 s, and 5 validations of 2 s; the first two of a phase warm up.
    assert estimate_seconds([10, 20], [[9, 9, 1, 1, 1], [9, 9, 3]], 5, 2.0) == 10 + 60 + 10
    # A phase of which nothing was timed is taken to cost what the others do.
    assert estimate_seconds([10, 20], [[], [9, 9, 3]], 0, 2.0) == 90
