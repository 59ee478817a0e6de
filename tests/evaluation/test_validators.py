"""Each validator against its definition in straight lines, where it is best, and what a run keeps by it."""

import inspect
import math
import shutil

import numpy as np
import pytest
import tiny
from killing import content

from tfuda.evaluation import evaluate, geometry, importance, mixval, validators
from tfuda.evaluation.validators import Evidence
from tfuda.experiment import callbacks, checkpoint_choice, training, validation
from tfuda.experiment.workdir import CHECKPOINTS, SELECTED, Workdir

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")

RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.normal(size=[7, 3])
P = [[math.exp(x) / sum(math.exp(y) for y in row) for x in row] for row in LOGITS.tolist()]
SURE = 20 * np.eye(4)


def entropy(p):
    return -sum(x * math.log(x) for x in p)


def mean(values):
    return sum(values) / len(values)


def test_entropy_and_im_equal_their_definitions():
    each, whole = mean([entropy(p) for p in P]), entropy([mean(column) for column in zip(*P)])
    assert validators.entropy(LOGITS) == pytest.approx(each, rel=1e-9)
    assert validators.im(LOGITS) == pytest.approx(whole - each, rel=1e-9)


def test_snd_equals_its_definition():
    unit = [[x / math.sqrt(sum(y * y for y in p)) for x in p] for p in P]
    found = []
    for i, one in enumerate(unit):
        weights = [math.exp(sum(map(math.prod, zip(one, two))) / 0.05) for j, two in enumerate(unit) if j != i]
        found.append(entropy([w / sum(weights) for w in weights]))
    assert validators.snd(LOGITS) == pytest.approx(mean(found), rel=1e-9)


def test_bnm_and_corrc_equal_their_definitions():
    singular = np.linalg.svd(np.array(P), compute_uv=False)
    assert validators.bnm(LOGITS) == pytest.approx(singular.sum() / math.sqrt(7 * 3), rel=1e-9)
    both = [[sum(p[a] * p[b] for p in P) for b in range(3)] for a in range(3)]
    norm = math.sqrt(sum(x * x for row in both for x in row))
    cosine = sum(both[k][k] for k in range(3)) / (norm * math.sqrt(3))
    assert validators.corrc(LOGITS) == pytest.approx(cosine, rel=1e-9)


def test_iwcv_and_dev_equal_their_definitions():
    w, loss = RNG.exponential(size=9), RNG.integers(0, 2, 9).astype(float)
    product = [a * b for a, b in zip(w, loss)]
    assert validators.iwcv(w, loss) == pytest.approx(mean(product), rel=1e-12)
    covariance = sum((a - mean(product)) * (b - mean(w)) for a, b in zip(product, w)) / 8
    eta = -covariance / (sum((b - mean(w)) ** 2 for b in w) / 8)
    assert validators.dev(w, loss) == pytest.approx(mean(product) + eta * mean(w) - eta, rel=1e-9)
    assert validators.dev(np.ones(9), loss) == pytest.approx(mean(loss))


def test_the_transfer_score_equals_its_definition():
    features, weights = RNG.normal(size=[7, 4]), RNG.normal(size=[3, 4])
    information = entropy([mean(column) for column in zip(*P)]) - mean([entropy(p) for p in P])
    expected = geometry.hopkins(features) + information / math.log(3) - geometry.uniformity(weights)
    assert validators.transfer_score(features, LOGITS, weights) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "field"), [("dev", "weights"), ("transfer_score", "target_features"), ("mixval", "mixed_logits")]
)
def test_a_validator_names_the_evidence_that_it_lacks(name, field):
    with pytest.raises(ValueError, match=f"this validator needs {field}: see Evidence"):
        validators.ALL[name].of(Evidence(LOGITS, np.zeros(7, int), LOGITS))


def test_the_control_variate_lowers_the_variance_of_the_risk():
    """Of draws whose density ratio is known; DEV's estimate is nearer to the target's error."""
    risks = {validators.iwcv: [], validators.dev: []}
    for seed in range(200):
        x = np.random.default_rng(seed).normal(size=200)
        w, loss = np.exp(x - 0.5), (x > 0.5).astype(float)  # target N(1, 1), source N(0, 1)
        for of, found in risks.items():
            found.append(of(w, loss))
    truth = 0.5 * math.erfc(-0.5 / math.sqrt(2))
    spread = {of: np.sqrt(np.mean((np.array(found) - truth) ** 2)) for of, found in risks.items()}
    assert spread[validators.dev] < 0.8 * spread[validators.iwcv] < 0.1


