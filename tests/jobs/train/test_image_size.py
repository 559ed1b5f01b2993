"""A run is trained on images of the size that its config names."""

from dataclasses import replace

import pytest

from symscape.config.analysis import PlaceConfig
from symscape.errors import SymscapeError
from symscape.jobs.analysis.images import images_of
from symscape.jobs.train.job import train
from symscape.runs.find import open_run
from symscape.runs.identity import identify
from tests.jobs.tiny import stop_in_epoch, tiny

pytestmark = pytest.mark.usefixtures("no_pictures")


def sized(root, size):
    return tiny(root, data={"image_size": size}, trainer={"max_epochs": 1})


def test_a_run_and_its_analyses_have_the_size_of_the_config(tmp_path):
    result = train(sized(tmp_path, 33))
    run = open_run(result.folder)
    assert (run.manifest.data["height"], run.manifest.data["width"]) == (33, 33)
    assert images_of(run, PlaceConfig()).test.images.shape[1:] == (1, 33, 33)
    assert not train(sized(tmp_path, 33)).trained


def test_the_size_that_the_images_have_is_a_run_of_its_own_nevertheless(tmp_path):
    """Names of runs stay as they were."""
    assert identify(tiny(tmp_path), "digits").name != identify(sized(tmp_path, 32), "digits").name


def test_a_run_that_an_older_version_began_on_other_pixels_is_not_resumed(tmp_path, monkeypatch):
    config = sized(tmp_path, 33)
    with monkeypatch.context() as older:
        older.setattr("symscape.data.load.resized", lambda images, size: images)
        stop_in_epoch(older, 0, lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(config)
    with pytest.raises(SymscapeError, match=r"^.*seed=0: it began with other images; force=true"):
        train(config)


def test_a_run_that_an_older_version_finished_on_other_pixels_is_refused(tmp_path, monkeypatch):
    config = sized(tmp_path, 33)
    with monkeypatch.context() as older:
        older.setattr("symscape.data.load.resized", lambda images, size: images)
        train(config)
    with pytest.raises(SymscapeError, match=r"data.image_size=33, but .* trained it on 32 pixels"):
        train(config)
    assert train(replace(config, force=True)).trained
