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
    """Draws ``<work_dir>/report.html`` when a training ends: the run beside the control and the baseline that it was
    judged by. Reports of finished runs that this one is the control or the baseline of are drawn again.

    A report that cannot be drawn fails nothing: a warning names the command that draws one.
    """

    priority = 'VERY_LOW'  # behind RecordHook, which has judged by then

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
            from ...visualization.report import render  # matplotlib costs a second that a start can do without

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
