"""Fine-tune the chosen candidate: its last stages learn too, from its own weights, in a short run of the same cell.

    recipe     CELL@tuned of configs/folders.py: the last three of nine stages learn, on crops of 128
    start      network and discriminators have the chosen run's weights (tfuda/experiment/start_weights.py)
    steps      a third of the chosen run's
    rate       new layers begin where the chosen run's ended; the backbone has a tenth of that
    reversal   stands at its end from the second step on (ramp_steps=1), as the features are adapted already

A trade-off that is named "ramp" rises anew. What the run needs is estimated before it is begun: a few pictures pass
through the frozen stages, and a few steps are timed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ml_collections import ConfigDict

from tfuda.data.tasks import Task
from tfuda.experiment import cells
from tfuda.experiment.workdir import Workdir
from tfuda.profiling import cost
from tfuda.studies.adaptation.choice import Candidate

SUFFIX = "@tuned"
SHARE, ROWS = 3, 4  # of the chosen run's steps, one in so many; rows in metrics.csv
LOWER = 10.0  # times the backbone's rate is that of new layers


def continued(config: ConfigDict, base: ConfigDict, run: Workdir) -> ConfigDict:
    """Return the config of a candidate's fine-tuning.

    Args:
        config: of CELL@tuned, for the same folders.
        base: the config of the candidate.
        run: the candidate's folder.
    """
    made = ConfigDict(config.to_dict())
    made.weights = str(run.path.absolute())
    made.steps = max(base.steps // SHARE, 1)
    made.segment = max(made.steps // ROWS, 1)
    last = base.optimizer.rate * base.optimizer.new_layers * (1 + base.optimizer.gamma) ** -base.optimizer.power
    made.optimizer.rate, made.optimizer.new_layers = last / LOWER, LOWER
    cells.put(made, {"ramp_steps": 1})
    return made


def beside(one: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates whose agreement with one tells something: as the calibration table has them, not tuned.

    A fine-tuned network agrees with the one that it started from, whether they are right or not.
    """
    own = one.name.removesuffix(SUFFIX)
    return [other for other in candidates if not other.name.endswith(SUFFIX) and other.name != own]


def seconds_needed(config: ConfigDict, weights: str, task: Task) -> float:
    """Return how long a run of this config will take, by a few of its pictures and steps.

    Args:
        config: the config of the run.
        weights: the pretrained weights that its frozen stages have, so that stored views are found.
        task: the task of the run.
    """
    made = ConfigDict(config.to_dict())
    made.weights = weights
    return cost.estimate(made, task).seconds
