from .channels_last_hook import ChannelsLastHook
from .checkpoint_hook import RunCheckpointHook
from .compile_hook import CompileHook
from .diagnosis_hook import DiagnosisHook
from .dry_run_hook import DryRunHook
from .history_hook import HistoryHook
from .interrupt_hook import InterruptHook
from .lock_hook import LockHook
from .panel_hook import PanelHook
from .phase_aware_hook import PhaseAwareHook
from .progress_hook import ProgressHook
from .record_hook import RecordHook
from .report_hook import ReportHook
from .rescue_hook import RescueHook
from .scalar_hook import ScalarHook
from .seed_hook import SeedHook
from .student_mean_hook import StudentMeanHook
from .teacher_hook import TeacherHook
from .temperature_hook import TemperatureHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DiagnosisHook',
    'DryRunHook',
    'HistoryHook',
    'InterruptHook',
    'LockHook',
    'PanelHook',
    'PhaseAwareHook',
    'ProgressHook',
    'RecordHook',
    'ReportHook',
    'RescueHook',
    'RunCheckpointHook',
    'ScalarHook',
    'SeedHook',
    'StudentMeanHook',
    'TeacherHook',
    'TemperatureHook',
]
