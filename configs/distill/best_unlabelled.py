"""best.py that learns from tiles without a label too: what its teacher sees in them, from every level.

    python tools/prepare_data.py SCENES --unlabelled IMAGES -o PATH      # or any tiles in PATH/img_dir/unlabelled
    python tools/train.py configs/distill/best_unlabelled.py --data-root PATH

For imagery that looks other than what was labelled. An epoch draws as many of these tiles as there are labelled
ones, at most, so it takes up to twice as long; train_dataloader.dataset.unlabelled=3 draws three times as many.
"""

_base_ = 'best.py'
experiment = 'best_unlabelled'
model = dict(distill_where='everywhere')
