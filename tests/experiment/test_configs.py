"""Every config builds, names its tasks, and trains a step through its real reader, on a miniature of its data."""

import itertools
import runpy

import keras
import minis
import numpy as np
import pytest
import tiny

from tfuda import names
from tfuda.data import catalogue
from tfuda.experiment import build, recipes_tllib
from tfuda.methods.source_only import SourceOnly

FILES = minis.CONFIGS
pytestmark = pytest.mark.usefixtures("few_emoji", "untraced")


# As others, by a recipe to compare with below, or among the slow.
ALIKE = ("office_home", "visda", "domainnet", "domainnet40")
EVERY = [(file, cell) for file in FILES for cell in ("", "cdane", "hda+toalign")]


@pytest.mark.parametrize(
    "file, cell",
    [
        pytest.param(
            file, cell, id=f"{file.stem} {cell}", marks=pytest.mark.slow if cell or file.stem in ALIKE else ()
        )
        for file, cell in EVERY
    ],
)
def test_a_config_builds_and_steps(file, cell, miniature):
    config = minis.small(file, miniature, cell)
    task = build.task(config)
    method = build.method(config, task)
    method.fit(build.streams(config, task), verbose=0)
    assert int(method.step.numpy()) == 1
    tiny.has_the_first_loss_of_a_straight_line(method, config, task)


COMPARED = [*recipes_tllib.TABLE, "jan[adversarial=True]", "mada", "symnets", "ent", "mme", "dann+mcc", "cdane+bnm"]
COMPARED += ["cdane+bsp", "hda+toalign+mcc"]
CHOSEN = {("domainnet126", "mme")}
DATA = itertools.cycle(("office31", "office_home", "visda", "domainnet126"))
EACH = sorted({*zip(DATA, COMPARED), *zip(itertools.islice(DATA, 1, None), COMPARED), *CHOSEN})  # each cell on two


@pytest.mark.parametrize(
    "name, cell", [pytest.param(*each, marks=[] if each in CHOSEN else pytest.mark.slow) for each in EACH]
)
def test_a_method_to_compare_with_builds_and_steps_by_its_recipe(name, cell, miniature):
    config = minis.small(FILES[0].with_name(f"{name}.py"), miniature, cell)
    task, method = tiny.prepared(config)
    method.fit(build.streams(config, task), verbose=0)
    assert int(method.step.numpy()) == 1
    if config.method not in ("adda", "mcd", "ent", "mme", "symnets"):  # several updates, or logits of two classifiers
        tiny.has_the_first_loss_of_a_straight_line(method, config, task)


