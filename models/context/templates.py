"""Templates: the constant part of a message, as a pure function of the message and the bundle.

A token (a run of bytes without separators) that holds a digit is a parameter, `<*>`; parameters listed side
by side count as one. What tokens alone cannot tell (`user alice`, `user bob`) the bundle's merges do:
positions that training found to vary. An event that came with a template has that one.

Drain (He et al., ICWS 2017) is the usual miner, but its templates depend on what came before, so two workers
would name one message differently; see docs/decisions.md.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.jit import jit

MESSAGE_BYTES: Final = 4096  # of a message that count for its template
PARAMETERS: Final = 8  # kept of one message
WORDS: Final = 12
TEXT_CHARS: Final = 512
CACHE_SIZE: Final = 100_000  # shapes; a hostile stream of new ones must not grow the cache without end
MERGE_VALUES: Final = 8  # distinct words at one position that make it a parameter

SEPARATORS: Final = b" \t\r\n\x0b\x0c=,;:()[]{}<>\"'|"
_PIECES = re.compile(b"([" + re.escape(SEPARATORS) + b"]+)")
_DIGIT = re.compile(rb"[0-9]")
_SPACES = re.compile(rb"[ \t\r\n\x0b\x0c]+")
_LISTED = frozenset(b" ,")

# One class per byte: 0 part of a token, 1 digit, 2 white space, 3 other separator.
_CLASS = np.zeros(256, np.uint8)
_CLASS[list(b"0123456789")] = 1
_CLASS[list(SEPARATORS)] = 3
_CLASS[list(b" \t\r\n\x0b\x0c")] = 2


@dataclass(frozen=True, slots=True)
class Shapes:
    """What one pass over n messages finds.

    shape (n,) uint64: hash of the masked message; values (n, PARAMETERS) uint64 and numbers (n, PARAMETERS)
    float64: hash of each parameter and its number (NaN when it is none), 0 where there is no parameter;
    measured (n, PARAMETERS): whether the number has a unit or a fraction, as measurements do and identifiers
    do not; words (n, WORDS) uint64: hashes of constant tokens, 0 where there is none.
    """

    shape: NDArray[np.uint64]
    values: NDArray[np.uint64]
    numbers: NDArray[np.float64]
    measured: NDArray[np.bool_]
    words: NDArray[np.uint64]


@jit
def _mix(a: np.uint64, b: np.uint64) -> np.uint64:
    h = (a ^ b) * np.uint64(0x9E3779B97F4A7C15)
    return h ^ (h >> np.uint64(29))


@jit
def _number(text: NDArray[np.uint8], start: int, end: int) -> float:
    """The number that text[start:end] spells, with a unit of at most three letters (35ms, 12.5%), or NaN."""
    negative = text[start] == 45
    i = start + 1 if negative else start
    value, scale, digits, dots = 0.0, 1.0, 0, 0
    while i < end:
        c = text[i]
        if 48 <= c <= 57:
            value = value * 10.0 + (c - 48)
            digits += 1
            if dots == 1:
                scale *= 10.0
        elif c == 46 and dots == 0 and digits > 0:
            dots = 1
        else:
            break
        i += 1
    if digits == 0 or digits > 18 or end - i > 3:
        return np.nan
    for j in range(i, end):
        c = text[j] | 32
        if not (97 <= c <= 122 or text[j] == 37):
            return np.nan
    return -value / scale if negative else value / scale


@jit
def _scan(
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    classes: NDArray[np.uint8],
    shape: NDArray[np.uint64],
    values: NDArray[np.uint64],
    numbers: NDArray[np.float64],
    measured: NDArray[np.bool_],
    words: NDArray[np.uint64],
) -> None:
    """Fill the arrays of Shapes for messages that lie end to end in text."""
    begin = 0
    for row in range(len(ends)):
        stop = min(ends[row], begin + MESSAGE_BYTES)
        h = np.uint64(0xCBF29CE484222325)
        # separators after a parameter: they count unless another parameter of a list follows
        pending = np.uint64(0)
        after_parameter, listed = False, False
        n_values, n_words = 0, 0
        i = begin
        while i < stop:
            kind = classes[text[i]]
            if kind >= 2:
                c = np.uint64(32) if kind == 2 else np.uint64(text[i])
                i += 1
                if kind == 2:
                    while i < stop and classes[text[i]] == 2:
                        i += 1
                listed = listed and (c == np.uint64(32) or c == np.uint64(44))
                if after_parameter:
                    pending = _mix(pending, c)
                else:
                    h = _mix(h, c)
                continue
            first, token, has_digit, has_dot = i, np.uint64(0x100), False, False
            while i < stop and classes[text[i]] < 2:
                has_digit = has_digit or classes[text[i]] == 1
                has_dot = has_dot or text[i] == 46
                token = _mix(token, np.uint64(text[i]))
                i += 1
            if has_digit:
                if n_values < PARAMETERS:
                    values[row, n_values] = token
                    numbers[row, n_values] = _number(text, first, i)
                    measured[row, n_values] = has_dot or classes[text[i - 1]] != 1
                    n_values += 1
                if not (after_parameter and listed):
                    h = _mix(_mix(h, pending), np.uint64(1))
                pending, after_parameter, listed = np.uint64(0), True, True
            else:
                if n_words < WORDS and i - first > 1:
                    words[row, n_words] = token
                    n_words += 1
                h = _mix(_mix(h, pending), token)
                pending, after_parameter, listed = np.uint64(0), False, False
        shape[row] = _mix(h, pending)
        begin = ends[row]


def scan(messages: Sequence[str]) -> Shapes:
    """Shapes of n messages in one pass over their UTF-8 bytes."""
    n = len(messages)
    joined = "".join(messages)
    if joined.isascii():
        text = joined.encode()
        lengths = np.fromiter(map(len, messages), np.int64, n)
    else:
        encoded = [message.encode("utf-8", "replace") for message in messages]
        text = b"".join(encoded)
        lengths = np.fromiter(map(len, encoded), np.int64, n)
    shapes = Shapes(
        np.zeros(n, np.uint64),
        np.zeros((n, PARAMETERS), np.uint64),
        np.full((n, PARAMETERS), np.nan),
        np.zeros((n, PARAMETERS), np.bool_),
        np.zeros((n, WORDS), np.uint64),
    )
    _scan(
        np.frombuffer(text, np.uint8), np.cumsum(lengths), _CLASS,
        shapes.shape, shapes.values, shapes.numbers, shapes.measured, shapes.words,
    )  # fmt: skip
    return shapes


def mask(message: str) -> str:
    """The message with its parameters as `<*>`: what two messages of one shape have in common.

    >>> mask("took 35 ms, peers: 10.0.0.1, 10.0.0.2")
    'took <*> ms, peers: <*>'
    """
    pieces = _PIECES.split(message.encode("utf-8", "replace")[:MESSAGE_BYTES])
    out: list[bytes] = []
    for piece in pieces:
        if not piece:
            continue
        if piece[0] in SEPARATORS:
            out.append(_SPACES.sub(b" ", piece))
        elif not _DIGIT.search(piece):
            out.append(piece)
        elif len(out) >= 2 and out[-2] == b"<*>" and _LISTED.issuperset(out[-1]):
            out.pop()
        else:
            out.append(b"<*>")
    return b"".join(out).decode("utf-8", "replace")


def template_id(text: str) -> int:
    """64-bit digest of a template's text; its hexadecimal form is the public id."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") or 1


