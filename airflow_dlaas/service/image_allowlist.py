"""
The allowlist of container images: the references that `framework.image` of a definition may name.

No I/O, and no guesses: a reference is compared as it is written. Neither ``docker.io/library`` nor ``:latest`` is added
to a reference or to a pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IMAGES_SETTING = "DLAAS_IMAGES"

MAX_REFERENCE_LENGTH = 240
"""Characters of a reference: the database stores it in a column of 255 characters."""

_NAME = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?{part}(?:/{part})*"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    # The grammar of https://github.com/distribution/reference, with SHA-2 digests only.
    rf"(?P<name>{_NAME.replace('{part}', _PART)})"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?",
    re.ASCII,
)
_PATTERN = re.compile(
    r"(?P<name>[A-Za-z0-9*._-]+(?::[0-9*]{1,5}(?=/))?(?:/[a-z0-9*._-]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9*_.-]+))?"
    r"(?:@(?P<digest>[a-z0-9*:]+))?",
    re.ASCII,
)
_TRANSPORTS = frozenset(
    {
        *("containers-storage", "dir", "docker", "docker-archive", "docker-daemon", "library", "oci", "oci-archive"),
        *("oras", "ostree", "shub", "sif", "tarball", "http", "https", "file"),
    }
)
"""Words before a colon that an engine takes for the kind of a source, a local file for example, and not for a name."""


@dataclass(frozen=True)
class ImagePattern:
    """One pattern, in the three parts of a reference. A part that it lacks, a reference must lack too."""

    name: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> ImagePattern:
        """
        Parse ``name``, ``name:tag``, ``name@digest`` or ``name:tag@digest``, each part with ``*`` for any characters.

        In a name, ``*`` stands for characters of one part between slashes, ``**`` for any number of parts.

        :raises ValueError: *text* has none of these forms.
        """
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(found["name"], found["tag"], found["digest"])

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def matches(self, name: str, tag: str | None, digest: str | None) -> bool:
        """Whether all three parts of a reference match."""
        return _matches(self.name, name) and _matches(self.tag, tag) and _matches(self.digest, digest)


@dataclass(frozen=True)
class ImageAllowlist:
    """The images that definitions may name."""

    patterns: tuple[ImagePattern, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ImageAllowlist:
        """
        Parse the setting: patterns separated by commas (`ImagePattern.parse`).

        :raises ValueError: a pattern has none of the forms.
        """
        return cls(tuple(ImagePattern.parse(one.strip()) for one in text.split(",")))

    def refusal_reason(self, reference: str) -> str | None:
        """Return why *reference* may not be used, with the way out; None if it may."""
        if not self.patterns:
            return f"this service runs no images that definitions name; its operator allows some in {IMAGES_SETTING}"
        if len(reference) > MAX_REFERENCE_LENGTH:
            return f"must have at most {MAX_REFERENCE_LENGTH} characters"
        found = _REFERENCE.fullmatch(reference)
        if found is None or reference.partition(":")[0] in _TRANSPORTS:
            return "is no image reference such as registry.example.org/team/name:tag or …/name@sha256:digest"
        if any(one.matches(found["name"], found["tag"], found["digest"]) for one in self.patterns):
            return None
        return f"is not allowed here; this site allows {self.description} (its operator sets {IMAGES_SETTING})"

    @property
    def description(self) -> str:
        """The patterns as a text."""
        return ", ".join(map(str, self.patterns)) or "none"


ALLOW_NO_IMAGE = ImageAllowlist()


def _matches(pattern: str | None, text: str | None) -> bool:
    if pattern is None or text is None:
        return pattern is None and text is None
    expression = "".join(
        ".*" if one == "**" else "[^/]*" if one == "*" else re.escape(one) for one in re.split(r"(\*\*|\*)", pattern)
    )
    return re.fullmatch(expression, text, re.DOTALL) is not None
