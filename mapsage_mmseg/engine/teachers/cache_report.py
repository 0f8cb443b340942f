"""Agreement of a teacher cache with the live teacher, and its break-even point."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.nn import functional as F

from ...datasets.sampler import DrawIndex, epoch_size
from ...evaluation.timing import spread
from ...models.losses.masking import masked_mean, resize_mask
from ...models.segmentors.cached_records import cached_records
from ...models.segmentors.multi_level_distill import last_head
from .cache import Built, TeacherCache

BATCHES = 8  # batches of the training pipeline on which cached and live teacher are compared


def report(cache: TeacherCache, built: Built) -> dict[str, Any]:
    """Compares the cache with the live teacher on augmented crops, and logs and returns the results, for the record."""
    runner, model = cache.runner, cache.model
    images = len(cache.dataset)
    found = dict(
        key=cache.key,
        keep=model.teacher_cache.keep,
        levels=list(cache.levels),
        images=images,
        bytes_per_image=cache.bytes_per_image(),
        built=built.images,
        build_seconds=round(built.seconds, 3),
    )
    sources, seconds = compare(cache)
    steps = epoch_size(cache.dataset) / (runner.train_dataloader.batch_size * runner.world_size)
    saved = seconds * steps
    found.update(
        teacher_seconds=round(seconds, 5), break_even_epochs=round(built.seconds / saved, 2), against_live=sources
    )
    size = found['bytes_per_image']
    how = f'{built.images} built in {built.seconds:.1f} s' if built.images else 'all found'
    runner.logger.info(
        f'Teacher cache {cache.store.folder}: {", ".join(cache.levels)} in {model.teacher_cache.keep} of {images} '
        f'images, {size / 1e3:.1f} kB each, {size * images / 1e6:.1f} MB, {how}'
    )
    for source, scores in sources.items():
        runner.logger.info(
            f'Teacher cache: {source} against the live teacher on {scores["images"]} augmented crops: '
            f'{_in_words(scores)}'
        )
    paid = f'; building it is paid back after {found["break_even_epochs"]} epochs of distillation'
    runner.logger.info(
        f"Teacher cache: it saves the teacher's {seconds:.3f} s a step, {saved:.1f} s an epoch of {steps:.0f} steps"
        + (paid if built.images else '')
    )
    return found


def _in_words(scores: dict[str, float]) -> str:
    if 'agreement' in scores:
        return f'the same class at {scores["agreement"]:.1f} % of valid pixels, mean KL {scores["kl"]:.3g}'
    return f'mean cosine {scores["cosine"]:.4f}'


@torch.no_grad()
def compare(cache: TeacherCache) -> tuple[dict[str, dict[str, float]], float]:
    """Compares cached with live maps, over a few batches of the training pipeline.

    Returns:
        By source ``images``, and for logits ``agreement`` (percent of valid pixels with the same top class) and ``kl``
        (KL(live || cached) at temperature 1, mean over valid pixels), for other maps ``cosine`` (over channels, mean
        over valid positions); and the median seconds of the teacher's forward over a batch.
    """
    model, sums, seconds, images = cache.model, dict[str, list[Tensor]](), list[float](), 0
    strides = {source: kind.stride for source, kind in cache.store.kinds.items()}
    for batch in _batches(cache):
        data = model.data_preprocessor(pseudo_collate(batch), True)
        inputs, samples = data['inputs'], data['data_samples']
        cached = cached_records(samples, strides, inputs.shape[-2:])
        _wait(inputs)
        began = time.perf_counter()
        model.run_teacher(inputs, samples, cache.levels)
        _wait(inputs)
        seconds.append(time.perf_counter() - began)
        live = model.distiller.records('teacher', cache.levels)
        model.distiller.forget()
        valid, images = model.valid(samples), images + len(batch)
        for source, values in cached.items():
            sums.setdefault(source, []).append(_scores(values.float(), live[source].float(), valid, model))
    found = {}
    for source, batches in sums.items():
        # weight each batch's means by its number of positions
        values, counts = torch.stack(batches).double().split([2, 1], dim=1)
        first, second = ((values * counts).sum(0) / counts.sum().clamp_min(1)).tolist()
        logits = cache.store.kinds[source].channels == last_head(model.student).num_classes
        scores = (
            dict(agreement=round(100 * first, 2), kl=float(f'{second:.4g}')) if logits else dict(cosine=round(first, 4))
        )
        found[source] = dict(images=images, **scores)
    return found, spread(seconds)[0]


def _scores(cached: Tensor, live: Tensor, valid: Tensor, model: Any) -> Tensor:
    """Returns (agreement or cosine, KL, number of positions)."""
    if live.shape[-2:] != cached.shape[-2:]:
        live = F.interpolate(live, size=cached.shape[-2:], mode='bilinear', align_corners=False)
    mask = resize_mask(valid, cached.shape[-2:])
    if cached.shape[1] != last_head(model.student).num_classes:
        cosine = masked_mean(F.cosine_similarity(cached, live, dim=1).unsqueeze(1), mask)
        return torch.stack([cosine, torch.zeros_like(cosine), mask.sum()])
    same = (cached.argmax(dim=1, keepdim=True) == live.argmax(dim=1, keepdim=True)).float()
    log_live, log_cached = live.log_softmax(dim=1), cached.log_softmax(dim=1)
    divergence = (log_live.exp() * (log_live - log_cached)).sum(dim=1, keepdim=True)
    return torch.stack([masked_mean(same, mask), masked_mean(divergence, mask), mask.sum()])


def _batches(cache: TeacherCache) -> Iterator[list[dict]]:
    """Yields the same batches in every run: images evenly spread over the data, augmented as in a first epoch."""
    dataset, pipeline = cache.dataset, cache.pipeline()
    size = cache.runner.train_dataloader.batch_size
    count = min(BATCHES * size, len(dataset))
    indices = torch.linspace(0, len(dataset) - 1, count).round().int().tolist()
    drawn = (pipeline(dataset.get_data_info(DrawIndex(index, cache.runner.seed, 0))) for index in indices)
    samples = [sample for sample in drawn if sample is not None]
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