class TemplateMiner:
    """Names the template of every message; known shapes cost one pass and a dictionary look-up."""

    def __init__(self, merges: Iterable[str] = ()) -> None:
        self.merges = frozenset(merges)
        self._ids: dict[int, int] = {}
        self._texts: dict[int, str] = {}

    def mine(self, messages: Sequence[str], given: Sequence[str] = ()) -> tuple[NDArray[np.uint64], Shapes]:
        """Template ids (n,) of n messages, and the shapes they were found by.

        given: templates that came with the messages, "" where none did; their words stand for those of the
        message, whose parameters nobody can tell from its words then.
        """
        shapes = scan(messages)
        keys = shapes.shape.tolist()
        if self.is_full:
            self.forget(())
        if any(given):
            self._take(given, keys, shapes)
        for row, key in enumerate(keys):
            if key not in self._ids:
                self._learn(key, messages[row])
        ids = self._ids
        return np.fromiter((ids[key] for key in keys), np.uint64, len(keys)), shapes

    @property
    def is_full(self) -> bool:
        """Whether the next messages make the miner forget what it has named."""
        return len(self._ids) > CACHE_SIZE

    def forget(self, but: Container[int]) -> None:
        """Drop all known shapes, and all texts but those of some templates."""
        self._ids.clear()
        self._texts = {identity: text for identity, text in self._texts.items() if identity in but}

    def remember(self, texts: Mapping[int, str]) -> None:
        """Take texts of templates that another miner of the same bundle has named."""
        self._texts |= {identity: text[:TEXT_CHARS] for identity, text in texts.items()}

    def text(self, identity: int) -> str:
        """Text of a template this miner has named, empty when it was forgotten."""
        return self._texts.get(identity, "")

    def _take(self, given: Sequence[str], keys: list[int], shapes: Shapes) -> None:
        """Name messages by the templates that came with them; each counts as a known shape."""
        ids = {text: template_id(text) for text in dict.fromkeys(given) if text}
        words = dict(zip(ids, scan(list(ids)).words, strict=True))
        for text, identity in ids.items():
            self._ids[identity] = identity
            self._texts[identity] = text[:TEXT_CHARS]
        for row, text in enumerate(given):
            if text:
                keys[row] = ids[text]
                shapes.words[row] = words[text]

    def _learn(self, shape: int, message: str) -> None:
        text = apply_merges(mask(message), self.merges)
        identity = template_id(text)
        self._ids[shape] = identity
        self._texts[identity] = text[:TEXT_CHARS]


def _split(text: str) -> list[str]:
    return re.split(r"([\s=,;:()\[\]{}\"'|]+)", text)  # not <>: they are part of <*> here


def _position_key(pieces: list[str], position: int) -> str:
    return "".join((*pieces[:position], "<~>", *pieces[position + 1 :]))


def apply_merges(text: str, merges: frozenset[str]) -> str:
    """The template with every word masked whose position the merges name."""
    if not merges:
        return text
    pieces = _split(text)
    for position in range(0, len(pieces), 2):
        if _position_key(pieces, position) in merges:
            pieces[position] = "<*>"
    return "".join(pieces)


def find_merges(texts: Iterable[str]) -> list[str]:
    """Positions at which masked templates differ in one word alone, by MERGE_VALUES words or more.

    Positions are taken from the left, and a word already masked takes part in later ones, so that templates
    with two free words merge as well.
    """
    merges: set[str] = set()
    current = set(texts)
    for position in range(0, 64, 2):
        words: dict[str, set[str]] = {}
        for text in current:
            pieces = _split(text)
            constant = sum(piece not in ("", "<*>") for piece in pieces[::2])
            if position < len(pieces) and pieces[position] not in ("", "<*>") and constant > 1:
                words.setdefault(_position_key(pieces, position), set()).add(pieces[position])
        found = frozenset(key for key, values in words.items() if len(values) >= MERGE_VALUES)
        merges |= found
        current = {apply_merges(text, found) for text in current}
    return sorted(merges)
