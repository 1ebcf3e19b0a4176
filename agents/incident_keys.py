"""Names by which alerts find the incident that they belong to."""

from __future__ import annotations

from schemas.alert import Alert

__all__ = ["burst_key", "keys_of", "unit_key"]


def unit_key(source: str, entity: str) -> str:
    """Of a unit: an entity, or a source as a whole."""
    return f"e{entity}" if entity else f"s{source}"


def burst_key(source: str) -> str:
    """Of a source, under which what follows at once is found."""
    return f"b{source}"


def keys_of(alert: Alert) -> list[str]:
    """Of an alert: its unit, and what argues most for it."""
    reason = alert.evidence[0] if alert.evidence else None
    about = f"{reason.kind} {reason.template}" if reason else f"{alert.kind} {alert.template_id}"
    unit = unit_key(alert.source, alert.entity)
    return [unit, f"t{about}"] if alert.entity else [unit]
