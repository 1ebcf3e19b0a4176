"""What ``qualm doctor`` finds out: is everything there, valid and reachable, and what to do if not."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib import metadata

from agents.check import Check
from agents.doctor_topics import broker_and_topics
from agents.settings import Settings, SettingsError, config_file, load_settings, unknown_variables
from models.bundle import Bundle, BundleError
from models.circuits.choice import choose, time_devices
from models.circuits.devices import DeviceError

__all__ = ["Check", "examine"]

LIBRARIES = (
    "faust-streaming",
    "aiokafka",
    "confluent-kafka",
    "torch",
    "pennylane",
    "pennylane-lightning",
    "onnxruntime",
    "safetensors",
    "numpy",
    "orjson",
)


def examine(
    settings: Settings | None = None, wait: Callable[[str], None] = lambda text: None
) -> Iterator[Check]:
    """Look at everything, one check after the other; never raises for what it finds.

    Args:
        settings: those to examine; None loads them, and reports it when they are wrong.
        wait: gets what is waited for, and how long, where that is seconds.
    """
    yield from _installation()
    try:
        settings = settings or load_settings()
    except SettingsError as error:
        yield Check(
            "fail", "configuration", str(error), "Correct the settings; docs/configuration.md lists them."
        )
        return
    yield from _configuration(settings)
    bundle = None
    try:
        bundle = Bundle.load(settings.bundle) if settings.bundle else Bundle.default()
    except BundleError as error:
        yield Check("fail", "bundle", str(error), "Set `bundle` to a folder that `qualm train` wrote.")
    else:
        yield Check("ok", "bundle", f"{settings.bundle or 'default'}, digest {bundle.digest[:16]}")
        yield from _reading(settings, bundle)
    yield from broker_and_topics(settings, bundle, wait)
    if bundle is not None:
        wait("devices: timing each of them takes some seconds")
        yield from _devices(settings, bundle)


def _installation() -> Iterator[Check]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Check("ok", "python", found)
    for name in LIBRARIES:
        try:
            yield Check("ok", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Check("fail", name, "not installed", "Run `make install`, or pip install qualm again.")


def _devices(settings: Settings, bundle: Bundle) -> Iterator[Check]:
    """Every device, timed on the circuit of the bundle, and the one that the settings lead to."""
    spec, weights = bundle.manifest.spec, bundle.weights["circuit.weights"]
    for timing in time_devices(spec, weights, settings.evaluate_batch):
        if timing.rate:
            what = f"{timing.rate:,.0f} circuits/s of {spec.wires} wires, half of them open"
            yield Check("ok", f"device {timing.name}", what)
        else:
            advice = "Only needed where `device` names it."
            yield Check("warn", f"device {timing.name}", timing.problem, advice)
    try:
        choice = choose(spec, weights, settings.evaluate_options())
    except DeviceError as error:
        yield Check("fail", "device", str(error), "Correct `device` or `shots`.")
    else:
        yield Check("ok", "device", f"{settings.device} is {choice.name}: {choice.reason}")


def _configuration(settings: Settings) -> Iterator[Check]:
    source = config_file()
    yield Check(
        "ok", "configuration", f"valid; file: {source or 'none'}; topics: {', '.join(settings.topics)}"
    )
    for name in unknown_variables():
        yield Check(
            "warn", "environment", f"{name} is no setting", "Correct its name; see docs/configuration.md."
        )


def _reading(settings: Settings, bundle: Bundle) -> Iterator[Check]:
    """How each topic is read, by the rule that the worker reads it by."""
    trained = bundle.manifest.read_options()
    for topic in settings.topics:
        options = settings.read_options(topic, trained)  # Settings that contradict themselves are none
        given = {name: value for name, value in options.remembered().items() if value is not None}
        shown = ", ".join(f"{name} {value}" for name, value in given.items())
        origin = "as the bundle was trained" if options.remembered() == trained.remembered() else "as set"
        yield Check("ok", f"reading {topic}", f"{shown} ({origin})")
    for topic in sorted(settings.read.keys() - set(settings.topics)):
        advice = "Correct the name in `[read.TOPIC]`, or add the topic to `topics`."
        yield Check("warn", f"reading {topic}", "set, but no worker reads this topic", advice)
