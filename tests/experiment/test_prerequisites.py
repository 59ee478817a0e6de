"""What DAAA has made before its first step: pairs, a source network, and streams of both members of a pair."""

import functools
import json
import pathlib
import shutil

import numpy as np
import pytest
import tiny

from configs import office31
from tfuda.data.tasks import Domain
from tfuda.experiment import build, prerequisites, training
from tfuda.experiment.workdir import Workdir

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")

STREAMS = ("source", "source_as_target", "target", "target_as_source")


@pytest.mark.parametrize(
    "batch, parts, expected",
    [
        (60, "+".join(STREAMS), (21, 9, 21, 9)),
        (40, "+".join(STREAMS), (14, 6, 14, 6)),
        (60, "source+source_as_target", (42, 18)),
        (60, "source_as_target", (60,)),
        (20, "source+target", (10, 10)),
    ],
)
def test_sizes_are_the_paper_s_proportions(batch, parts, expected):
    config = tiny.config(f"daaa[parts={parts}]", batch=batch)
    assert tuple(build.sizes(config, prerequisites.parts(config)).values()) == expected
    task = prerequisites.untaught(config, build.task(config)).task
    assert tuple(build.streams(config, task).batch.values()) == expected
    assert tuple(task.streams) == tuple(parts.split("+"))


def wrong(text="daaa", **changes):
    config = tiny.config(text)
    for key, value in changes.items():
        *trees, last = key.split("__")
        tree = config
        for name in trees:
            tree = tree[name]
        tree[last] = value
    return config


