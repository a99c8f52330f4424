"""`GET /api/v1/instances`, 20 rows, authenticated, row-level security on, against one json_agg on the same server."""

import http.client
import os
import sys
import time
from collections.abc import Sequence
from urllib.parse import quote

from bench.arena import Arena
from bench.figures import Figure, cpu_s, interleave
from bench.renting import _end, ratio_figure
from devstack import paths
from devstack.child import Child
from devstack.processes import http_status, inherited_environment

REQUESTS_PER_ROUND = 150
ROWS = 20
PAGES = 3


def bench_list(arena: Arena) -> list[Figure]:
    """Requests per second on one kept connection each: for rows that were rendered before, and for rows that were not."""
    from marketplace.kernel import ids  # noqa: PLC0415 - Django is set up by the arena
    from marketplace.kernel.actors import as_actor, system_actor  # noqa: PLC0415
    from marketplace.tenants.models import Project  # noqa: PLC0415

    began = cpu_s()
    rented = [arena.customer.post("/instances", arena.request(max_wait_s=None))["id"] for _ in range(ROWS * PAGES)]
    for instance in rented:
        arena.customer.wait_for_state(instance, "running", timeout_s=60)
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
    query, pages = f"?limit={ROWS}", []
    for _ in range(PAGES):
        pages.append(query)
        query = f"?limit={ROWS}&cursor={quote(arena.customer.get('/instances' + query)['next_cursor'] or '')}"
    key = {"Authorization": f"Bearer {arena.api_key}"}
    raw = Pounder(port=port, paths=[f"/raw?page={page}" for page in range(PAGES)], headers={})
    figures = []
    for what, path in (("rendered before", "/api/v1/instances"), ("nothing rendered before", "/forgetful")):
        ours = Pounder(port=port, paths=[path + page for page in pages], headers=key)
        for pounder in (ours, raw):
            pounder.per_second()
        left, right = interleave(ours=ours.per_second, baseline=raw.per_second, pairs=6)
        figures.append(
            ratio_figure(
                code="R1", what=f"GET /instances, {PAGES} pages of {ROWS} rows in turn, {what}; requests per second", unit="/s",
                left=left, right=right, goal=0.6, cpu=cpu_s() - began,
            )
        )  # fmt: skip
    server.stop(grace_s=5)
    _end(arena, rented)
    return figures


class Pounder:
    """Sends some GETs in turn, again and again, on one connection."""

    def __init__(self, *, port: int, paths: Sequence[str], headers: dict[str, str]) -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._paths, self._headers = paths, headers

    def per_second(self) -> float:
        """Requests per second over one round.

        Raises:
            RuntimeError: An answer is not 200.
        """
        start = time.perf_counter()
        for number in range(REQUESTS_PER_ROUND):
            path = self._paths[number % len(self._paths)]
            self._connection.request("GET", path, headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
            if response.status != 200 or len(body) < 1_000:
                raise RuntimeError(f"{path}: {response.status} {body[:200]!r}")
        return REQUESTS_PER_ROUND / (time.perf_counter() - start)


MACHINE = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
