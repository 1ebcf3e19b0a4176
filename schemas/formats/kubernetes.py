"""What collectors add to a line of a container: which workload it is of."""

from __future__ import annotations

from typing import Any

from schemas.formats.fields import first_text

__all__ = ["workload"]

_LABELS = ("labels", "pod_labels")
_APPS = ("app.kubernetes.io/name", "app_kubernetes_io/name", "app_kubernetes_io_name", "k8s-app", "app")
_NAMES = ("container_name", "container.name", "deployment.name", "pod_name", "pod.name")


def workload(kubernetes: object) -> str:
    """The application, container or pod in the metadata of Fluent Bit, Filebeat or Vector; else ``""``.

    Names without a counter come first: one source is then all replicas of a workload.
    """
    if not isinstance(kubernetes, dict):
        return ""
    for name in _LABELS:
        labels: Any = kubernetes.get(name)
        if isinstance(labels, dict) and (found := first_text(labels, _APPS)):
            return found
    return first_text(kubernetes, _NAMES)
