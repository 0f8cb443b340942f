"""Gradient of each loss term at the last layer that all terms share."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class TermGradients:
    """Norms and directions of the terms' gradients at the student's last shared parameter.

    The backward to that parameter is short, and terms can be compared there (Chen et al. 2018, arXiv:1711.02257,
    section 3). The parameter is found once for each set of terms, with one full backward per term.

    Args:
        student: The student. Its parameters, or those of its ``backbone`` if it has one, are searched from last to
            first.
        outside: Paths of modules whose parameters are left out. A module that a level records is that level's own
            layer, not a shared one; its gradient there would dominate the others'.
    """

    def __init__(self, student: nn.Module, outside: Iterable[str] = ()) -> None:
        self._student = student
        self._start = 'backbone.' if hasattr(student, 'backbone') else ''
        self._outside = tuple(f'{path}.' for path in outside if path != 'backbone')
        self._found: dict[tuple[str, ...], tuple[str, nn.Parameter]] = {}

    def shared(self, terms: Mapping[str, Tensor]) -> tuple[str, nn.Parameter] | None:
        """Returns name and parameter of the last shared layer; None if the terms share none.

        A term without any gradient is left out of the search, so that one dead level does not block the others.
        """
        key = tuple(terms)
        if key not in self._found:
            named = [
                (name, value)
                for name, value in self._student.named_parameters()
                if value.requires_grad and name.startswith(self._start) and not name.startswith(self._outside)
            ]
            shared = set(dict(named))
            for term in terms.values():
                reached = _reached(term, named)
                shared &= reached or shared
            # A weight, not a bias: only a matrix has enough directions to distinguish two terms.
            found = [(name, value) for name, value in named if name in shared and value.ndim > 1]
            if not found:
                return None
            self._found[key] = found[-1]
        return self._found[key]

    def gram(self, terms: Mapping[str, Tensor]) -> Tensor | None:
        """Returns the inner products of the terms' gradients, (T, T) in float32, in the terms' order; None if the terms
        share no layer.

        The norms are the roots of the diagonal; norm and cosine of any weighted sum of terms follow from it too. The
        graph is retained, and nothing is copied from the device.
        """
        found = self.shared(terms)
        if found is None:
            return None
        parameter = found[1]
        zero = torch.zeros_like(parameter)
        rows = [_gradients(term, [parameter])[0] if term.requires_grad else None for term in terms.values()]
        matrix = torch.stack([(zero if row is None else row).flatten().float() for row in rows])
        return matrix @ matrix.T


def _reached(term: Tensor, named: list[tuple[str, nn.Parameter]]) -> set[str]:
    if not term.requires_grad:
        return set()
    gradients = _gradients(term, [value for _, value in named])
    return {name for (name, _), gradient in zip(named, gradients, strict=True) if gradient is not None}


def _gradients(term: Tensor, parameters: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)


@torch.no_grad()
def norms_and_cosines(gram: Tensor, weights: Mapping[str, float | Tensor]) -> dict[str, Tensor]:
    """Converts a Gram matrix to named scalars, on its device.

    Args:
        gram: (T, T), see :meth:`TermGradients.gram`.
        weights: Effective weight of each of its T terms, in order. Cosines are computed only if ``task`` is one of
            them.

    Returns:
        ``norm/<term>``, unweighted; ``cosine/<level>`` with the task's gradient; ``cosine_all`` of the weighted sum of
        all levels with the task's gradient. The cosine of a zero gradient is 0.
    """
    names = list(weights)
    found = {f'norm/{name}': gram[i, i].sqrt() for i, name in enumerate(names)}
    if 'task' not in weights or len(names) < 2:
        return found
    task = names.index('task')
    for i, name in enumerate(names):
        if i != task:
            found[f'cosine/{name}'] = _cosine(gram[task, i], gram[task, task], gram[i, i])
    # Not torch.tensor(weights): a copy to the device would synchronise.
    levels = [(i, weights[name]) for i, name in enumerate(names) if i != task]
    products = torch.stack([weight * gram[i] for i, weight in levels]).sum(dim=0)
    square = torch.stack([weight * products[i] for i, weight in levels]).sum()
    found['cosine_all'] = _cosine(products[task], gram[task, task], square)
    return found


def _cosine(product: Tensor, square: Tensor, other: Tensor) -> Tensor:
    return product / (square * other).sqrt().clamp_min(1e-30)
