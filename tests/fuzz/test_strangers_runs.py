"""Run folders of strangers: none runs code, or writes outside of itself."""

import contextlib
import json

import commands
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from said import one_sentence, profile

from tfuda import names
from tfuda.experiment import build, training, trust
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots


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


OWN = {
    "data": ("folders", "office31"),
    "method": ("dann", "tada"),
    "weigher": ("toalign", ""),
    "combiner": ("metaalign", ""),
    "regulariser": ("mcc", ""),
    "network__name": ("resnet50", "small"),
    "augment__name": ("shift",),
    "samplers__source": ("balanced",),
    "samplers__target": ("padded",),
    "select": ("last",),
    "validators": ("cheap", "all"),
}
OTHERS = {
    "outside": "evil_module:thing",
    "outside, known": "cProfile:run",
    "inside": "tfuda.atomic_files:write_whole",
    "inside, imports": "tfuda.names:resolve",
    "inside, at its key": "tfuda.methods.dann:DANN",
    "no package": ":thing",
    "unknown": "pipeline",
    "a dunder": "__init__",
    "a list": ["evil_module", ":"],
}


def put(config, key, value):
    """A setting, and the cell that the parts then make."""
    *path, last = key.split("__")
    for part in path:
        config = config[part]
    config[last] = value
    if key in names.PARTS:
        config["cell"] = "+".join(str(config[part]) for part in names.PARTS if config[part])


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("key", OWN)
def test_a_config_of_a_stranger_names_nothing_but_the_librarys_own(key, name, monkeypatch):
    monkeypatch.setattr(names, "NAMED", set())
    config = tiny.config("source_only").to_dict()
    put(config, key, OTHERS[name])
    with pytest.raises(ValueError, match=key.replace("__", r"\.")):
        trust.trusted(config, "config.json")


@pytest.mark.parametrize("key", OWN)
def test_names_of_the_library_are_read_at_their_key_and_at_no_other(key, monkeypatch):
    monkeypatch.setattr(names, "NAMED", set())
    for place, values in OWN.items():
        for value in filter(None, values):
            config = tiny.config("source_only").to_dict()
            put(config, key, value)
            fits = value in OWN[key] or {key[:8], place[:8]} == {"samplers"}
            with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="unknown"):
                trust.trusted(config, "config.json")


@pytest.mark.parametrize("cell", ["dann+evil_module:weigh", "evil_module:Method", "dann", "source_only+mcc", 3])
def test_a_cell_of_a_stranger_is_that_of_its_parts(cell, copied):
    copied[1](cell=cell)
    with pytest.raises(ValueError, match="its cell"):
        Workdir(copied[0]).config()


CALLS = {
    "evaluate": ["evaluate", "--workdir=RUN"],
    "export": ["export", "--workdir=RUN", "--out=OUT"],
    "curves": ["plot", "--what=curves", "--workdir=RUN", "--out=OUT.png"],
    "domains": ["plot", "--what=domains", "--workdir=RUN", "--out=OUT.png"],
    "before": ["plot", "--what=tsne", "--workdir=GOOD", "--before=RUN", "--out=OUT.png"],
    "pairs": ["plot", "--what=pairs", "--workdir=RUN", "--out=OUT.png"],
    "rounds of a plot": ["plot", "--what=rounds", "--workdir=ALL", "--out=OUT.png"],
    "page": ["report", "--what=page", "RUN"],
    "serving": ["bench", "--what=serving", "--workdir=RUN"],
    "rounds": ["rounds", "--config=configs/digits.py:biwaa", "--workdir=ALL"],
    "teacher": [
        *("train", "--config=configs/digits.py:adda", "--config.task=R-S", "--workdir=NEW", "--config.teacher=RUN"),
    ],
}


@pytest.mark.parametrize("name", CALLS)
def test_every_command_that_reads_a_run_refuses_it(name, run, copied, tmp_path):
    """The strings that were run before: a module of the folder that the command stands in."""
    folder, change = copied
    here = tmp_path / "here"
    here.mkdir()
    (here / "evil_module.py").write_text("open('caught', 'w')\n")
    (here / "configs").symlink_to(commands.ROOT / "configs")
    (tmp_path / "round0").symlink_to(folder)
    if name == "rounds of a plot":
        (tmp_path / "rounds.csv").write_text("loader,round,last,labels\npredicted,0,0.5,0.5\n")
    change(data="tfuda.names:resolve", task="evil_module:x-S")
    places = {"RUN": folder, "GOOD": run, "ALL": tmp_path, "NEW": tmp_path / "new", "OUT": here / "out"}
    words = CALLS[name]
    for word, place in places.items():
        words = [text.replace(word, str(place)) for text in words]
    done = commands.command(*words, cwd=here)
    assert done.returncode == 2 and "names 'tfuda.names:resolve' as its data" in done.stderr, done
    assert not (here / "caught").exists()


def test_the_table_of_a_strangers_sweep_names_no_code(tmp_path):
    (tmp_path / "results.csv").write_text("cell,task,last\nevil_module:x[a=1],R-S,0.5\nevil_module:x[a=2],R-S,0.5\n")
    with pytest.raises(ValueError, match="TFUDA_TRUST=evil_module"):
        plots.sweep(tmp_path, tmp_path / "out.png")


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


def test_a_run_of_the_user_s_own_code_resumes_without_being_trusted_again(tmp_path, monkeypatch):
    """The config that a command is given is the user's word for what it names, before anything of it is imported."""
    monkeypatch.setattr(names, "NAMED", set())
    made, folder = tiny.config("source_only", data="mine.loaders:load"), Workdir(tmp_path / "run")
    folder.path.mkdir()
    folder.record(made)
    with pytest.raises(ValueError, match=r"TFUDA_TRUST=mine$"):
        folder.config()
    with folder.claim(made):
        assert folder.config().data == "mine.loaders:load"


def test_what_the_config_of_a_command_names_is_trusted_in_the_folders_that_it_reads(copied):
    folder, change = copied
    change(data="mine.loaders:load")
    (folder.parent / "all").mkdir()
    folder.rename(folder.parent / "all" / "round0")
    words = ["--config=digits:biwaa", "--config.task=R-S", f"--workdir={folder.parent / 'all'}"]
    assert "TFUDA_TRUST=mine" in commands.command("rounds", *words).stderr
    said = commands.command("rounds", *words, "--config.data=mine.loaders:load").stderr
    assert "is a round with another config" in said


def test_a_module_of_ours_that_a_command_names_opens_no_other(copied, monkeypatch):
    folder, change = copied
    monkeypatch.setattr(names, "NAMED", set())
    trust.tell({"data": "tfuda.data.readers.digits:load_domain"})
    change(data="tfuda.data.readers.digits:load_domain")
    assert Workdir(folder).config().task == "R-S"
    change(data="tfuda.atomic_files:write_whole")
    with pytest.raises(ValueError, match=r"TFUDA_TRUST=tfuda$"):
        Workdir(folder).config()


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
