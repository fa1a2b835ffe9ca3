"""One warm server for all benches of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import stop_server


@pytest.fixture(scope="package")
def warm_server() -> Iterator[None]:
    yield
    stop_server()
