"""Runtimes of images that definitions name (`framework.image`), where the site allows them. No I/O."""

from __future__ import annotations

from airflow_dlaas.exceptions import HostError, InvalidRequest
from airflow_dlaas.service.image_allowlist import ImageAllowlist
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry

IMAGE_FIELD = "model_definition.framework.image"

IMAGE_KEY_PREFIX = "image:"
"""Prefix of the key of such a runtime. No framework of a catalogue has a colon in its name."""


def resolve_image(reference: str, allowlist: ImageAllowlist) -> RuntimeSpec:
    """
    Return the runtime of the image *reference*.

    :raises InvalidRequest: C101; the site does not allow it.
    """
    if (reason := allowlist.refusal_reason(reference)) is not None:
        raise InvalidRequest(f"{IMAGE_FIELD}: {reference} {reason}", code="C101", target=IMAGE_FIELD)
    return _image_spec(reference)


def image_spec_of_key(key: str, allowlist: ImageAllowlist) -> RuntimeSpec | None:
    """
    Return the runtime with this key; None if it is no key of an image.

    :raises HostError: the site allowed the image when the training was submitted, and no longer allows it.
    """
    if not key.startswith(IMAGE_KEY_PREFIX):
        return None
    reference = key.removeprefix(IMAGE_KEY_PREFIX)
    if (reason := allowlist.refusal_reason(reference)) is not None:
        raise HostError(f"The image {reference} {reason}")
    return _image_spec(reference)


def image_entry(reference: str) -> CatalogueEntry:
    """Return the image as an entry, for the check of container engines."""
    return CatalogueEntry(framework="image", version="any", provides=reference, kind="container", image=reference)


def _image_spec(reference: str) -> RuntimeSpec:
    return RuntimeSpec(
        key=IMAGE_KEY_PREFIX + reference, kind="container", provides=f"image {reference}", image=reference
    )
