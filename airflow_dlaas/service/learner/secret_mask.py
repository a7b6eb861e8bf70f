"""Replaces secrets in a command's output, wherever the output is split, and in texts of the learner. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_dlaas.service.learner.secret_forms import secret_forms

MASK_TEXT = "***"
"""What stands in the place of a secret, as in Airflow's logs."""

_MASK = MASK_TEXT.encode()


@dataclass(frozen=True, slots=True)
class SecretMask:
    """Replaces each occurrence of a secret, or of one of its forms (`secret_forms`), by `MASK_TEXT`."""

    forms: tuple[bytes, ...] = field(default=(), repr=False)
    """What is masked; none if the training has no secrets."""

    @classmethod
    def of_values(cls, values: Iterable[str]) -> SecretMask:
        """Return the mask of secrets with these *values*."""
        return cls(secret_forms(values))

    def text(self, text: str) -> str:
        """Return *text*, which is complete, without secrets."""
        if not self.forms:
            return text
        stream = MaskedStream(self.forms)
        content = text.encode("utf-8", "surrogatepass")  # names of files may have any character
        return (stream.feed(content) + stream.finish()).decode("utf-8", "surrogatepass")


NO_SECRETS = SecretMask()
"""The mask of a training without secrets: each text stays as it is."""


@dataclass(slots=True)
class MaskedStream:
    """
    Masks a stream of bytes that arrives in pieces. Every split of the same bytes gives the same output.

    No byte of an occurrence of one of *forms* is returned. Occurrences that overlap are masked as one. What may be the
    beginning of an occurrence is held until a further byte decides it, or until `finish`: at most one byte less than
    the longest form. A stream of lines is rarely held: most lines do not end like the beginning of a secret.
    """

    forms: tuple[bytes, ...] = field(repr=False)
    _held: bytes = field(default=b"", repr=False)
    """The end of the stream that may be the beginning of an occurrence."""
    _masked: int = 0
    """Bytes at the beginning of `_held` that belong to an occurrence whose mask has been returned."""

    def feed(self, output: bytes) -> bytes:
        """Return what can be written after *output*."""
        content = self._held + output
        return self._release(content, self._held_from(content))

    def finish(self) -> bytes:
        """Return what is still held: the stream has ended."""
        return self._release(self._held, len(self._held))

    def _release(self, content: bytes, end: int) -> bytes:
        """Return *content* up to *end* with masks, and hold the rest."""
        written: list[bytes] = []
        position = self._masked  # everything before it has been returned
        for start, stop in self._occurrences(content):
            if start < position:  # it overlaps the one before it
                position = max(position, stop)
            elif start < end:
                written += (content[position:start], _MASK)
                position = stop
            # Else it lies in the held part, and is found again.
        if position < end:
            written.append(content[position:end])
        self._held, self._masked = content[end:], max(0, position - end)
        return b"".join(written)

    def _occurrences(self, content: bytes) -> list[tuple[int, int]]:
        """Return the places of all occurrences, also of those that overlap, in their order."""
        found: list[tuple[int, int]] = []
        for form in self.forms:
            start = content.find(form)
            while start >= 0:
                found.append((start, start + len(form)))
                start = content.find(form, start + 1)
        found.sort()
        return found

    def _held_from(self, content: bytes) -> int:
        """Return where the longest end of *content* begins that is the beginning of a form, and not all of it."""
        first = len(content)
        for form in self.forms:
            start = content.find(form[:1], max(0, len(content) - len(form) + 1), first)
            while start >= 0:
                if form.startswith(content[start:]):
                    first = start
                    break
                start = content.find(form[:1], start + 1, first)
        return first