@pytest.mark.parametrize("cell", ["pada", pytest.param("iwan", marks=pytest.mark.slow)])
def test_partial_methods_step_on_the_named_classes(cell, miniature):
    config = minis.small(FILES[0].with_name("office31.py"), miniature, cell)
    config.partial = "caltech"
    task, method = tiny.prepared(config)
    assert len(set(task.tests["target"].labels)) == 10
    method.fit(build.streams(config, task), verbose=0)
    assert np.isfinite(float(method.meters["domain"].result())) and method.pada == (cell == "pada")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_config_shows_its_command_and_its_task_lists_exist(file):
    found = runpy.run_path(str(file))
    assert f"--config=configs/{file.name}" in found["__doc__"]
    config = found["get_config"]()
    for task in (task for tasks in found["TASKS"].values() for task in tasks):
        source, dash, target = task.rpartition("-")
        assert dash
        for name in [*source.split("+"), target]:
            if config.data in catalogue.names() and config.data != "mnist":
                catalogue.domain(catalogue.set_of(config.data), name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_sweep_sets_keys_that_the_config_has(file):
    import keras_tuner

    found = runpy.run_path(str(file))
    config = found["get_config"]("dann")
    config.lock()
    space = keras_tuner.HyperParameters()
    found["sweep"](space, config)
    assert "optimizer.rate" in space.values


@pytest.mark.parametrize("name", [name for name in catalogue.names() if name != "mnist"])
def test_a_paper_config_is_the_papers(name):
    get_config = runpy.run_path(str(FILES[0].with_name(f"{name}.py")))["get_config"]
    ours, cdan = get_config("dannp"), get_config("cdan")
    assert (ours.view.resize, ours.view.size, ours.view.train, ours.view.test) == (256, 224, "crop", "center")
    assert (cdan.view.train, cdan.view.test, cdan.network.bottleneck) == ("resized_crop", "ten", 256)
    assert ours.network.name.startswith("resnet") and ours.optimizer.new_layers == 10
    assert (ours.optimizer.decay, cdan.optimizer.decay) == (5e-4, 1e-3)


def test_semi_supervised_shots_are_those_of_the_lists(miniature):
    config = minis.small(FILES[0].with_name("domainnet126.py"), miniature)
    task = build.task(config)
    shots, rest = task.streams["target_labelled"], task.streams["target"]
    assert len(shots) == len(rest) == 126 and sorted(shots.labels) == list(range(126))
    assert not set(shots.images.paths) & set(rest.images.paths) and rest.labels is None


@pytest.mark.slow
def test_several_sources_are_one_stream_that_knows_their_origin(miniature):
    config = minis.small(FILES[0].with_name("domainnet.py"), miniature)
    streams = build.streams(config)
    assert streams.batch == {"source": 6, "target": 4}
    seen = np.concatenate([batch["source"]["domain"] for batch in streams.dataset(0, 6)])
    assert set(seen) == {0, 1}


def test_partial_targets_keep_the_named_classes(miniature):
    config = minis.small(FILES[0].with_name("office31.py"), miniature)
    config.partial = "caltech"
    task = build.task(config)
    kept = {task.classes[k] for k in task.tests["target"].labels}
    assert len(task.classes) == 31 and kept == set(catalogue.set_of("office31").partial["caltech"])


def test_a_rate_by_task_is_a_factor():
    config = runpy.run_path(str(FILES[0].with_name("office31.py")))["get_config"]("cdan")
    assert {task: 1e-3 * config.optimizer.by_task.get(task, 1.0) for task in ("A-W", "A-D")} == {
        "A-W": 1e-3,
        "A-D": 3e-4,
    }


def test_networks_by_name_and_options_that_belong_to_another(miniature):
    config = minis.small(FILES[0].with_name("office31.py"), miniature)
    config.network.name = "resnet18"  # widths and stride stay, as they are the small network's
    network = build.network(config, build.task(config))
    assert [len(m.shape) for m in network(network.blank()).maps] == [4] * 5
    assert isinstance(network.stages[0], keras.layers.Layer) and "resnet" in names.modules("networks")
    config.network_options.wdiths = 3
    with pytest.raises(ValueError, match="network resnet18 has no option 'wdiths'"):
        build.network(config, build.task(config))


@pytest.mark.slow
def test_a_cached_copy_gives_the_same_pictures(miniature, tmp_path):
    config = minis.small(FILES[0].with_name("office31.py"), miniature, "cdan")
    plain = build.streams(config).load(3)
    config.cache = str(tmp_path / "copies")
    cached = build.streams(config).load(3)
    assert len(list((tmp_path / "copies").glob("*.bmp"))) == 2 * 62
    for name in plain:
        assert np.abs(plain[name]["image"].numpy().astype(int) - cached[name]["image"].numpy()).max() <= 2


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("cell", ["daaa", "daaa+metaalign"])
def test_the_batch_of_daaa_divides_into_its_streams(file, cell):
    config = runpy.run_path(str(file))["get_config"](cell)
    assert list(build.sizes(config, build.kind(config).shares).values()) == [21, 9, 21, 9]


class Set(SourceOnly):
    """A user's own, which sets a key of the config."""

    settings = {"optimizer.rate": 0.5}


class Mistaken(SourceOnly):
    settings = {"optimizer.raet": 0.5}


def test_a_method_sets_keys_of_a_config_after_its_file():
    get_config = runpy.run_path(str(FILES[0].with_name("digits.py")))["get_config"]
    assert get_config("source_only").optimizer.rate == 0.05
    assert get_config(f"{__name__}:Set").optimizer.rate == 0.5 and "settings" not in Set.options()
    with pytest.raises(
        ValueError, match=r"^Mistaken\.settings names 'optimizer\.raet', and a config has no such key$"
    ):
        get_config(f"{__name__}:Mistaken")
