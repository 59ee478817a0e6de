"""Make pairs for DAAA: each training picture of both domains with its translation, in one resumable folder.

    train   the generators (cyclegan.py) on the training pictures of both domains: checkpoints/, metrics.csv, and
            samples/step000500.png and so on, one for each segment
    write   every translated picture and index.json (pair_store.py)

`import_pairs` instead takes translations that another tool made. The batches, the pools' draws and the initial
weights follow from the seed, so a run that was killed and resumed ends with bitwise identical pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from ml_collections import ConfigDict

from tfuda.core import ops, precision
from tfuda.data import pipeline
from tfuda.data.files import Files
from tfuda.data.tasks import Domain, Task
from tfuda.data.views import View
from tfuda.experiment import build, callbacks, validation
from tfuda.experiment.callbacks import Stopped
from tfuda.experiment.imported_pairs import import_pairs
from tfuda.experiment.workdir import Workdir, make_paths_absolute, restore
from tfuda.names import PARTS, SEAMS
from tfuda.translation import pair_store, sample_sheets
from tfuda.translation.cyclegan import DIRECTIONS, CycleGAN
from tfuda.translation.pair_store import finished, load_pairs

__all__ = ["DIRECTIONS", "finished", "import_pairs", "load_pairs", "make_pairs"]

# Keys of a config that pairs do not depend on: those for training and evaluating a classifier.
CLASSIFIER = (
    *("cell", *PARTS, "options", *(f"{seam}_options" for seam in SEAMS), "optimizer"),
    *("steps", "segment", "steps_per_execution", "batch", "batches", "passes", "samplers", "augment", "prior"),
    *("beliefs", "rounds", "network", "network_options", "weights", "mean_class", "deliver", "source_test", "labels"),
    *("teacher", "on_nan"),
)
SHOWN = 10  # pictures of each domain in a sample


def relevant(config: ConfigDict) -> ConfigDict:
    """Return the part of a config that pairs depend on, so that several methods can share the pairs."""
    found = ConfigDict({key: value for key, value in config.to_dict().items() if key not in CLASSIFIER})
    del found.pairs.folder
    return found


def make_pairs(
    config: ConfigDict,
    workdir: Workdir,
    verbose: int | str = 0,
    task: Task | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Make all pairs, or resume, or do nothing where the pairs are finished.

    Args:
        config: the config, with config.pairs for the CycleGAN.
        workdir: the folder of the pairs.
        verbose: as in Keras's `fit`.
        task: the task; None to make the config's.
        say: takes a line for the user.

    Returns:
        The contents of index.json.

    Raises:
        Stopped: a signal stopped the work, which can be resumed.
    """
    make_paths_absolute(config)
    with workdir.claim(relevant(config)):
        if index := pair_store.finished(workdir.path):
            say(f"{workdir.path} has all pairs of task {index['task']}; nothing to do")
            return index
        task = task or build.task(config, say)
        given = {direction: config.pairs[direction] for direction in DIRECTIONS if config.pairs[direction]}
        if given:
            entries = import_pairs(relevant(config), workdir, given, task, say)
        else:
            entries = _translated(config, workdir, verbose, task, say)
        return pair_store.finish(workdir.path, config.task, entries)


def _translated(config, workdir, verbose, task, say) -> dict:
    domains = {name: task.streams[name] for name in ("source", "target")}
    side = size(config, domains)
    streams, trained = data(config, domains, side), model(config, side)
    workdir.record(relevant(config))
    manager = workdir.checkpoints(trained)
    if restore(manager):
        say(f"resuming at step {int(trained.step.numpy())} of {trained.steps}")
    else:
        a, b = (domain.name for domain in domains.values())
        say(f"training generators from {a} to {b} and back: {trained.steps} steps")
    entries, seen = {}, [sample_pictures(domain, whole_picture(domain, side)) for domain in domains.values()]
    album = Album(seen, task, workdir, manager, int(trained.step.numpy()))
    with callbacks.Stoppable(manager) as stop, album:
        trained.fit(streams, callbacks=[album, stop], verbose=verbose)

        if (step := int(trained.step.numpy())) < trained.steps:
            raise Stopped(f"stopped at step {step} of {trained.steps}; the same command resumes", stop.caught)

        def pause(done: str) -> None:
            if stop.caught:
                raise Stopped(f"stopped {done}; the same command resumes", stop.caught)

        for direction, domain in zip(DIRECTIONS, domains.values(), strict=True):
            say(f"translating the {len(domain)} training pictures of {domain.name}")
            pair_store.put_pictures(
                workdir.path,
                direction,
                domain,
                whole_picture(domain, side),
                trained.translator(direction),
                say,
                pause,
            )
            entries[direction] = pair_store.entry(direction, domain, side)
    return entries


