"""ISPRS Vaihingen (near infrared, red, green) in cuts of 512 x 512 pixels: 6 classes; 0 in its masks is ignored."""

_base_ = 'potsdam.py'
train_data = dict(type='ISPRSDataset', data_root='data/vaihingen')
val_data = dict(type='ISPRSDataset', data_root='data/vaihingen')
