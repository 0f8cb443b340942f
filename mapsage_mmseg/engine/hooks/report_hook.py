"""Leaves a report for people beside the record."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...evaluation.record import open_record
from ..runs.known import judged_against


@HOOKS.register_module()
class ReportHook(Hook):
    """Draws ``<work_dir>/report.html`` when a training ends: the run beside the control and the baseline that it was
    judged by.

    A report that cannot be drawn fails nothing: a warning names the command that draws one.
    """

    priority = 'VERY_LOW'  # behind RecordHook, which has judged by then

    def after_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        path, report = Path(runner.work_dir) / 'result.json', Path(runner.work_dir) / 'report.html'
        try:
            from ...visualization.report import render  # matplotlib costs a second that a start can do without

            record = open_record(path)
            root = runner.cfg.get('experiments', 'experiments')
            baseline, control = judged_against(root, record) if record['teacher'] else (None, None)
            runs = [other for other in (baseline, control) if other] + [{**record, 'path': str(path)}]
            page = render(runs, control['experiment'] if control else None, focus=record['experiment'])
            report.write_text(page, encoding='utf-8')
            runner.logger.info(f'Report: {report}')
        except Exception as error:  # the run itself is done and recorded
            runner.logger.warning(
                f'report.html was not drawn ({type(error).__name__}: {error}); draw it with: '
                f'python tools/compare.py {runner.work_dir} -o {report}'
            )
