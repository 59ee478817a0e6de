"""--devices: where a run computes."""

from __future__ import annotations

import contextlib

import tensorflow as tf


def strategy(devices: str) -> contextlib.AbstractContextManager:
    """The scope to build and train in.

    "" takes every GPU that is there, else the CPU; "gpu:0" one device; "gpu:0,gpu:1" MirroredStrategy over both;
    "cpu:0,cpu:1" over logical CPUs, for trying out replicas. Call it before anything else touches a device, once
    per process. config.batch is the global batch: every replica takes its share.
    """
    names = [name.strip().lower() for name in devices.split(",") if name.strip()]
    if not names:
        names = [f"gpu:{i}" for i in range(len(tf.config.list_physical_devices("GPU")))] or ["cpu:0"]
    kinds = {name.partition(":")[0] for name in names}
    if len(kinds) != 1 or not kinds <= {"cpu", "gpu"} or len(set(names)) != len(names):
        raise ValueError(f"--devices={devices}: name different devices of one kind, as gpu:0,gpu:1 or cpu:0")
    if kinds == {"cpu"} and len(names) > 1:
        split = [tf.config.LogicalDeviceConfiguration()] * len(names)
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], split)
    there = [device.name.removeprefix("/device:").lower() for device in tf.config.list_logical_devices()]
    for name in names:
        if name not in there:
            raise ValueError(f"--devices={devices}: there is no {name}; this machine has {', '.join(there)}")
    if len(names) == 1:
        return tf.device(names[0])
    reduce = tf.distribute.ReductionToOneDevice() if kinds == {"cpu"} else None
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduce).scope()
