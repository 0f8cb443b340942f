"""The commands as functions, on a tiny run from training to maps."""

import pytest
from PIL import Image

from mapsage_mmseg import api
from mapsage_mmseg.errors import InputError
from tests import small


def test_from_training_to_maps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small.write_configs(tmp_path, epochs=1)
    run = api.train('no_distill.py', api.TrainOptions(seed=3))
    assert run.parent.name == 'experiments' and (run / 'result.json').is_file()
    (record,) = api.compare(run).records
    assert (record['seed'], record['status']) == (3, 'finished')
    found = api.test(run, api.TestOptions(pictures=0))
    assert found.scores['mIoU'] == pytest.approx(record['epochs'][-1]['val']['mIoU'], abs=0.01)
    assert {path.name for path in api.export(run, 'exported')} >= {'student.pth', 'config.py'}
    Image.new('RGB', (70, 40), (90, 120, 60)).save('scene.png')
    drawn = api.predict('exported', ['scene.png'], 'maps', api.PredictOptions(window=64, overlap=8))
    assert Image.open('maps/scene.png').size == (70, 40) and drawn[0].is_file()
    assert api.predict('exported', ['scene.png'], 'maps', api.PredictOptions(window=64, overlap=8)) == drawn


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: api.train('nowhere.py'), 'config nowhere.py does not exist'),
        (lambda: api.compare(['nowhere']), 'nowhere does not exist'),
        (lambda: api.PredictOptions(window=8), '--window 8 must be 32 pixels or more'),
        (lambda: api.OnnxOptions(rounds=0), '--rounds 0 must be a whole number from 1'),
    ],
)
def test_wrong_input_is_an_input_error(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_options_become_the_arguments_of_the_tool():
    options = api.TrainOptions(data_root='tiles', epochs=5, resume=True, cfg_options=('a=1', 'b=2'), launcher='none')
    assert options.argv() == ['--resume', '--cfg-options', 'a=1', 'b=2', '--data-root', 'tiles', '--epochs', '5']
    assert api.TrainOptions(cfg_options={'a.b': 1}).cfg_options == api.TrainOptions(cfg_options='a.b=1').cfg_options
    assert api.TrainOptions().argv() == [] and api.TrainOptions(seed=0).argv() == ['--seed', '0']
