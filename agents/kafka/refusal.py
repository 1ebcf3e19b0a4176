"""Why a broker that is there does not let this client in: TLS, SASL or the wrong port, told apart by asking.

aiokafka tells its caller only that no broker of a list could be used; each address is asked again here, once.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.admin import SaslHandShakeRequest

from agents.settings import Settings

__all__ = ["refusal"]

# OpenSSL's codes of a certificate that is good and of another host, of another address, and of one that is
# over.
_OTHER_HOST = (62, 64)
_EXPIRED = 10


async def refusal(settings: Settings, seconds: float) -> str:
    """What the first broker that refuses this client has against it and what to do, as a sentence without the
    full stop; "" where none refuses it, because none is there or they just came up. No secret is in it.

    Args:
        settings: of the brokers and of who is asking.
        seconds: how long all of this may take, at most.
    """
    try:
        async with asyncio.timeout(seconds):
            for address in settings.broker:
                host, _, port = address.rpartition(":")
                if why := await _asked(settings, host.strip("[]"), int(port), seconds):
                    return f"The broker at {address} ({settings.security_protocol}) {why}"
    except TimeoutError:
        pass
    return ""


async def _asked(settings: Settings, host: str, port: int, seconds: float) -> str:
    options = settings.client_options()
    del options["bootstrap_servers"]
    try:
        connection = await _connection(host, port, seconds, **options)
    except (KafkaError, OSError, TimeoutError) as error:
        if isinstance(error, ConnectionRefusedError | TimeoutError):
            return ""
        return _said(settings, host, error) or await _port(settings, host, port, seconds)
    try:
        if not settings.security_protocol.startswith("SASL") and await _wants_sasl(connection):
            return f"asks for a user and a password: set security_protocol to SASL_{_tls(settings)}"
    finally:
        connection.close()
    return ""


def _connection(host: str, port: int, seconds: float, **options: Any) -> Any:
    return create_conn(host, port, client_id="qualm", request_timeout_ms=int(seconds * 1000), **options)


def _said(settings: Settings, host: str, error: Exception) -> str:
    """What an error says by itself; "" for nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_HOST:
            return f"has a certificate that is not for {host}: set `broker` to a name that is in it"
        if error.verify_code == _EXPIRED:
            return "has a certificate that has expired: renew it, or set the clock of this machine"
        return (
            f"has a certificate that is not trusted here ({error.verify_message}): "
            "set ssl_cafile to the PEM file of the authority that signed it"
        )
    if isinstance(error, SaslAuthenticationFailed):
        user = f"{settings.sasl_username} by {settings.sasl_mechanism}"
        return f"refuses user {user}: check sasl_username and sasl_password"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"does not take {settings.sasl_mechanism}: set sasl_mechanism to one that it has enabled"
    if isinstance(error, IllegalSaslStateError):
        return f"takes no user and password on this port: set security_protocol to {_tls(settings)}"
    return ""


async def _port(settings: Settings, host: str, port: int, seconds: float) -> str:
    """Whether the port speaks TLS where it should not, or does not where it should."""
    if settings.security_protocol.endswith("SSL"):
        if await _answers(host, port, seconds):
            protocol = settings.security_protocol.replace("SSL", "PLAINTEXT")
            return f"does not speak TLS on this port: set security_protocol to {protocol}, or another port"
        given = "one that it trusts" if settings.ssl_certfile else "a certificate of this client"
        return f"ends the connection after TLS began: it may ask for {given}; set ssl_certfile, ssl_keyfile"
    if await _speaks_tls(host, port):
        protocol = settings.security_protocol.replace("PLAINTEXT", "SSL")
        return f"speaks TLS on this port: set security_protocol to {protocol}, or another port"
    return ""


async def _answers(host: str, port: int, seconds: float) -> bool:
    """Whether what is there speaks Kafka without TLS."""
    try:
        (await _connection(host, port, seconds)).close()
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether what is there speaks TLS, whoever it is: nothing is sent to it but the greeting of TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return False
    writer.close()
    return True


async def _wants_sasl(connection: AIOKafkaConnection) -> bool:
    """Whether the broker offers a way to say who one is; one that wants nothing of it says so."""
    try:
        answer = await connection.send(SaslHandShakeRequest("PLAIN"))
    except (KafkaError, OSError, TimeoutError):
        return False
    return for_code(answer.error_code) is not IllegalSaslStateError


def _tls(settings: Settings) -> str:
    return "SSL" if settings.security_protocol.endswith("SSL") else "PLAINTEXT"
