"""Batch norms of a frozen model, folded into the convolutions before them."""

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

CLOSE = 1e-3  # relative to the largest value: rounding stays far below it, wrong pairs far above


@torch.no_grad()
def fold_batch_norms(model: nn.Module, run: Callable[[], Any], recorded: Collection[str]) -> int:
    """Folds each batch norm into the convolution before it, and replaces it by an identity.

    The pairs are found by a forward, not by names or order, so any architecture works. If the recorded outputs change
    (because another module reads a convolution's output too), everything is restored.

    Args:
        model: In eval mode, with its weights loaded; changed in place. Its module paths stay the same.
        run: Runs the model's forward on some input and returns the result.
        recorded: Paths of modules whose outputs must stay the same; a pair that contains one of them is not folded.

    Returns:
        The number of batch norms that were folded.
    """
    modules = dict(model.named_modules())
    watched = {path: modules[path] for path in recorded}
    pairs = _pairs(model, run, kept=list(watched.values()))
    if not pairs:
        return 0
    before = _outputs(watched, run)
    parents = {child: (parent, name) for parent in model.modules() for name, child in parent.named_children()}
    undo = [(conv, conv.weight, conv.bias, norm, *parents[norm]) for conv, norm in pairs]
    for conv, _, _, norm, parent, name in undo:
        _fold(conv, norm)
        parent._modules[name] = nn.Identity()
    if _alike(before, _outputs(watched, run)):
        return len(pairs)
    for conv, weight, bias, norm, parent, name in undo:
        conv.weight, conv.bias, parent._modules[name] = weight, bias, norm
    print_log('The teacher keeps its batch norms: without them its outputs would change', 'current')
    return 0


def _pairs(model: nn.Module, run: Callable[[], Any], kept: Collection[nn.Module]) -> list[tuple[Any, Any]]:
    """Returns the pairs of a convolution and the batch norm that reads it, if each ran exactly once."""
    calls: Counter[nn.Module] = Counter()
    produced: list[tuple[Tensor, nn.Module]] = []
    found: dict[nn.Module, nn.Module] = {}

    def after(module: nn.Module, args: Any, output: Any) -> None:
        calls[module] += 1
        if isinstance(module, nn.Conv2d) and isinstance(output, Tensor):
            produced.append((output, module))  # keeps the tensor alive, so that no other one reuses its memory

    def before(module: nn.Module, args: Any) -> None:
        conv = next((conv for output, conv in produced if output is args[0]), None)
        if conv is not None and conv not in kept and module not in kept:
            found[module] = conv

    handles = [module.register_forward_hook(after) for module in model.modules()]
    norms = [norm for norm in model.modules() if isinstance(norm, _BatchNorm) and norm.running_mean is not None]
    handles += [norm.register_forward_pre_hook(before) for norm in norms]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    readers = Counter(found.values())
    return [
        (conv, norm) for norm, conv in found.items() if calls[conv] == 1 and calls[norm] == 1 and readers[conv] == 1
    ]


def _fold(conv: Any, norm: Any) -> None:
    """Folds y = (w x + b - mean) * scale + shift into one convolution; computed in float64."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.double()
    shift = 0.0 if norm.bias is None else norm.bias.double()
    bias = 0.0 if conv.bias is None else conv.bias.double()
    weight = conv.weight
    kernel = (weight.double() * scale[:, None, None, None]).to(weight.dtype)
    conv.bias = nn.Parameter(((bias - norm.running_mean.double()) * scale + shift).to(weight.dtype), False)
    conv.weight = nn.Parameter(kernel, requires_grad=False)


def _outputs(watched: dict[str, nn.Module], run: Callable[[], Any]) -> list[Tensor]:
    seen: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda module, args, output: seen.extend(_tensors(output)))
        for module in watched.values()
    ]
    try:
        seen.extend(_tensors(run()))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _tensors(output: Any) -> list[Tensor]:
    items = output if isinstance(output, list | tuple) else [output]
    return [item for item in items if isinstance(item, Tensor)]


def _alike(before: list[Tensor], after: list[Tensor]) -> bool:
    return len(before) == len(after) and all(
        bool((a - b).abs().max() <= CLOSE * a.abs().max()) for a, b in zip(before, after, strict=True) if a.numel()
    )
