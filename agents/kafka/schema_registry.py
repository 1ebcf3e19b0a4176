"""Schemas from a schema registry (Confluent's REST API), kept; needs the extra ``registry``."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.formats.confluent import Schema, SchemaOf
from schemas.formats.errors import DecodeError

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

__all__ = ["SchemaRegistry", "address_of", "registry_of"]

KEPT = 256
"""Schemas, and failures, that are kept."""
MOST_CHARS = 1 << 18
"""Characters of a schema, at most."""
MOST_REFERENCES = 64
"""Schemas that one refers to, at most; together they have as many characters as one may have."""
TIMEOUT_SECONDS = 5.0
"""For a connection, and for each part of an answer."""
PATIENCE_SECONDS = 10.0
"""For all answers that one schema needs: no further question is asked after that."""
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
        self.url = url
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
        try:
            schema = _Fetch(self._client, self._clock).schema(number)
        except _NoSchemaError as error:
            raise self._failed(number, error) from None
        self._schemas[number] = schema
        if len(self._schemas) > KEPT:
            self._schemas.popitem(last=False)
        return schema

    def _failed(self, number: int, error: _NoSchemaError) -> DecodeError:
        if error.is_down:
            self._down = (self._clock(), str(error))
        else:
            self._failures[number] = (self._clock(), str(error))
            self._failures.move_to_end(number)
            if len(self._failures) > KEPT:
                self._failures.popitem(last=False)
        return self._none(number, str(error))

    def _none(self, number: int, why: str) -> DecodeError:
        return DecodeError(f"no schema: id {number}: the registry at {self._host} {why}")


class _NoSchemaError(Exception):
    """Why there is no schema, and whether that holds for all schemas."""

    def __init__(self, why: str, is_down: bool = False) -> None:
        super().__init__(why)
        self.is_down = is_down


class _Fetch:
    """All that is asked for one schema: itself, compiled where it is Protobuf, and what it refers to."""

    def __init__(self, client: SchemaRegistryClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._until = clock() + PATIENCE_SECONDS
        self._chars = 0

    def schema(self, number: int) -> Schema:
        unknown = "does not know it; see that schema_registry is the one of the producers"
        found = self._asked(unknown, self._client.get_schema, number)
        form = "serialized" if found.schema_type == "PROTOBUF" else None
        if form:
            found = self._asked(unknown, self._client.get_schema, number, fmt=form)
        if not isinstance(found.schema_type, str):
            raise _NoSchemaError("gives no text of it")
        text = self._text(found)
        references: dict[str, str] = {}
        self._add_references(found, form, references)
        return Schema(found.schema_type, text, tuple(references.items()))

    def _add_references(self, schema: Any, form: str | None, known: dict[str, str]) -> None:
        """Add what a schema refers to, each behind what it refers to itself."""
        for each in schema.references or ():
            if not (isinstance(each.name, str) and isinstance(each.subject, str)) or each.name in known:
                continue
            if len(known) >= MOST_REFERENCES:
                raise _NoSchemaError(
                    f"has it with more than {MOST_REFERENCES} references, which are not read"
                )
            known[each.name] = ""  # a circle ends here
            where = f"version {each.version} of {each.subject[:100]}"
            unknown = f"has it with a reference to {where}, which it does not know; register that again"
            ask = self._client.get_version
            found = self._asked(unknown, ask, each.subject, each.version, deleted=True, fmt=form).schema
            text = self._text(found)
            self._add_references(found, form, known)
            del known[each.name]
            known[each.name] = text

    def _asked(self, unknown: str, ask: Callable[..., Any], *what: Any, **how: Any) -> Any:
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        if self._clock() > self._until:
            raise _NoSchemaError("takes too long to give it; see that it runs well", is_down=True)
        try:
            found = ask(*what, **how)
            self._client.clear_caches()  # type: ignore[no-untyped-call]  # as it is; they have no bound
            return found
        except SchemaRegistryError as error:
            status = error.http_status_code
            if status in (401, 403):
                why = f"refuses ({status}); set schema_registry_auth"
                raise _NoSchemaError(why, is_down=status == 401) from None
            if status == 404:
                raise _NoSchemaError(unknown) from None
            is_down = status in (408, 429) or status >= 500
            raise _NoSchemaError(f"answers with status {status}; see its own log", is_down) from None
        except (
            Exception
        ) as error:  # of several HTTP libraries, and whatever a wrong answer makes Python raise
            why = f"cannot be reached or understood ({type(error).__name__}); see that it runs"
            raise _NoSchemaError(why, is_down=True) from None

    def _text(self, schema: Any) -> str:
        text = schema.schema_str
        if not isinstance(text, str):
            raise _NoSchemaError("gives no text of it")
        self._chars += len(text)
        if self._chars > MOST_CHARS:
            raise _NoSchemaError(f"has it with more than {MOST_CHARS} characters, which is not read")
        return text


def address_of(schema_of: SchemaOf | None) -> str | None:
    """Where the registry is that schemas come from; None where they come from none."""
    return schema_of.url if isinstance(schema_of, SchemaRegistry) else None


def registry_of(url: str | None, auth: SecretStr | None) -> SchemaRegistry | None:
    """The registry of settings, the same one for the same settings; None where they name none.

    Raises:
        ValueError: as for SchemaRegistry.

    """
    return _shared(url, auth.get_secret_value() if auth else None) if url else None


@cache
def _shared(url: str, auth: str | None) -> SchemaRegistry:
    return SchemaRegistry(url, auth)
