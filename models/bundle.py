"""A trained detector on disk: JSON, safetensors and ONNX, with a digest over all.

No pickle, nothing that runs code.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.circuits.spec import MAX_LAYERS, MAX_WIRES, CircuitSpec, checked_weights
from models.context.context import Context
from models.context.features import NAMES, WIDTH
from models.context.templates import TemplateMiner
from models.false_alarms import FalseAlarms
from models.heads import prefilter
from models.heads.calibration import Calibration, UnitCalibration
from models.heads.density import DensityMatrices
from models.heads.twin import twin_size
from models.int8.onnx_model import OnnxModel
from models.scores import ScoreName
from schemas.formats.options import ReadOptions

FORMAT: Final = 4
MANIFEST: Final = "bundle.json"
WEIGHTS: Final = "weights.safetensors"
CONTEXT: Final = "context.safetensors"
ENCODER: Final = "encoder.int8.onnx"
ENCODER_FLOAT: Final = "encoder.onnx"
READOUT: Final = "readout.int8.onnx"
READOUT_FLOAT: Final = "readout.onnx"
TWIN_READOUT: Final = "twin_readout.onnx"
FILES: Final = (WEIGHTS, CONTEXT, ENCODER, ENCODER_FLOAT, READOUT, READOUT_FLOAT, TWIN_READOUT)
UNITS: Final[tuple[Literal["entity", "source"], ...]] = ("entity", "source")  # classes of them
FILE_LIMIT: Final = 256 * 1024 * 1024  # bytes; far more than any real bundle

Arrays = dict[str, NDArray[np.generic]]


class BundleError(Exception):
    """A bundle that is missing, damaged, foreign or of another version; the text says what to do."""


class Manifest(BaseModel):
    """bundle.json."""

    model_config = ConfigDict(extra="forbid")

    format: int
    qualm: str
    features: list[str]
    wires: int = Field(ge=1, le=MAX_WIRES)
    layers: int = Field(ge=0, le=MAX_LAYERS)
    preset: str
    entity_timeout: float = Field(
        gt=0, allow_inf_nan=False, description="seconds without events that end an entity"
    )
    salience_budget: float = Field(gt=0, le=1)
    prefilter_threshold: float = Field(allow_inf_nan=False)
    false_alarms: str = Field(description="how many are accepted, such as 1/day; models/false_alarms.py")
    merges: list[str] = Field(max_length=100_000)
    texts: dict[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], str] = Field(
        default_factory=dict, max_length=100_000, description="templates that are due, by their id"
    )
    reading: dict[str, str | None] = Field(
        description="how lines were read in training; the default for replay"
    )
    training: dict[str, Any] = Field(description="what it was trained on, for people")
    calibrated_on: dict[Literal["entity", "source"], Annotated[int, Field(ge=1)]] = Field(
        description="normal units of each class behind the p-values"
    )
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 of every other file")

    @property
    def spec(self) -> CircuitSpec:
        """The circuit of the bundle. Raises ValueError for an unknown preset."""
        return CircuitSpec(self.wires, self.layers, self.preset)

    def read_options(self) -> ReadOptions:
        """How lines were read in training. Raises ValueError for what no training wrote."""
        unknown = self.reading.keys() - ReadOptions().remembered().keys()
        if unknown:
            raise ValueError(f"reading holds unknown options: {', '.join(sorted(unknown))}")
        return ReadOptions().override(self.reading)


class _Header(BaseModel):
    format: int


@dataclass(frozen=True)
class Bundle:
    """What training makes and triage and evaluation use.

    weights: prefilter.* (models/heads/prefilter.py), gate.tau (n,), gate.alpha (n,), circuit.weights,
    twin.weights, density.* (models/heads/density.py), typical (d,): the 95th percentile of each feature on
    normal events. context: what Context.dump() wrote, empty for a bundle that starts cold. models: ONNX files
    by name.
    """

    manifest: Manifest
    weights: Arrays
    context: Arrays
    models: dict[str, bytes]
    calibrations: Mapping[ScoreName, UnitCalibration] = field(default_factory=dict)
    digest: str = ""

    @property
    def false_alarms(self) -> FalseAlarms:
        """How many false alarms are accepted, unless the user asks for another number."""
        return FalseAlarms.parse(self.manifest.false_alarms)

    @classmethod
    def default(cls) -> "Bundle":
        """The bundle that ships with qualm, trained on simulated services only."""
        return cls.load(Path(__file__).parent / "default_bundle")

    @classmethod
    def load(cls, path: Path) -> "Bundle":
        """Read and verify a bundle. Raises BundleError."""
        content = {name: _read(path, name) for name in (MANIFEST, *FILES)}
        manifest = _manifest(path, content[MANIFEST])
        for name in FILES:
            if hashlib.sha256(content[name]).hexdigest() != manifest.files.get(name):
                raise BundleError(
                    f"{path}: {name} is damaged (its digest does not match); train or copy it again"
                )
        try:
            weights, context = load(content[WEIGHTS]), load(content[CONTEXT])
            _check_weights(weights, manifest)
            _check_calibrations(weights, manifest)
            _check_context(context, manifest)
            for name in FILES:
                if name.endswith(".onnx"):
                    _check_model(name, content[name], manifest.wires)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path}: the weights cannot be used: {error}") from None
        calibrations = {name: _calibration(name, weights, manifest) for name in ScoreName}
        models = {name: content[name] for name in FILES if name.endswith(".onnx")}
        return cls(manifest, weights, context, models, calibrations, _digest(content[MANIFEST]))

    def save(self, path: Path) -> "Bundle":
        """Write the bundle into a folder and return it as loaded from there."""
        weights = dict(self.weights)
        for name, units in self.calibrations.items():
            for of in UNITS:
                calibration: Calibration = getattr(units, of)
                weights[f"calibration.{of}.{name}"] = calibration.scores
                weights[f"tail.{of}.{name}"] = np.array(
                    (*calibration.tail, calibration.suspected) if calibration.tail else (), np.float64
                )
        content = {WEIGHTS: save(_plain(weights)), CONTEXT: save(_plain(self.context)), **self.models}
        digests = {name: hashlib.sha256(content[name]).hexdigest() for name in FILES}
        manifest = self.manifest.model_copy(update={"files": digests, "qualm": version("qualm")})
        path.mkdir(parents=True, exist_ok=True)
        for file, data in content.items():
            (path / file).write_bytes(data)
        text = json.dumps(manifest.model_dump(), indent=1, sort_keys=True, allow_nan=False)
        (path / MANIFEST).write_text(text + "\n", encoding="utf-8")
        return Bundle.load(path)


def _calibration(score: ScoreName, weights: Arrays, manifest: Manifest) -> UnitCalibration:
    found = {}
    for of in UNITS:
        tail = weights[f"tail.{of}.{score}"].astype(np.float64).tolist()
        scores = weights[f"calibration.{of}.{score}"].astype(np.float64)
        found[of] = Calibration(
            scores, manifest.calibrated_on[of], (tail[0], tail[1]) if tail else None, tail[2] if tail else 0.0
        )
    return UnitCalibration(**found)


def _plain(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    return {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}


def _digest(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()  # the manifest names the digest of every other file


def _read(path: Path, name: str) -> bytes:
    try:
        with (path / name).open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise BundleError(
            f"{path}: no bundle here ({name}: {error.strerror}); `qualm train` makes one"
        ) from None
    if len(data) > FILE_LIMIT:
        raise BundleError(f"{path}: {name} is larger than {FILE_LIMIT // 2**20} MiB, so not one of qualm's")
    return data


def _manifest(path: Path, text: bytes) -> Manifest:
    try:
        found = _Header.model_validate_json(text).format
        if found != FORMAT:
            raise BundleError(f"{path}: bundle format {found}, this qualm reads {FORMAT}; train it again")
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{path}: {MANIFEST} is not a qualm bundle ({where}: {first['msg']})") from None
    try:
        FalseAlarms.parse(manifest.false_alarms)
    except ValueError as error:
        raise BundleError(f"{path}: {MANIFEST} is not a qualm bundle (false_alarms: {error})") from None
    try:
        manifest.read_options()
    except ValueError as error:
        raise BundleError(
            f"{path}: {MANIFEST} says how lines are read, and that cannot work: {error}"
        ) from None
    if tuple(manifest.features) != NAMES:
        raise BundleError(f"{path}: trained on other features than this qualm computes; train it again")
    return manifest


def _check_weights(weights: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> None:
    spec = manifest.spec
    shapes: dict[str, tuple[int, ...]] = {
        **prefilter.SHAPES,
        "gate.tau": (manifest.wires,),
        "gate.alpha": (manifest.wires,),
        "typical": (WIDTH,),
        "twin.weights": twin_size(spec)[:1],
    }
    for name, shape in shapes.items():
        if name not in weights or weights[name].shape != shape:
            raise ValueError(f"{name} is missing or not of shape {shape}")
    for name, array in weights.items():
        if name not in ("density.patterns", "density.counts") and not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"{name} holds no numbers of floating point")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that are no finite numbers")
    prefilter.from_arrays(weights)
    checked_weights(spec, weights["circuit.weights"])
    DensityMatrices.from_arrays(weights, manifest.wires)


def _check_calibrations(weights: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> None:
    if manifest.calibrated_on.keys() != set(UNITS):
        raise ValueError(f"calibrated_on does not name {' and '.join(UNITS)}")
    for of, score in product(UNITS, ScoreName):
        scores = weights[f"calibration.{of}.{score}"].astype(np.float64)
        tail = weights[f"tail.{of}.{score}"]
        if scores.ndim != 1 or not len(scores) or tail.shape not in ((0,), (3,)):
            raise ValueError(f"calibration of {score} is of the wrong shape")
        if (np.diff(scores) < 0).any() or (
            len(tail) and not (float(tail[1]) > 0.0 and 0.0 <= float(tail[2]) < 1.0)
        ):
            raise ValueError(f"calibration of {score} is not in order")


def _check_context(context: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> None:
    if context:
        Context(TemplateMiner(manifest.merges), manifest.entity_timeout).restore(context)


def _check_model(name: str, data: bytes, wires: int) -> None:
    inputs, outputs = (WIDTH, wires) if name in (ENCODER, ENCODER_FLOAT) else (2 * wires + 1, 1)
    made = OnnxModel(data)
    if made.width != inputs or made(np.zeros((1, inputs), np.float32)).shape != (1, outputs):
        raise ValueError(f"{name} is not of {inputs} inputs and {outputs} outputs")
