default_scope = 'mmseg'
custom_imports = dict(imports=['mapsage_mmseg.register'], allow_failed_imports=False)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Seconds that a process waits for another, which may be reading every tile first; one that died is noticed at once.
    dist_cfg=dict(backend='nccl', timeout=7200),
)
model_wrapper_cfg = dict(type='mmseg.DistillDataParallel')  # under a launcher; it serves CPUs too
randomness = dict(seed=0)
experiments = 'experiments'  # where run directories and trained teachers are kept

default_hooks = dict(  # by name, so that a config or --cfg-options can reach each
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    lock=dict(type='LockHook'),
    checkpoint=dict(type='RunCheckpointHook', interval=1, max_keep_ckpts=2, save_best='mIoU', rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    seed=dict(type='SeedHook'),
    record=dict(type='RecordHook'),
    diagnosis=dict(type='DiagnosisHook'),
    scalars=dict(type='ScalarHook', interval=10),
    history=dict(type='HistoryHook', steps=1000),
    panels=dict(type='PanelHook', images=4, interval=5),
    progress=dict(type='ProgressHook'),
    report=dict(type='ReportHook'),
    rescue=dict(type='RescueHook'),
    interrupt=dict(type='InterruptHook'),
)
# MMEngine's own pattern would print the mean of many validations as task_loss.
log_processor = dict(window_size=50, by_epoch=True, mean_pattern=r'(^|[/.])loss|time|grad_norm')
log_level = 'INFO'
vis_backends = [dict(type='RunTensorboardBackend')]
# Without a name: each run gets its own. A fixed one would be shared by a teacher's run and its student's in one
# process.
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends)

val_evaluator = [
    dict(type='ClassIoU'),
    dict(type='TaskLoss'),
    dict(type='BoundaryF1'),
    dict(type='TeacherAgreement'),
    dict(type='ClassIoU', key='teacher_pred_sem_seg', prefix='teacher'),
]
test_evaluator = val_evaluator
load_from = None
resume = False
