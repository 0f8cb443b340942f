"""The report of a run, drawn at its end."""

import shlex
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...evaluation.record import open_record
from ...whole_file import write_text
from ..runs.known import judged_against, judging


@HOOKS.register_module()
class ReportHook(Hook):
    """Draws ``<work_dir>/report.html`` when a training ends: the run beside the control and the baseline that judge it.

    Reports of finished runs that have this run as their control or baseline are drawn again. If a report cannot be
    drawn, the run does not fail: a warning names the command that draws the report.
    """

    priority = 'VERY_LOW'  # after RecordHook, which judges the run

    def after_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        root, folder = runner.cfg.get('experiments', 'experiments'), Path(runner.work_dir)
        self._draw(runner, root, folder, 'Report')
        for other in judging(root, folder / 'result.json'):
            self._draw(runner, root, other, 'Report, drawn again with this run')

    @staticmethod
    def _draw(runner: Runner, root: str, folder: Path, what: str) -> None:
        path, report = folder / 'result.json', folder / 'report.html'
        try:
            from ...visualization.report import render  # imported late: matplotlib takes a second

            record = open_record(path)
            baseline, control = judged_against(root, record) if record['teacher'] else (None, None)
            runs = [other for other in (baseline, control) if other] + [{**record, 'path': str(path)}]
            write_text(report, render(runs, control['experiment'] if control else None, focus=record['experiment']))
            runner.logger.info(f'{what}: {report}')
        except Exception as error:  # the run itself is done and recorded
            runner.logger.warning(
                f'{report} was not drawn ({type(error).__name__}: {error}); draw it with: '
                f'python tools/compare.py {shlex.quote(str(folder))} -o {shlex.quote(str(report))}'
            )
