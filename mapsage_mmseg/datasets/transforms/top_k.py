"""Compact predictions: log-probabilities of the k likeliest classes, and the probability mass of the rest."""

import numpy as np


def top_k_dtype(k: int, classes: int) -> np.dtype:
    """Returns the dtype of one position: k + 1 log-probabilities, the last one of the rest, and the k class numbers."""
    return np.dtype([('log', '<f2', (k + 1,)), ('index', '|u1' if classes <= 256 else '<u2', (k,))])


def keep_top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Keeps the k likeliest classes of each position, at temperature 1.

    Args:
        logits: (h, w, C) in float32.
        k: Number of classes to keep, below C.

    Returns:
        (h, w) of :func:`top_k_dtype`.
    """
    order = np.argpartition(-logits, k, axis=-1)
    kept, rest = (np.take_along_axis(logits, part, axis=-1) for part in (order[..., :k], order[..., k:]))
    logs = np.concatenate([kept, _logsumexp(rest)], axis=-1)
    entries = np.empty(logits.shape[:2], top_k_dtype(k, logits.shape[-1]))
    entries['log'], entries['index'] = logs - _logsumexp(logs), order[..., :k]
    return entries


def spread(entries: np.ndarray, classes: int) -> np.ndarray:
    """Returns log-probabilities of all classes; the mass of the rest is divided equally among the classes not kept.

    At temperature 1, the kept probabilities and the mass of the rest are exact (up to float16). At T > 1, the mass of
    the rest is too large, because an equal division has the largest sum of p^(1/T). The error vanishes with that mass,
    so choose k to leave little of it.

    Args:
        entries: (...) of :func:`top_k_dtype`.
        classes: C.

    Returns:
        (..., C) in float32: logits, up to a constant at each position.
    """
    logs, index = entries['log'].astype(np.float32), entries['index'].astype(np.intp)
    k = index.shape[-1]
    share = logs[..., k:] - np.float32(np.log(classes - k))
    dense = np.repeat(share, classes, axis=-1)
    np.put_along_axis(dense, index, logs[..., :k], axis=-1)
    return dense


def _logsumexp(values: np.ndarray) -> np.ndarray:
    highest = values.max(axis=-1, keepdims=True)
    return highest + np.log(np.exp(values - highest).sum(axis=-1, keepdims=True))
