"""Credentials of a provider, read from variables and never shown in a `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """A Gemini key, or project and location of Vertex AI, with Google's own sign-in. `endpoint` replaces the
    provider's address."""

    key: str | None = field(default=None, repr=False)
    vertex: bool = False
    project: str | None = None
    location: str | None = None
    endpoint: str | None = None

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> Credentials | None:
        """Returns None if nothing is set. Raises ValueError if the key is malformed, without showing it."""
        key = (environment.get("GOOGLE_API_KEY") or environment.get("GEMINI_API_KEY") or "").strip() or None
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError(
                "GEMINI_API_KEY holds characters that no key has: a line break, a space or an accent"
            )
        if environment.get("GOOGLE_GENAI_USE_VERTEXAI", "").lower() in ("1", "true"):
            project = environment.get("GOOGLE_CLOUD_PROJECT") or None
            location = environment.get("GOOGLE_CLOUD_LOCATION") or ("global" if project else None)
            endpoint = environment.get("GOOGLE_VERTEX_BASE_URL") or None
            if project:
                return Credentials(None, True, project, location, endpoint)
            return Credentials(key, True, endpoint=endpoint) if key else None
        return Credentials(key, endpoint=environment.get("GOOGLE_GEMINI_BASE_URL") or None) if key else None

    def hide(self, text: str) -> str:
        """Remove the key from a text, because some providers repeat it in error messages."""
        return text.replace(self.key, "[key]") if self.key and len(self.key) >= 6 else text