def test_the_ratio_is_that_of_two_known_densities():
    source, target = RNG.normal(0, 1, [4000, 2]), RNG.normal([1, 0], 1, [1000, 2])
    held_out = RNG.normal(0, 1, [500, 2])
    found, truth = importance.ratio(source, target, held_out), np.exp(held_out[:, 0] - 0.5)
    assert np.abs(np.log(found) - np.log(truth)).max() < 0.5
    assert found.mean() == pytest.approx(1, abs=0.15)  # though the source has twice the target's images


def test_the_ratio_of_domains_that_are_told_apart_with_certainty_is_finite():
    found = importance.ratio(np.zeros([50, 3]), np.ones([40, 3]), np.zeros([9, 3]))
    assert np.isfinite(found).all() and found.max() < 0.5


@pytest.mark.parametrize("name", ["entropy", "im", "bnm", "corrc"])
def test_sure_and_diverse_predictions_are_best(name):
    of, sign = getattr(validators, name), validators.ALL[name].sign
    best, unsure = sign * of(SURE), sign * of(np.zeros([4, 4]))
    assert best > unsure
    if name != "entropy":  # whose failure it is
        assert best > sign * of(SURE[[0, 0, 0, 0]])


def test_values_at_the_ends():
    assert validators.im(SURE) == pytest.approx(math.log(4), abs=1e-4)
    assert validators.im(np.zeros([5, 4])) == pytest.approx(0, abs=1e-12)
    assert validators.bnm(SURE) == pytest.approx(1, abs=1e-4) and validators.bnm(SURE[[0, 0]]) < 0.75
    assert validators.corrc(SURE) == pytest.approx(1, abs=1e-4)
    assert validators.snd(SURE[[0] * 6]) == pytest.approx(math.log(5))
    assert validators.agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 0, 0])) == 0.5
    assert validators.agreement(np.array([1]), None) == 0


def test_only_the_oracle_takes_target_labels():
    functions = {name: of for name, of in vars(validators).items() if inspect.isfunction(of)}
    seen = {name for name, of in functions.items() if "labels" in inspect.signature(of).parameters}
    assert seen == {"source_accuracy", "errors"}
    assert "target_labels" not in Evidence._fields
    with pytest.raises(ValueError, match="select='oracle' would choose by target labels"):
        validation.check_config(tiny.config(select="oracle"))
    with pytest.raises(ValueError, match="unknown select='ims', did you mean 'im'"):
        validation.check_config(tiny.config(select="ims"))


