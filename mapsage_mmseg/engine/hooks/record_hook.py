"""Writes a run's config to ``config.py`` and its results to ``result.json``, epoch by epoch."""

import logging
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from ...errors import RunStopped
from ...evaluation.criteria import judge
from ...evaluation.milestones import milestones
from ...evaluation.over_images import NAME
from ...evaluation.record import read_record, summarise, write_record
from ...evaluation.verdict_text import verdict_lines
from ...metrics.class_iou import STUDENT_FIELD, ClassIoU
from ...whole_file import whole_file, write_text
from ..guarded_step import gradient_norm
from ..processes import from_first, global_means
from ..runner_model import model_of
from ..runs.facts import run_facts
from ..runs.known import judged_against


@HOOKS.register_module()
class RecordHook(Hook):
    """Keeps the run's record: what ran, the terms of every epoch, and how it ended.

    There is one entry per epoch, or per validation under an iteration loop. Values stay on the device until an entry is
    made, so no step waits for them. A checkpoint carries the entries so far, and in mid-epoch the epoch's values so
    far, so a resumed run has them all, even if ``result.json`` is lost. With several processes, the first one writes,
    and the values of each step are means over all processes, computed once per entry.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self._steps: dict[str, list] = defaultdict(list)
        self._seconds = 0.0
        self._before: dict[str, Any] | None = None  # record of the checkpoint that was resumed
        self._unwritten = False
        self.record: dict[str, Any] = {}

    def before_train(self, runner: Runner) -> None:
        self._path = Path(runner.work_dir) / 'result.json'
        self.record = run_facts(runner)
        images, processes = self.record['images_per_step'], self.record['processes']
        runner.logger.info(f'Run directory: {runner.work_dir}')
        runner.logger.info(f'A step sees {images} images: {processes} process{"es" * (processes > 1)}')
        if is_main_process():
            write_text(Path(runner.work_dir) / 'config.py', runner.cfg.pretty_text)
        self._started = time.perf_counter()
        if runner.iter:
            before = self._before or read_record(self._path) or {}
            self.record['epochs'] = [entry for entry in before.get('epochs', []) if entry['iter'] <= runner.iter]
            seen = {entry['epoch'] for entry in self.record['epochs']}
            self.record['dataset']['skipped'] = before.get('skipped', [])
            self.record['student']['start'] = before.get('student', {}).get('start')
            self.record['findings'] = [found for found in before.get('findings', []) if found['epoch'] in seen]
        self._write()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        model = model_of(runner)
        declared = runner.message_hub.runtime_info.get('distill/weights', {})
        weights = {f'weight/{term}': weight for term, weight in declared.items() if term in (outputs or {})}
        measured = {**weights, **getattr(model, 'term_gradients', {}), **getattr(model, 'effective_weights', {})}
        for key, value in {**(outputs or {}), **measured}.items():
            self._steps[key].append(value.detach() if isinstance(value, torch.Tensor) else torch.tensor(float(value)))
        if (norm := gradient_norm(runner)) is not None:
            self._steps['grad_norm'].append(torch.tensor(norm))
        # Not in after_train_epoch: a checkpoint of this step must contain the entry.
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            if self.end_of_epoch(runner.train_dataloader, batch_idx):
                self._close_entry(runner, runner.epoch + 1)
        elif (runner.iter + 1) % runner.train_loop.val_interval == 0 or runner.iter + 1 == runner.max_iters:
            self._close_entry(runner, len(self.record['epochs']) + 1)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if not self.record.get('epochs'):  # a validation outside training
            return
        self.record['epochs'][-1]['val'] = val_entry(metrics or {})
        self._note_skipped(runner.val_dataloader.dataset)
        self._write_areas(runner)
        self._write()
        self._started = time.perf_counter()

    def after_train(self, runner: Runner) -> None:
        done = runner.iter >= runner.max_iters
        self.record['status'] = 'finished' if done or runner.train_loop.stop_training else 'interrupted'
        if self.record['teacher']:
            self._judge(runner)
        self._write()
        if from_first(lambda: self._unwritten):
            raise RunStopped(f'{self._path} could not be written; make room, and --resume writes it')

    def _judge(self, runner: Runner) -> None:
        baseline, control = judged_against(runner.cfg.get('experiments', 'experiments'), self.record)
        self.record['rolled_back'] = max((getattr(hook, 'rolled_back', 0) for hook in runner.hooks), default=0)
        self.record['criteria'] = judge(self.record, baseline, control)
        for line in verdict_lines(self.record['criteria'], milestones(self.record), self.record['findings']):
            runner.logger.info(line)

    def before_checkpoint(self, runner: Runner) -> None:
        if get_world_size() > 1:
            self._steps = defaultdict(list, {key: list(values.unbind()) for key, values in self._of_all().items()})

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        elapsed = self._seconds + time.perf_counter() - self._started
        checkpoint['record'] = dict(
            steps={key: torch.stack([v.cpu() for v in values]) for key, values in self._steps.items()},
            seconds=elapsed,
            skipped=self.record.get('dataset', {}).get('skipped', []),
            **{key: self.record[key] for key in ('student', 'epochs', 'findings') if key in self.record},
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        saved = checkpoint.get('record')
        if runner._resume and saved:
            self._steps = defaultdict(list, {key: list(values.unbind()) for key, values in saved['steps'].items()})
            self._seconds = saved['seconds'] if saved['steps'] else 0.0
            self._before = saved if 'epochs' in saved else None

    def add_findings(self, findings: list[dict[str, Any]]) -> None:
        """Adds the findings of a diagnosis."""
        self.record['findings'] += findings
        self._write()

    def after_failure(self, runner: Runner, status: str) -> None:
        """Records the status of a run that did not reach its end."""
        if self.record:
            self.record['status'] = status
            self._write()

    def _close_entry(self, runner: Runner, epoch: int) -> None:
        seconds = self._seconds + time.perf_counter() - self._started
        steps = {key: values.tolist() for key, values in self._of_all().items()}
        hub = runner.message_hub.runtime_info
        entry = summarise(steps, weights=hub.get('distill/weights', {'task': 1.0}))
        phase = hub.get('distill/phase')
        entry = dict(
            epoch=epoch,
            iter=runner.iter + 1,
            phase=phase['name'] if phase else None,
            temperature=hub.get('distill/temperature'),
            lr=float(runner.message_hub.get_scalar('train/lr').current()),
            **entry,
            val=None,
            seconds=round(seconds, 3),
        )
        self.record['teacher'] = hub.get('distill/teacher')
        self._note_skipped(runner.train_dataloader.dataset)
        self.record['epochs'] = [old for old in self.record['epochs'] if old['epoch'] < epoch] + [entry]
        self._steps.clear()
        self._seconds, self._started = 0.0, time.perf_counter()
        self._write()

    def _of_all(self) -> dict[str, torch.Tensor]:
        """Returns each step's values so far as means over the processes, with ``labelled``, the share of processes
        with labels."""
        steps = {key: torch.stack([v.to('cpu') for v in values]) for key, values in self._steps.items()}
        if 'task' in steps:
            known = steps.get('labelled', steps['task'][:0])  # of steps that were averaged already
            steps['labelled'] = torch.cat([known, (steps['task'][len(known) :] != 0).to(known)])
        return global_means(steps)

    def _write_areas(self, runner: Runner) -> None:
        """Saves the areas of each validation image, for comparisons that resample the images."""
        found = (
            metric.areas
            for metric in runner.val_loop.evaluator.metrics
            if isinstance(metric, ClassIoU) and metric.key == STUDENT_FIELD and metric.areas is not None
        )
        if is_main_process() and (areas := next(found, None)) is not None:
            with suppress(OSError), whole_file(self._path.with_name(NAME)) as file:  # a full disk is reported already
                np.savez_compressed(file, areas=areas.numpy())

    def _note_skipped(self, dataset: Any) -> None:
        if hasattr(dataset, 'skipped_images'):
            known = self.record['dataset']['skipped']
            known += [name for name in dataset.skipped_images() if name not in known]
            dataset.check_skipped()

    def _write(self) -> None:
        if not is_main_process():
            return
        try:
            write_record(self._path, self.record)
        except OSError as error:
            if not self._unwritten:
                print_log(
                    f'{self._path} could not be written ({error.strerror}): it stays as it was',
                    'current',
                    logging.ERROR,
                )
            self._unwritten = True
        else:
            self._unwritten = False


def val_entry(metrics: dict[str, float]) -> dict[str, Any]:
    """Returns validation metrics in the record's form."""
    metrics = {key: float(value) for key, value in metrics.items()}  # stock metrics return numpy scalars
    entry: dict[str, Any] = {
        key: metrics.get(key) for key in ('task_loss', 'mIoU', 'aAcc', 'boundary_f1', 'teacher_agreement')
    }
    entry['IoU'] = {key.removeprefix('IoU.'): value for key, value in metrics.items() if key.startswith('IoU.')}
    entry['teacher_mIoU'] = metrics.get('teacher/mIoU')
    return entry
