"""The surprise features: what each entry of x says, in which unit, and for which kind of alert it argues."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["new pattern", "sequence", "frequency", "silence", "level", "parameter"]

CAP: Final = 30.0  # nats or z: surprise beyond this adds nothing, and one outlier must not swamp the encoder
CAP_EVIDENCE: Final = 300.0  # nats: evidence adds up, and how much there is of it tells units apart


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of x, in [0, CAP], evidence of a unit in [0, CAP_EVIDENCE]; 0 is the least
    surprising."""

    name: str
    kind: Kind
    unit: str
    meaning: str


FEATURES: Final = (
    Feature("template_in_source", "new pattern", "nats", "-log p(template | source)"),
    Feature("template_overall", "new pattern", "nats", "-log p(template)"),
    Feature("template_age", "new pattern", "nats", "log of stream age over template age"),
    Feature("rarest_word", "new pattern", "nats", "-log p(rarest word of the message)"),
    Feature("entity_transition", "sequence", "nats", "-log p(template | previous template of the entity)"),
    Feature("source_transition", "sequence", "nats", "-log p(template | previous template of the source)"),
    Feature(
        "entity_gap",
        "sequence",
        "z",
        "log time since the entity's previous event, for this pair of templates",
    ),
    Feature("entity_path", "sequence", "nats", "-log p(set of templates of the entity)"),
    Feature("entity_duration", "sequence", "z", "log duration of the entity against its kind"),
    Feature("severity_rank", "level", "nats", "0 up to INFO, 3 WARN, 6 ERROR, 9 FATAL"),
    Feature("severity_in_source", "level", "nats", "-log p(severity | source)"),
    Feature(
        "parameter_outlier", "parameter", "z", "largest robust z of a numeric parameter in its template slot"
    ),
    Feature(
        "parameter_new", "parameter", "nats", "-log p(rarest categorical parameter in its template slot)"
    ),
    Feature(
        "unit_new",
        "new pattern",
        "nats",
        "sum of -log of the share of units that ever show its words, or -log of that of errors as rare",
    ),
    Feature("unit_overdue", "sequence", "nats", "sum of -log of the share of units that lack what it lacks"),
    Feature("unit_repeats", "frequency", "nats", "sum of -log of the share of units that repeat as much"),
    Feature("unit_ending", "sequence", "nats", "-log p(entity falls idle after its last template)"),
    Feature(
        "unit_known",
        "sequence",
        "nats",
        "log odds, beyond prior ones, that what shows so much is a known fault",
    ),
    Feature("source_rates", "frequency", "nats", "sum of how surprising the counts of its last minute are"),
    Feature("source_shifts", "parameter", "nats", "sum of z^2 / 2 of means of the last numbers in its slots"),
    Feature("severe", "level", "nats", "-log p(FATAL | source), a priori one line in e^20"),
    Feature("source_silence", "silence", "nats", "-log p(gap this long) of the source"),
)
NAMES: Final = tuple(feature.name for feature in FEATURES)
WIDTH: Final = len(FEATURES)
EVIDENCE_COLUMNS: Final = slice(NAMES.index("unit_new"), WIDTH)  # of x: evidence of the unit, in its order
