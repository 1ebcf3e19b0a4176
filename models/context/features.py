"""The surprise features: what each entry of x says, in which unit, and for which kind of alert it argues."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["new pattern", "sequence", "frequency", "silence", "level", "parameter"]

CAP: Final = 30.0  # nats or z: surprise beyond this adds nothing, and one outlier must not swamp the encoder


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of x, always in [0, CAP]; 0 is the least surprising."""

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
    Feature("entity_repeats", "sequence", "nats", "-log p(as many of this template in one entity)"),
    Feature(
        "entity_gap",
        "sequence",
        "z",
        "log time since the entity's previous event, for this pair of templates",
    ),
    Feature("unexpected_end", "sequence", "nats", "-log p(entity falls idle after its last template)"),
    Feature(
        "missing_templates", "sequence", "nats", "sum of -log p(absent) over the templates the entity lacks"
    ),
    Feature(
        "entity_counts", "sequence", "z", "-log p(all template counts of the entity) against its usual value"
    ),
    Feature("entity_path", "sequence", "nats", "-log p(set of templates of the entity)"),
    Feature("entity_duration", "sequence", "z", "log duration of the entity against its kind"),
    Feature(
        "template_burst",
        "frequency",
        "z",
        "log rate of this template in the last minute against the last hour",
    ),
    Feature(
        "source_burst", "frequency", "z", "log rate of this source in the last minute against the last hour"
    ),
    Feature("source_silence", "silence", "nats", "-log p(gap this long) of the source"),
    Feature("severity_rank", "level", "nats", "0 up to INFO, 3 WARN, 6 ERROR, 9 FATAL"),
    Feature("severity_in_source", "level", "nats", "-log p(severity | source)"),
    Feature(
        "error_burst",
        "level",
        "z",
        "log rate of errors of this source in the last minute against the last hour",
    ),
    Feature(
        "parameter_outlier", "parameter", "z", "largest robust z of a numeric parameter in its template slot"
    ),
    Feature(
        "parameter_shift", "parameter", "nats", "z^2 / 2 of the mean of the last values in a template slot"
    ),
    Feature(
        "parameter_new", "parameter", "nats", "-log p(rarest categorical parameter in its template slot)"
    ),
)
NAMES: Final = tuple(feature.name for feature in FEATURES)
WIDTH: Final = len(FEATURES)
