"""The simulator runs the production code: its promises are checked on made-up traces."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.scheduling.report import summarise
from marketplace.scheduling.simulator import NodeRow, Outcome, Policy, RequestRow, Simulation, jain
from marketplace.scheduling.trace_files import TraceInvalid, read_nodes, read_requests, write_nodes, write_requests
from marketplace.scheduling.traces import Mix, make_nodes, make_requests

pytestmark = pytest.mark.unit

LARGE_COMES_S = 7_200.0


def nodes_of(count: int) -> list[NodeRow]:
    """Eight-device nodes."""
    return [
        NodeRow(node=f"n{number:02d}", accelerator="nvidia-h200", devices=8, vcpu=128, memory_mib=1_000_000)
        for number in range(count)
    ]


def run_large_among_small(seed: int) -> Outcome:
    """Sixteen nodes kept full by a steady stream of 1-device requests; after two hours one asks for 64 devices at once."""
    drawn = random.Random(seed)
    rows: list[RequestRow] = []
    at_s = 0.0
    while at_s < 5 * 3_600:
        at_s += drawn.expovariate(1 / 40)
        rows.append(
            RequestRow(
                request=f"s{len(rows)}",
                tenant=f"t{drawn.randrange(5)}",
                submit_s=at_s,
                duration_s=float(drawn.randrange(600, 7_200)),
                devices=1,
                vcpu=8,
                memory_mib=10_000,
            )
        )
    rows.append(
        RequestRow(
            request="large", tenant="large", submit_s=LARGE_COMES_S, duration_s=3_600.0, devices=8, nodes=8, vcpu=64,
            memory_mib=100_000,
        )
    )  # fmt: skip
    return Simulation(nodes=nodes_of(16), requests=rows).run()


def starts_in_time(seed: int) -> bool:
    """Whether the large request started at or before what it was told when it came."""
    start = next(item for item in run_large_among_small(seed).starts if item.row.request == "large")
    return start.estimate_p90_s is not None and start.started_s <= start.estimate_p90_s


def test_a_large_request_starts_in_time_under_a_stream_of_small_ones() -> None:
    assert sum(starts_in_time(seed) for seed in range(4)) == 4


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_a_large_request_starts_in_time_in_nine_of_ten_of_two_hundred_runs() -> None:
    assert sum(starts_in_time(seed) for seed in range(200)) >= 180


def test_equal_tenants_get_equal_shares_though_one_asks_for_ten_times_as_much() -> None:
    drawn = random.Random(7)
    rows: list[RequestRow] = []
    at_s = 0.0
    while at_s < 36 * 3_600:
        at_s += drawn.expovariate(1 / 90)
        rows.append(
            RequestRow(
                request=f"r{len(rows)}",
                tenant=f"t{drawn.choice([0] * 10 + [1, 2, 3, 4])}",
                submit_s=at_s,
                duration_s=float(drawn.randrange(3_600, 36_000)),
                devices=drawn.choice((1, 1, 2, 4)),
            )
        )
    simulation = Simulation(nodes=nodes_of(5), requests=rows, half_life_s=86_400.0, has_estimates=False)
    outcome = simulation.run()
    assert outcome.allocation_ratio > 0.95
    assert jain(list(outcome.device_seconds.values())) >= 0.95


@pytest.mark.parametrize("count", [3_600, 4_400])
def test_the_multi_device_mix_is_packed_no_worse_than_by_the_published_policies(count: int) -> None:
    """At 99 % and at 122 % of what there is; with everything allocated, one device or one request of 245 is the noise."""
    nodes = make_nodes()
    requests = make_requests(mix=Mix.MULTI, count=count, seed=1, is_endless=True)
    ratio, failed = {}, {}
    for policy in Policy:
        outcome = Simulation(nodes=nodes, requests=requests, policy=policy, has_estimates=False).run()
        figures = summarise(outcome, policy=policy.value, elapsed_s=1.0)
        ratio[policy] = figures["allocation_ratio"]
        failed[policy] = next(row["failed_share"] for row in figures["by_size"] if row["devices"] == 8)
    assert ratio[Policy.ONDOL] >= max(ratio[Policy.BEST_FIT], ratio[Policy.FRAGMENTATION]) - 1 / 6_000
    assert failed[Policy.ONDOL] <= min(failed[Policy.BEST_FIT], failed[Policy.FRAGMENTATION]) + 1 / 245


def test_the_made_up_cluster_has_the_published_size() -> None:
    nodes = make_nodes()
    requests = make_requests(mix=Mix.MULTI, count=4_000, seed=3)
    multi = sum(row.devices for row in requests if row.devices > 1) / sum(row.devices for row in requests)
    assert (len(nodes), sum(node.devices for node in nodes)) == (1_200, 6_000)
    assert 0.45 < multi < 0.57


def test_a_request_that_can_never_start_stops_nobody() -> None:
    rows = [
        RequestRow(request="giant", tenant="a", submit_s=0.0, duration_s=None, devices=8, nodes=9),
        *(RequestRow(request=f"r{n}", tenant="a", submit_s=1.0 + n, duration_s=None, devices=4) for n in range(4)),
    ]
    outcome = Simulation(nodes=nodes_of(2), requests=rows).run()
    assert outcome.allocation_ratio == 1.0
    assert [row.request for row in outcome.never_started] == ["giant"]


def test_traces_survive_a_file(tmp_path: Path) -> None:
    nodes, requests = make_nodes(scale=0.01), make_requests(mix=Mix.SINGLE, count=50, seed=5)
    write_nodes(tmp_path / "n.csv", nodes)
    write_requests(tmp_path / "r.csv", requests)
    assert read_nodes(tmp_path / "n.csv") == nodes
    assert read_requests(tmp_path / "r.csv") == requests


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a,t,0,10,0,1,,1,1,0,false", "line 3: devices is a number from 1, not '0'"),
        ("a,t,0,10,1.5,1,,1,1,0,false", "line 3: devices is a whole number, not '1.5'"),
        ("a,t,-1,10,1,1,,1,1,0,false", "line 3: submit_s is a number from 0, not '-1'"),
        ("a,t,0,inf,1,1,,1,1,0,false", "line 3: duration_s is a number from 0, not 'inf'"),
        ("a,t,0,10,1,1,,1,1,0,maybe", "line 3: interruptible is true or false"),
        ("x,t,0,10,1,1,,1,1,0,false", "line 3: 'x' was on line 2 already"),
        ("a,,0,10,1,1,,1,1,0,false", "line 3: tenant is missing"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, row: str, told: str) -> None:
    path = tmp_path / "r.csv"
    header = "request,tenant,submit_s,duration_s,devices,nodes,accelerators,vcpu,memory_mib,priority,interruptible"
    path.write_text(f"{header}\nx,t,0,,1,,,,,,\n{row}\n", encoding="utf-8")
    with pytest.raises(TraceInvalid) as caught:
        read_requests(path)
    assert str(caught.value) == f"r.csv, {told}"


def test_a_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("node,devices\na,1\n", encoding="utf-8")
    with pytest.raises(TraceInvalid, match="accelerator, vcpu, memory_mib missing"):
        read_nodes(path)


def test_a_trace_is_made_and_replayed_on_a_bare_checkout(tmp_path: Path) -> None:
    """By the command line itself, without any setting of an installation; JSON has the ratio at its top."""
    root = Path(__file__).parents[2]
    bare = {"PATH": os.environ["PATH"]}
    files = ["--nodes", str(tmp_path / "n.csv"), "--requests", str(tmp_path / "r.csv")]

    def run(*arguments: str) -> str:
        command = [sys.executable, str(root / "manage.py"), *arguments, *files]
        return subprocess.run(command, cwd=tmp_path, env=bare, check=True, capture_output=True, text=True).stdout

    assert run("make_trace", "--count", "20") == "1200 nodes with 6000 devices, 20 requests\n"
    figures = json.loads(run("simulate_queue", "--json"))
    assert figures["requests"] == 20
    assert 0 < figures["allocation_ratio"] < 1
