"""The interface as described: what fits, or nearly fits, the description is answered without a fault of the server."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error

from rondo.studio import child
from rondo.studio.app import create

schema = schemathesis.openapi.from_asgi("/api/openapi.json", create(["testserver"]))


@pytest.fixture(autouse=True)
def short(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in processes is cut short, and runs go where they are of no harm."""
    monkeypatch.setattr(child, "LONGEST", 1.5)
    monkeypatch.setenv("RONDO_STUDIO", str(tmp_path_factory.mktemp("runs")))


@pytest.mark.long
@schema.parametrize()
@hypothesis.settings(max_examples=3, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_no_request_is_a_fault_of_the_server(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=[not_a_server_error], timeout=120)  # two thousand symbols take their time
