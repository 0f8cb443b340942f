"""Gradient of each loss term at the last layer that all of them share."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class TermGradients:
    """Norms and directions of the terms' gradients at the student's last shared parameter.

    There a term's backward is short, and terms can be compared (Chen et al. 2018, arXiv:1711.02257, section 3). The
    parameter is found once for each set of terms, by one whole backward a term.

    Args:
        student: Its parameters are searched from the last to the first, those of its ``backbone`` where it has one.
        outside: Paths of modules whose own parameters do not count: what a level records is its own layer rather than
            a shared one, and its gradient there drowns the others'.
    """

    def __init__(self, student: nn.Module, outside: Iterable[str] = ()) -> None:
        self._student = student
        self._start = 'backbone.' if hasattr(student, 'backbone') else ''
        self._outside = tuple(f'{path}.' for path in outside if path != 'backbone')
        self._found: dict[tuple[str, ...], tuple[str, nn.Parameter]] = {}

    def shared(self, terms: Mapping[str, Tensor]) -> tuple[str, nn.Parameter] | None:
        """Name and parameter of the last shared layer; None where the terms share nothing.

        A term without any gradient is left out of the search, so that a dead level does not hide the others.
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
            # A weight, not a bias: only a matrix has directions enough to tell two terms apart.
            found = [(name, value) for name, value in named if name in shared and value.ndim > 1]
            if not found:
                return None
            self._found[key] = found[-1]
        return self._found[key]

    def gram(self, terms: Mapping[str, Tensor]) -> Tensor | None:
        """Inner products of the terms' gradients, (T, T) in float32, in the terms' order; the graph stays.

        Norms are the roots of its diagonal, and any weighted sum of terms has its norm and cosine in it. Nothing is
        read back from the device. None where the terms share no layer.
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
    """A Gram matrix as scalars by name, on its device.

    Args:
        gram: (T, T), see :meth:`TermGradients.gram`.
        weights: Effective weight of each of its T terms, in order; ``task`` among them, or no cosine is made.

    Returns:
        ``norm/<term>``, unweighted; ``cosine/<level>`` with the task's gradient; ``cosine_all`` of all levels together,
        as weighted. The cosine of a zero gradient is 0.
    """
    names = list(weights)
    found = {f'norm/{name}': gram[i, i].sqrt() for i, name in enumerate(names)}
    if 'task' not in weights or len(names) < 2:
        return found
    task = names.index('task')
    for i, name in enumerate(names):
        if i != task:
            found[f'cosine/{name}'] = _cosine(gram[task, i], gram[task, task], gram[i, i])
    # Not torch.tensor(weights): a copy to the device would wait for it.
    levels = [(i, weights[name]) for i, name in enumerate(names) if i != task]
    products = torch.stack([weight * gram[i] for i, weight in levels]).sum(dim=0)
    square = torch.stack([weight * products[i] for i, weight in levels]).sum()
    found['cosine_all'] = _cosine(products[task], gram[task, task], square)
    return found


def _cosine(product: Tensor, square: Tensor, other: Tensor) -> Tensor:
    return product / (square * other).sqrt().clamp_min(1e-30)
