"""Schemas from a schema registry (Confluent's REST API), kept; needs the extra ``registry``."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.formats.confluent import Schema
from schemas.formats.errors import DecodeError

__all__ = ["SchemaRegistry", "registry_of"]

KEPT = 256
"""Schemas, and failures, that are kept."""
MOST_CHARS = 1 << 18
"""Characters of a schema, at most."""
TIMEOUT_SECONDS = 5.0
"""For a connection, and for each part of an answer."""
FAILED_SECONDS = 30.0
"""How long a failure holds before the registry is asked again."""
ADDRESS = re.compile(r"https?://[^\s/@,?#]+(/[^\s@,?#]*)?")


class SchemaRegistry:
    """Gives the schema of an id; asks for it once.

    While the registry cannot be reached, or refuses, nothing is asked of it for 30 s, whatever the id:
    records that need a schema must not hold up the others.

    Args:
        url: address of the registry, http or https, without user and password.
        auth: ``user:password`` for HTTP basic authentication, or None.
        clock: seconds that never go back.

    Raises:
        ValueError: an address or credentials that cannot be, or the extra is missing; says what to do.

    """

    def __init__(
        self, url: str, auth: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not ADDRESS.fullmatch(url):
            raise ValueError(
                "schema_registry is not an address such as http://registry:8081; user and password go into "
                "schema_registry_auth"
            )
        if auth is not None and not re.fullmatch(r"[^:]+:.+", auth, re.DOTALL):
            raise ValueError("schema_registry_auth is not user:password")
        if not (find_spec("fastavro") and find_spec("authlib")):
            raise ValueError("schema_registry needs the extra: pip install 'qualm[registry]'")
        from confluent_kafka.schema_registry import SchemaRegistryClient

        said = {"basic.auth.user.info": auth} if auth else {}
        self._client = SchemaRegistryClient(
            {"url": url, "timeout": TIMEOUT_SECONDS, "max.retries": 0, **said}
        )
        self._host = urlsplit(url).netloc
        self._clock = clock
        self._schemas: OrderedDict[int, Schema] = OrderedDict()
        self._failures: OrderedDict[int, tuple[float, str]] = OrderedDict()
        self._down = (-FAILED_SECONDS, "")

    def __call__(self, number: int) -> Schema:
        """The schema of an id.

        Raises:
            DecodeError: there is none, or it cannot be had now; names the id, the host and what to do.

        """
        if schema := self._schemas.get(number):
            self._schemas.move_to_end(number)
            return schema
        now = self._clock()
        for since, why in (self._failures.get(number, self._down), self._down):
            if why and now < since + FAILED_SECONDS:
                raise self._none(number, why)
        schema = self._fetch(number)
        self._schemas[number] = schema
        if len(self._schemas) > KEPT:
            self._schemas.popitem(last=False)
        return schema

    def _fetch(self, number: int) -> Schema:
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            found = self._client.get_schema(number)
            self._client.clear_caches()  # type: ignore[no-untyped-call]  # as it is; they have no bound
        except SchemaRegistryError as error:
            status = error.http_status_code
            if status in (401, 403):
                raise self._all_fail(number, f"refuses ({status}); set schema_registry_auth") from None
            if status == 404:
                why = "does not know it; see that schema_registry is the one of the producers"
                raise self._fails(number, why) from None
            raise self._all_fail(number, f"answers with status {status}; see its own log") from None
        except (
            Exception
        ) as error:  # of several HTTP libraries, and whatever a wrong answer makes Python raise
            why = f"cannot be reached or understood ({type(error).__name__}); see that it runs"
            raise self._all_fail(number, why) from None
        if found.references:
            raise self._fails(number, "has it with references to other schemas, which are not read")
        if not isinstance(found.schema_str, str) or not isinstance(found.schema_type, str):
            raise self._fails(number, "gives no text of it")
        if len(found.schema_str) > MOST_CHARS:
            raise self._fails(number, f"has it with more than {MOST_CHARS} characters, which is not read")
        return Schema(found.schema_type, found.schema_str)

    def _fails(self, number: int, why: str) -> DecodeError:
        self._failures[number] = (self._clock(), why)
        self._failures.move_to_end(number)
        if len(self._failures) > KEPT:
            self._failures.popitem(last=False)
        return self._none(number, why)

    def _all_fail(self, number: int, why: str) -> DecodeError:
        self._down = (self._clock(), why)
        return self._none(number, why)

    def _none(self, number: int, why: str) -> DecodeError:
        return DecodeError(f"no schema: id {number}: the registry at {self._host} {why}")


def registry_of(url: str | None, auth: SecretStr | None) -> SchemaRegistry | None:
    """The registry of settings, the same one for the same settings; None where they name none.

    Raises:
        ValueError: as for SchemaRegistry.

    """
    return _shared(url, auth.get_secret_value() if auth else None) if url else None


@cache
def _shared(url: str, auth: str | None) -> SchemaRegistry:
    return SchemaRegistry(url, auth)
