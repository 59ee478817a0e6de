"""Where a run computes, what is summed up over devices, and gradients that are gathered instead."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tiny
from commands import ROOT, free

from tfuda.core import keras_private
from tfuda.distributed import devices
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir


def cluster(*hosts, index=0, **more):
    return json.dumps({"cluster": {"worker": hosts, **more}, "task": {"type": "worker", "index": index}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "does not name hosts and a place among them"),
        ('{"task": {"type": "worker", "index": 0}}', "does not name hosts and a place among them"),
        (cluster("host", "other:1"), "does not name hosts and a place among them"),
        (cluster("host:1", "other:1", ps=["third:1"]), "has jobs other than workers"),
        (cluster("host:1", "other:1", index=2), "TF_CONFIG has index 2, but its 2 workers are numbered from 0"),
        (cluster("host:1", "host:1"), "every worker needs its own address"),
    ],
)
def test_a_bad_cluster_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        devices.cluster(text)


def test_a_cluster_is_read():
    assert devices.cluster(cluster("a:1", "b:2", index=1)) == devices.Cluster(["a:1", "b:2"], 1)
    assert devices.cluster("") is None


def test_a_worker_that_does_not_answer_is_named():
    here, there = free(2)
    with pytest.raises(ValueError, match=rf"worker 127\.0\.0\.1:{there} did not answer in 0 s: Connection refused"):
        devices.meet(devices.Cluster([f"127.0.0.1:{here}", f"127.0.0.1:{there}"], 0), 0)


def test_several_hosts_are_for_training_alone(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster("a:1", "b:2"))
    with pytest.raises(ValueError, match=r"on which run/train\.py alone trains: unset it"), devices.strategy():
        pass


def test_multiworker_needs_a_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="needs TF_CONFIG"), devices.strategy(kind="multiworker", hosts=True):
        pass


# ---- batch norm


@pytest.mark.slow
@pytest.mark.parametrize("unbiased", [False, True])
def test_synchronised_batch_norm_is_that_of_one_device(unbiased, two_replicas, double):
    made = tiny.config("dannp", smooth=True, steps=3)
    made.network_options.norm = True
    made.network.synchronised = True
    if unbiased:
        made.network.name, made.batch, made.steps = "resnet18", 4, 2
        made.network_options.unbiased = True
    with tiny.eagerly():
        alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    assert tiny.largest(alone, both) < 1e-9


@pytest.mark.slow
def test_batch_norm_is_of_each_device_where_nothing_is_said(two_replicas, double):
    made = tiny.config("dannp", smooth=True, steps=5)
    made.network_options.norm = True
    alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    assert tiny.largest(alone, both) > 1e-4


def test_every_batch_norm_of_keras_applications_is_synchronised():
    made = tiny.config("dannp")
    made.network.update(name="applications", synchronised=True)
    made.network_options = {"model": "MobileNet"}
    layers = keras_private.layers_within(build.network(made, build.task(made)))
    norms = [layer for layer in layers if hasattr(layer, "moving_mean")]
    assert len(norms) == 27 and all(layer.synchronized for layer in norms)


# ---- four devices

FOUR = """
import sys
import keras, numpy as np
import tiny
from tfuda.distributed import devices
keras.config.set_floatx("float64"); keras.config.set_dtype_policy("float64")
cells = sys.argv[1:]
made = {cell: tiny.config(cell, smooth=True, steps=5) for cell in cells}
with devices.strategy("cpu:0,cpu:1,cpu:2,cpu:3"):
    four = {cell: tiny.train(made[cell]) for cell in cells}
for cell in cells:
    print(cell, tiny.largest(tiny.train(made[cell]), four[cell]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["dannp+toalign", "mstn+biwaa+metaalign", "gsda"])
def test_four_devices_end_where_one_ends(cell):
    found = f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'tests')]}"
    words = [sys.executable, "-c", f"{found}\n{FOUR}", cell]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 1e-9


# ---- gathered gradients


def gathered(name="sgd", accumulate=2, **changes):
    made = tiny.config("source_only", smooth=True, **changes)
    made.optimizer.update(name=name, gamma=0.0, accumulate=accumulate)
    made.augment.name = "none"  # whose draws are of a batch
    made.optimizer.new_layers = 10.0 if name == "sgd" else 1.0
    return made


@pytest.mark.parametrize("name", ["sgd", pytest.param("adamw", marks=pytest.mark.slow)])
def test_gathered_batches_make_the_step_of_one_large_batch(name, eager, double):
    small = tiny.train(gathered(name, batch=4, steps=6))
    large = tiny.train(gathered(name, accumulate=1, batch=8, steps=3))
    ours, theirs = ([np.array(v) for v in method.trainable_variables] for method in (small, large))
    assert max(np.abs(a - b).max() for a, b in zip(ours, theirs)) < 1e-12
    assert int(small.step.numpy()) == 6


@pytest.mark.slow
def test_a_run_that_gathers_resumes_to_the_bit(eager, tmp_path):
    made, folder = gathered(steps=7), Workdir(tmp_path)
    whole = tiny.train(made)
    folder.checkpoints(tiny.train(made, callbacks=[tiny.StopAt(3)])).save()
    assert tiny.differing(tiny.state(whole), tiny.state(tiny.train(made, checkpoint=folder.checkpoints))) == []


def test_several_devices_do_not_gather(two_replicas):
    with two_replicas(), pytest.raises(ValueError, match="accumulate=2 works on one device only, and this run has 2"):
        tiny.prepared(gathered())


def test_less_than_one_batch_is_refused():
    with pytest.raises(ValueError, match=r"accumulate=0: the number of batches of an update is at least 1"):
        tiny.prepared(gathered(accumulate=0))
