"""`GET /api/v1/instances`, 20 rows, authenticated, row-level security on, against one json_agg on the same server."""

import http.client
import os
import sys
import time

from bench.arena import Arena
from bench.figures import Figure, cpu_s, interleave
from bench.renting import _end, ratio_figure
from devstack import paths
from devstack.child import Child
from devstack.processes import http_status, inherited_environment

REQUESTS_PER_ROUND = 150
ROWS = 20


def bench_list(arena: Arena) -> Figure:
    """Requests per second on one kept connection each."""
    from marketplace.kernel import ids  # noqa: PLC0415 - Django is set up by the arena
    from marketplace.kernel.actors import as_actor, system_actor  # noqa: PLC0415
    from marketplace.tenants.models import Project  # noqa: PLC0415

    began = cpu_s()
    rented = [arena.customer.post("/instances", arena.request(max_wait_s=None))["id"] for _ in range(ROWS)]
    with as_actor(system_actor("bench")):
        tenant = Project.objects.get(id=ids.parse_id(prefix="prj", text=arena.project)).tenant_id
    port = paths.find_free_port()
    server = Child(
        name="bench-web",
        command=[
            sys.executable, "-m", "granian", "--interface=wsgi", "--host=127.0.0.1", f"--port={port}", "--workers=1",
            "--blocking-threads=8", "--no-access-log", "bench.raw_view:application",
        ],
        environment={**inherited_environment(), **arena.environment, "BENCH_TENANT": str(tenant), "ONDOL_LOG_LEVEL": "WARNING"},
        log=arena.stack.logs / "bench-web.log",
        reaper=arena.stack.reaper,
        directory=paths.REPOSITORY,
    )  # fmt: skip
    server.start()
    server.wait_ready(is_ready=lambda: http_status(port=port, path="/healthz") == 200, timeout_s=30)
    ours = Pounder(port=port, path="/api/v1/instances?limit=20", headers={"Authorization": f"Bearer {arena.api_key}"})
    raw = Pounder(port=port, path="/raw", headers={})
    for pounder in (ours, raw):
        pounder.per_second()
    left, right = interleave(ours=ours.per_second, baseline=raw.per_second, pairs=6)
    server.stop(grace_s=5)
    _end(arena, rented)
    return ratio_figure(
        code="R1", what="GET /instances, 20 rows, requests per second on one connection", unit="/s", left=left, right=right,
        goal=0.6, cpu=cpu_s() - began,
    )  # fmt: skip


class Pounder:
    """Sends the same GET again and again on one connection."""

    def __init__(self, *, port: int, path: str, headers: dict[str, str]) -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._path, self._headers = path, headers

    def per_second(self) -> float:
        """Requests per second over one round.

        Raises:
            RuntimeError: An answer is not 200.
        """
        start = time.perf_counter()
        for _ in range(REQUESTS_PER_ROUND):
            self._connection.request("GET", self._path, headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
            if response.status != 200 or len(body) < 1_000:
                raise RuntimeError(f"{self._path}: {response.status} {body[:200]!r}")
        return REQUESTS_PER_ROUND / (time.perf_counter() - start)


MACHINE = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