# ---- what is trained, and on what


def size(config: ConfigDict, domains: dict[str, Domain]) -> int:
    """Return the side of the generators' pictures: config.pairs.size, or the view's size, or the arrays' size."""
    sides = {
        n for domain in domains.values() if not isinstance(domain.images, Files) for n in domain.images.shape[1:3]
    }
    if config.pairs.size or config.view.resize:
        return config.pairs.size or config.view.resize
    if any(isinstance(domain.images, Files) for domain in domains.values()) or len(sides) > 1:
        raise ValueError("the pictures are of several sizes: set config.pairs.size, as 256")
    return sides.pop()


def whole_picture(domain: Domain, side: int) -> View:
    """Return the View that shows a whole picture at the generators' size."""
    if not isinstance(domain.images, Files) and domain.images.shape[1:3] == (side, side):
        return View()
    return View(side, side, "center")


def data(config: ConfigDict, domains: dict[str, Domain], side: int) -> pipeline.Streams:
    """Return batches of both domains without labels, cropped from pairs.resize and flipped where pairs.flip is set.

    Args:
        config: the config of the pairs.
        domains: {"source": Domain, "target": Domain}.
        side: the side of the generators' pictures.
    """
    resize = config.pairs.resize or side
    if config.pairs.batch % ops.replicas():
        raise ValueError(f"pairs.batch={config.pairs.batch} does not divide into {ops.replicas()} equal shares")
    if resize < side:
        raise ValueError(f"pairs.resize={resize} is smaller than the pictures of {side} that are cut out of it")
    view = View(resize, side, "crop", config.pairs.flip)
    if (
        resize == side
        and not config.pairs.flip
        and not any(whole_picture(domain, side).size for domain in domains.values())
    ):
        view = View()
    batch = {
        name: build.share_out(config.pairs.batch, name, domain, "pairs.batch") for name, domain in domains.items()
    }
    unlabelled = {name: domain.unlabelled() for name, domain in domains.items()}
    return pipeline.Streams(unlabelled, batch, config.seed, None, view)


@precision.in_precision
def model(config: ConfigDict, side: int) -> CycleGAN:
    """Return the compiled CycleGAN; its initial weights follow from config.seed."""
    options = config.pairs.to_dict()
    validation.check_config(config)
    keras.utils.set_random_seed(config.seed)
    known = ("width", "blocks", "seeing", "layers", "cycle", "identity", "pool", "steps", "segment")
    made = CycleGAN(side, **{key: options[key] for key in known}, seed=config.seed)
    per = min(config.steps_per_execution, options["segment"])
    made.compile(options["rate"], jit_compile=config.jit, steps_per_execution=per)
    return made


# ---- samples


def sample_pictures(domain: Domain, view: View) -> np.ndarray:
    """Return a few evenly spread pictures of a domain, uint8 [n, H, W, 3]."""
    rows = np.linspace(0, len(domain) - 1, min(SHOWN, len(domain))).round().astype(int)
    return pipeline.read_pictures(domain.images[rows], view)


class Album(callbacks.Journal):
    """Write a row of metrics.csv, a picture of samples, and a checkpoint after each segment.

    Args:
        seen: the pictures of source and target in the samples, uint8 [n, H, W, 3] each.
    """

    advice = "lower pairs.rate"

    def __init__(self, seen: list[np.ndarray], *args):
        super().__init__(*args)
        self.seen = seen

    def measure(self) -> dict[str, float]:
        """Draw the samples; a CycleGAN has no further numbers."""
        rows = []
        for images, direction in zip(self.seen, DIRECTIONS, strict=True):
            there = self.model.translator(direction)(images).numpy()
            rows.append((images, there, self.model.translator(pair_store.other(direction))(there).numpy()))
        names = [self.task.streams[name].name for name in ("source", "target")]
        out = self.workdir.path / "samples" / f"step{int(self.model.step.numpy()):06d}.png"
        sample_sheets.samples(names, rows, out)
        return {}
