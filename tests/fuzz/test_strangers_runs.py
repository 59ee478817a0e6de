"""Run folders of strangers: none runs code, or writes outside of itself."""

import json

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from said import one_sentence, profile

from tfuda import names
from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a checkpoint."""
    folder = tmp_path_factory.mktemp("stranger") / "run"
    made = tiny.config("source_only")
    method = build.method(made)
    with Workdir(folder).claim(made):
        Workdir(folder).record(made)
        Workdir(folder).checkpoints(method).save()
    return folder


@pytest.fixture
def copied(run, tmp_path):
    """Another copy of it, and a function that changes its config.json."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(run, folder)

    def change(**values):
        record = json.loads((folder / "config.json").read_text())
        for key, value in values.items():
            *path, last = key.split("__")
            here = record["config"]
            for part in path:
                here = here[part]
            here[last] = value
        (folder / "config.json").write_text(json.dumps(record))

    return folder, change


EVIL = {
    "data": {"data": "cProfile:run", "task": "open('caught','w')-S"},
    "method": {"method": "evil_module:Method"},
    "weigher": {"weigher": "evil_module:weigh"},
    "network": {"network__name": "evil_module:network"},
    "augment": {"augment__name": "evil_module:change"},
    "sampler": {"samplers__source": "evil_module:rows"},
    "cell": {"cell": "dann+evil_module:weigh"},
}


@pytest.mark.parametrize("place", EVIL)
def test_a_config_of_a_stranger_runs_no_code_that_it_names(place, copied, tmp_path, monkeypatch):
    folder, change = copied
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_module.py").write_text("open('caught', 'w')\n")
    change(**EVIL[place])
    with pytest.raises(ValueError, match=r"code from outside tfuda .* TFUDA_TRUST="):
        training.load_run(folder)
    assert not (tmp_path / "caught").exists()


def test_code_that_the_user_names_as_well_is_run(copied, tmp_path, monkeypatch):
    folder, change = copied
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_module.py").write_text("from tfuda.methods.source_only import SourceOnly\n")
    change(method="my_module:SourceOnly", cell="my_module:SourceOnly")
    monkeypatch.setenv("TFUDA_TRUST", "other,my_module")
    assert training.load_run(folder)[0].method == "my_module:SourceOnly"
    monkeypatch.delenv("TFUDA_TRUST")
    monkeypatch.setattr(names, "NAMED", set())
    with pytest.raises(ValueError, match="TFUDA_TRUST=my_module"):
        training.load_run(folder)
    names.resolve("my_module:SourceOnly", "methods")  # as a --config of the same command does
    assert training.load_run(folder)[2].name == "sourceonly"


def test_a_cache_of_a_stranger_is_not_written_to(copied, tmp_path):
    folder, change = copied
    change(cache=str(tmp_path / "elsewhere"))
    assert training.load_run(folder)[0].cache == ""


def test_checkpoints_elsewhere_are_neither_read_nor_deleted(copied, tmp_path):
    folder, _ = copied
    precious = tmp_path / "precious"
    precious.mkdir()
    for file in (folder / "checkpoints").glob("ckpt-1.*"):
        (precious / file.name).write_bytes(file.read_bytes())
    for path in (f"{precious}/ckpt-1", "../../precious/ckpt-1"):
        state = f'model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "{path}"\n'
        (folder / "checkpoints" / "checkpoint").write_text(state + 'all_model_checkpoint_paths: "ckpt-1"\n')
        method = build.method(tiny.config("source_only"))
        with pytest.raises(ValueError, match="not in its folder"):
            Workdir(folder).checkpoints(method)
    assert len(list(precious.iterdir())) == 2


def test_a_damaged_list_of_checkpoints_is_no_fresh_start(copied):
    (copied[0] / "checkpoints" / "checkpoint").write_text("}{")
    with pytest.raises(ValueError, match="is damaged"):
        training.load_run(copied[0])


@pytest.mark.parametrize("name", [".lock", "events", "plots/cam.png"])
def test_links_out_of_a_run_folder_are_not_written_through(name, copied, tmp_path):
    folder, _ = copied
    (tmp_path / "mine").write_text("mine")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match="symbolic link"), Workdir(folder).claim(tiny.config("source_only")):
        pass
    with pytest.raises(ValueError, match="symbolic link"):
        training.load_run(folder)
    assert (tmp_path / "mine").read_text() == "mine"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=2)
)


@profile(15)
def test_a_run_folder_with_any_setting_damaged_is_one_sentence(amount, copied):
    folder, change = copied
    plain = (folder / "config.json").read_text()
    keys = sorted(key for key in json.loads(plain)["config"] if key not in ("pairs", "seed", "steps"))

    @amount
    @given(st.sampled_from(keys), JSON)
    def look(key, value):
        (folder / "config.json").write_text(plain)
        change(**{key: value})
        with one_sentence():
            training.load_run(folder)

    look()


HARMLESS = {("result.json", "{}"), ("result.json", '{"')}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 3}', '{"config": {}}', "[" * 100_000, "\0", "{"])
@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_a_damaged_record_is_named(name, text, copied):
    folder, _ = copied
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=name) if (name, text[:2]) not in HARMLESS else one_sentence():
        training.load_run(folder) if name == "config.json" else Workdir(folder).finished()


@pytest.mark.parametrize("text", ["step\nx\n", "step,seconds\n1,2,3\n", "a,b\n1,2\n", "step,seconds\n1\n"])
def test_a_damaged_table_is_named(text, copied):
    (copied[0] / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.csv is damaged"):
        Workdir(copied[0]).rows()