MISTAKES = {
    "batch": (
        functools.partial(wrong, batch=64),
        "batch=64 does not divide into source 0.35, source_as_target 0.15, target 0.35, target_as_source 0.15: "
        "take a multiple of 20, as 60",
    ),
    "too_large": (functools.partial(wrong, batch=6000), "batch 2100 does not fit stream 'source'"),
    "part": (
        functools.partial(wrong, "daaa[parts=source+source_to_target]"),
        "daaa has no part 'source_to_target', did you mean 'source_as_target'",
    ),
    "no_part": (functools.partial(wrong, "daaa[parts=]"), "daaa has no parts: join any of source, source_as_target"),
    "distance": (functools.partial(wrong, "daaa[distance=l3]"), "daaa has no distance='l3': choose l2, l2_eps"),
    "pooling": (functools.partial(wrong, "daaa[pooling=mean]"), "daaa has no pooling='mean': choose squares"),
    "at": (functools.partial(wrong, "daaa[at=convs]"), "a network cannot show its 'convs': choose stages, blocks"),
    "shots": (
        functools.partial(wrong, shots=1),
        "daaa has no use for labelled target images: leave out --config.sho",
    ),
    "steps": (functools.partial(wrong, steps=0), "steps=0: a whole number from 1"),
    "augment": (functools.partial(wrong, augment__name="shiftt"), "shiftt"),
    "optimizer": (functools.partial(wrong, optimizer__name="sgdd"), "unknown optimizer.name='sgdd'"),
    "term": (functools.partial(wrong, options__trade_offs={"domain": 1.0}), "DAAA has no term 'domain'"),
    "passes": (functools.partial(wrong, passes="source+labelled"), "names the stream 'labelled'"),
    "blind": (
        functools.partial(wrong, "daaa[parts=source+target_as_source]"),
        "daaa needs the part target to ask its images for their classes",
    ),
    "followed": (
        functools.partial(wrong, "daaa[parts=source]", samplers__target="balanced"),
        "daaa needs the part target to ask its images for their classes",
    ),
    "pada": (functools.partial(wrong, "daaa[pada=True]"), "DAAA does not weigh the source's classes"),
    "pairs": (functools.partial(wrong, pairs__steps=0), "pairs.steps=0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_shows_before_any_stage(mistake, tmp_path):
    made, sentence = MISTAKES[mistake]
    config, said = made(), []
    config.pairs.folder, config.teacher = str(tmp_path / "pairs"), str(tmp_path / "teacher")
    with pytest.raises(ValueError) as error:
        training.train_run(config, Workdir(tmp_path / "run"), say=said.append)
    assert sentence in str(error.value) and "\n" not in str(error.value)
    held = {path.name for path in (tmp_path / "run").iterdir()}
    if mistake != "pairs":  # of the first stage itself
        assert said == [] and not (tmp_path / "pairs").exists() and held == {".lock"}
    assert not (tmp_path / "teacher").exists() and held <= {".lock", "config.json"}


# ---- the stages' folders


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """(folder, config of a run that has ended in folder/one, what it said); pairs and teacher lie beside it."""
    root, said = tmp_path_factory.mktemp("daaa"), []
    config = tiny.config("daaa", seed=3)
    config.pairs.folder, config.teacher = f"{root}/pairs-{{task}}", f"{root}/teacher-{{task}}-{{seed}}"
    training.train_run(config, Workdir(root / "one"), say=said.append)
    return root, config, said


def another(config, text="daaa[trade_offs.attention=0.5;parts=source+source_as_target]", **changes):
    """A config with the same folders, locked as a command's is."""
    made = tiny.config(text, seed=config.seed, **changes)
    made.pairs.folder, made.teacher = config.pairs.folder, config.teacher
    made.lock()
    return made


def stamps(*folders):
    """When every file of folders was written; a lock is opened again."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: path.stat().st_mtime_ns for path in files}


def test_three_stages_in_their_folders(shared):
    root, config, said = shared
    assert [line for line in said if line.startswith("stage")] == [
        f"stage 1 of 3, pairs: {root}/pairs-R-S",
        f"stage 2 of 3, source network: {root}/teacher-R-S-3",
        f"stage 3 of 3, daaa: {root}/one",
    ]
    assert {path.name for path in root.iterdir()} >= {"one", "pairs-R-S", "teacher-R-S-3"}
    teacher = Workdir(root / "teacher-R-S-3")
    assert teacher.finished()["method"] == "source_only" and teacher.finished()["seed"] == 3
    assert (teacher.config().steps, teacher.config().batch) == (config.steps, config.batch)
    assert Workdir(root / "one").finished()["method"] == "daaa"


def test_a_second_run_trains_nothing_again(shared, tmp_path):
    root, config, _ = shared
    made, said = [root / "pairs-R-S", root / "teacher-R-S-3"], []
    before = stamps(*made)
    result = training.train_run(another(config), Workdir(tmp_path / "two"), say=said.append)
    assert stamps(*made) == before and result["method"] == "daaa"
    assert any("has all pairs of task R-S; nothing to do" in line for line in said)
    assert not any("training generators" in line or "translating" in line for line in said)
    assert {path.name for path in (tmp_path / "two").iterdir()}.isdisjoint({"pairs", "teacher"})


def test_the_teacher_is_the_network_of_the_source_only_run(shared):
    root, config, _ = shared
    task = build.task(config)
    refuse = functools.partial(pytest.fail, "nothing is left to train")
    teacher = prerequisites.taught(config, Workdir(root / "teacher-R-S-3"), task, refuse)
    plain = training.load_run(root / "teacher-R-S-3", last=True)[2].network
    for one, other in zip(teacher.get_weights(), plain.get_weights(), strict=True):
        assert np.array_equal(one, other)
    images = task.tests["source"].images[:4]
    assert len(teacher(images).maps) == len(plain(images).maps) == 3
    assert teacher.shown == "layers" and plain.shown == "stages"


@pytest.mark.parametrize(
    "change, sentence, folder",
    [
        (
            {"network_options__widths": (4, 6, 10)},
            "holds a run with another network_options than this one: choose another",
            "teacher-R-S-3",
        ),
        (
            {"network__bottleneck": 5},
            "holds a run with another network than this one: choose another",
            "teacher-R-S-3",
        ),
        (
            {"view__resize": 36, "view__size": 32},
            "holds a run with another view than this one: choose another",
            "teacher-R-S-3",
        ),
        ({"task": "M-S"}, "holds a run on task R-S, whose source is not that of M-S", "teacher-R-S-3"),
        (
            {"source_classes": 5, "target_classes": 5},
            "holds a run with another source_classes than this",
            "teacher-R-S-3",
        ),
        ({}, "holds a run of daaa, shots=0: --config.teacher is one of source_only without shots", "one"),
        ({}, "holds no run of run/train.py: --config.teacher is one of source_only", "pairs-R-S"),
    ],
)
def test_a_teacher_of_another_kind_is_refused_before_the_pairs(shared, change, sentence, folder, tmp_path):
    root, _, _ = shared
    config, said = wrong(**change), []
    config.teacher = str(root / folder)
    with pytest.raises(ValueError) as error:
        training.train_run(config, Workdir(tmp_path / "run"), say=said.append)
    assert sentence in str(error.value) and "\n" not in str(error.value)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".lock"} and said == []


def test_a_teacher_without_its_checkpoints_is_refused(shared, tmp_path):
    root, config, _ = shared
    shutil.copytree(root / "teacher-R-S-3", tmp_path / "teacher", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(FileNotFoundError, match="has ended, but its checkpoints are gone"):
        prerequisites.fitting(config, Workdir(tmp_path / "teacher"))


def test_a_teacher_that_has_seen_shots_is_refused(shared, tmp_path):
    root, config, _ = shared
    record = json.loads((root / "teacher-R-S-3" / "config.json").read_text())
    record["config"]["shots"] = 3
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="holds a run of source_only, shots=3"):
        prerequisites.fitting(config, Workdir(tmp_path))


@pytest.mark.slow
def test_pairs_of_other_pictures_are_refused(shared, tmp_path):
    """Another data seed draws other digits."""
    root, _, _ = shared
    config = tiny.config("daaa", data_seed=1)
    config.pairs.folder = str(root / "pairs-R-S")
    with pytest.raises(ValueError, match="translated there are not the"):
        training.train_run(config, Workdir(tmp_path / "run"))


@pytest.mark.parametrize("cell", ["adda", "daaa"])
def test_running_beliefs_do_not_stop_the_teacher(cell):
    config = tiny.config(cell)
    config.beliefs.rate = 0.9
    school = prerequisites.schooled(config, build.task(config))
    assert school.beliefs.rate == 0.9 and int(tiny.train(school).step.numpy()) == school.steps


def test_a_small_domain_makes_a_small_batch_for_the_teacher():
    config = tiny.config("daaa")
    task = build.task(config)
    few = task._replace(streams={n: d.rows(np.arange(17)) for n, d in task.streams.items()})
    assert (prerequisites.schooled(config, task).batch, prerequisites.schooled(config, few).batch) == (40, 17)


def test_a_run_that_has_ended_may_move_away_from_its_stages(shared, tmp_path):
    root, config, _ = shared
    shutil.copytree(root / "one", tmp_path / "one")
    moved = config.copy_and_resolve_references()
    moved.pairs.folder = moved.teacher = str(tmp_path / "elsewhere")
    assert training.train_run(moved, Workdir(tmp_path / "one")) == Workdir(root / "one").finished()


def test_evaluation_needs_neither_pairs_nor_teacher(shared, tmp_path):
    root, _, _ = shared
    shutil.copytree(root / "one", tmp_path / "one")
    record = json.loads((tmp_path / "one" / "config.json").read_text())
    record["config"]["pairs"]["folder"] = record["config"]["teacher"] = str(tmp_path / "gone")
    (tmp_path / "one" / "config.json").write_text(json.dumps(record))
    _, task, method = training.load_run(tmp_path / "one", last=True)
    found = np.argmax(method(task.tests["target"].images), 1)
    accuracy = np.mean(found == task.tests["target"].labels)
    assert accuracy == pytest.approx(Workdir(tmp_path / "one").finished()["last"], abs=1e-3)


def test_without_folders_named_they_lie_in_the_run_s(tmp_path):
    config = tiny.config("daaa")
    assert prerequisites.folder_of(config, "", tmp_path / "pairs") == tmp_path / "pairs"
    assert prerequisites.folder_of(config, "/a/{task}/{seed}", tmp_path) == pathlib.Path("/a/R-S/0")


def test_runs_of_one_folder_share_what_the_config_does_not_place(tmp_path):
    config = tiny.config("daaa")
    config.teacher = "/elsewhere"
    prerequisites.share(config, tmp_path)
    assert (config.pairs.folder, config.teacher) == (f"{tmp_path}/pairs/{{task}}-{{seed}}", "/elsewhere")
    plain = tiny.config("dann")
    prerequisites.share(plain, tmp_path)
    assert plain.pairs.folder == plain.teacher == ""


def test_a_benchmark_has_a_source_network_for_each_recipe(tmp_path):
    """DAAA and ADDA train theirs unlike on the papers' data sets, where one folder could not hold both."""
    places = {}
    for cell in ("daaa", "adda", "adda@cdan"):
        config = office31.get_config(cell)
        prerequisites.share(config, tmp_path)
        places[cell] = config.teacher.removeprefix(f"{tmp_path}/").removesuffix("/{task}-{seed}"), config.pairs.folder
    assert [place for place, _ in places.values()] == ["teacher-daaa", "teacher-adda", "teacher-adda@cdan"]
    assert [bool(pairs) for _, pairs in places.values()] == [True, False, False]


def test_untaught_streams_serve_where_only_shapes_matter():
    plain = tiny.config("dann")
    task = build.task(plain)
    assert prerequisites.untaught(plain, task) == prerequisites.Made(task)
    assert prerequisites.prepare(plain, pathlib.Path("/nowhere"), task, 0, print, print) == prerequisites.Made(task)
    made = prerequisites.untaught(tiny.config("daaa"), task)
    assert isinstance(made.task.streams["target"], Domain) and made.teacher.shown == "layers"
    assert made.task.trains is task.trains and made.task.tests is task.tests