def test_lower_is_better_where_it_is_and_no_number_is_worst():
    rows = [{"val_entropy": value, "val_im": value} for value in (math.nan, 2.0, 1.0)]
    assert validators.chosen(rows, "entropy") is rows[2] and validators.chosen(rows, "im") is rows[1]
    assert validators.chosen([*rows, rows[1].copy()], "im") is rows[1]  # the earliest of equals
    assert validators.chosen(rows, "last") is rows[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with six evaluations that logs every validator and chooses by one that falls."""
    folder = tmp_path_factory.mktemp("chosen") / "run"
    made = tiny.config(steps=12, segment=2, select="entropy", validators="all")
    made.optimizer.rate = 0.3  # so that it goes up and down
    return folder, made, training.train_run(made, Workdir(folder))


def test_a_run_logs_what_the_functions_say(run):
    folder, _, _ = run
    rows = Workdir(folder).rows()
    assert {*map(validators.column, validators.ALL)} <= {*rows[0]}
    _, task, method = training.load_run(folder, last=True)
    seen = evaluate.Observer(method.network)
    target, source = seen(task.streams["target"].images).logits, task.tests["source"]
    assert rows[-1]["val_snd"] == pytest.approx(validators.snd(target), rel=1e-6)
    score = evaluate.score(source.known_labels, seen(source.images).logits)
    assert rows[-1]["val_source_accuracy"] == rows[-1]["source_accuracy"] == score.accuracy
    with np.load(folder / "predicted.npz") as file:
        assert file["steps"].tolist() == [10, 12] and (file["classes"][1] == target.argmax(1)).all()
        assert rows[-1]["val_agreement"] == (file["classes"][0] == file["classes"][1]).mean()
    assert rows[0]["val_agreement"] == 0
    images = task.streams["target"].images
    weights = geometry.linear_map(method.network.head, seen(images).features.shape[1])
    expected = validators.transfer_score(seen(images).features, target, weights)
    assert rows[-1]["val_transfer_score"] == pytest.approx(expected, rel=1e-5)
    mixed = mixval.mixed_logits(seen, images, target.argmax(1))
    assert len(images) <= 2000 and rows[-1]["val_mixval"] == mixval.mixval(target, mixed)


def test_the_chosen_checkpoint_is_kept_and_loaded(run):
    folder, _, result = run
    rows = Workdir(folder).rows()
    best = min(rows, key=lambda row: row["val_entropy"])
    assert result["validator"] == "entropy" and result["selected_step"] == best["step"]
    assert result["selected"] == best["target_accuracy"] and best is not rows[-1]
    _, task, method = training.load_run(folder)
    assert int(method.step.numpy()) == best["step"]
    assert evaluate.evaluate_domain(method.network, task.tests["target"]).accuracy == best["target_accuracy"]
    assert int(training.load_run(folder, last=True)[2].step.numpy()) == 12


def test_a_run_that_chooses_the_last_keeps_no_other_checkpoint(tmp_path):
    made = tiny.config("source_only", steps=2, segment=1, select="last")
    result = training.train_run(made, Workdir(tmp_path))
    assert not (tmp_path / SELECTED).exists() and (tmp_path / CHECKPOINTS).exists()
    assert result["selected"] == result["last"] and result["selected_step"] == 2


class StopAfterWriting(callbacks.Journal):
    """Killed after the row, its predictions and the chosen checkpoint, before the checkpoint to go on from."""

    at = 8

    def on_epoch_end(self, epoch, logs=None):
        save = self.manager.save
        if int(self.model.step.numpy()) == self.at:
            self.manager.save = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
        super().on_epoch_end(epoch, logs)
        self.manager.save = save


@pytest.mark.slow
def test_a_run_that_is_killed_beside_its_choice_ends_where_others_end(run, tmp_path, monkeypatch):
    folder, made, _ = run
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "Journal", StopAfterWriting)
        with pytest.raises(KeyboardInterrupt):
            training.train_run(made, Workdir(tmp_path / "run"))
    assert (tmp_path / "run" / SELECTED).exists()
    training.train_run(made, Workdir(tmp_path / "run"))
    assert content(tmp_path / "run") == content(folder)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 torn"])
def test_damaged_predictions_are_none(content, tmp_path):
    (tmp_path / "predicted.npz").write_bytes(content)
    assert checkpoint_choice.Choice(Workdir(tmp_path)).before(2) is None


def test_a_run_whose_chosen_checkpoint_is_gone_says_which_way_is_left(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / SELECTED)
    with pytest.raises(FileNotFoundError, match=r"that entropy chose is gone from selected/; --last of run/evaluate"):
        training.load_run(tmp_path / "run")
    assert training.load_run(tmp_path / "run", last=True)


# ---- of one's own


def largest(seen):
    """A user's own: the mean of the largest logit."""
    assert seen.source_labels.shape == seen.source_logits.shape[:1]
    return seen.target_logits.max(1).mean()


OWN = f"{__name__}:largest"


def test_a_validator_of_one_s_own_is_logged_and_chooses_the_checkpoint(tmp_path):
    made = tiny.config("source_only", steps=4, segment=1, select=OWN, validators=f"im,{OWN}")
    result = training.train_run(made, Workdir(tmp_path))
    rows = Workdir(tmp_path).rows()
    assert validators.logged(rows[0]) == ["im", OWN]
    best = max(rows, key=lambda row: row[f"val_{OWN}"])
    assert (result["validator"], result["selected_step"]) == (OWN, best["step"])
    _, task, method = training.load_run(tmp_path)
    seen = evaluate.Observer(method.network)(task.streams["target"].images)
    assert best[f"val_{OWN}"] == pytest.approx(seen.logits.max(1).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"select": "imm"}, "unknown select='imm', did you mean 'im'"),
        ({"validators": "cheap,imm"}, "unknown validators='cheap,imm', did you mean 'im'"),
        ({"validators": ""}, "unknown validators=''"),
        ({"select": "nowhere:validator"}, "cannot import 'nowhere' of 'nowhere:validator'"),
        ({"validators": f"cheap,{OWN}r"}, f"module {__name__} has no 'largestr', did you mean 'largest'"),
    ],
)
def test_an_unknown_validator_is_refused_before_training(changes, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        training.train_run(tiny.config("source_only", **changes), Workdir(tmp_path))
    assert not Workdir(tmp_path).rows()


def test_answers_that_are_no_numbers_give_none_that_is_chosen():
    evidence = Evidence(LOGITS, np.zeros(7, int), np.full([7, 3], np.nan), None, None)
    assert all(map(math.isnan, validators.values(validators.CHEAP, evidence).values()))
    assert np.isnan(importance.ratio(np.full([5, 2], np.inf), np.ones([5, 2]), np.ones([3, 2]))).all()
