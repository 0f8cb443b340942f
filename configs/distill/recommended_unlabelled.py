"""recommended.py where the labels end: the teacher tells the student what it sees in tiles without labels.

    python tools/prepare_data.py SCENES --unlabelled IMAGES -o PATH      # or any tiles in PATH/img_dir/unlabelled
    python tools/repeat.py configs/distill/recommended_unlabelled.py --data-root PATH

On its own training tiles a teacher says little that the labels do not say; elsewhere what it says is new. So labelled
tiles have their labels alone, and the others the teacher alone, which sees each tile once, in its eight turns and
reflections. An epoch draws one tile without a label for each labelled one at most;
train_dataloader.dataset.unlabelled=5 draws five.
"""

_base_ = 'recommended.py'
experiment = 'recommended_unlabelled'
model = dict(
    distill_where='unlabelled',
    teacher_cache='float16',
    teacher=dict(
        _delete_=True,
        type='SegmentorEnsemble',
        data_preprocessor=_base_.data_preprocessor,
        members=[_base_.efficientnet_lite2],
        views=8,
    ),
    distiller=dict(levels=dict(feature=None)),
)
default_hooks = dict(
    phases=dict(phases=[dict(name='distill', begin=1, by='epoch', weights=dict(task=1.0, distill=2.0))]),
)
