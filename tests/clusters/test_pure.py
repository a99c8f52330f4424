"""Pods, plans, facts and nodes, without any cluster."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.desired import WorkloadSpec, build_gang, build_namespaced, build_pod
from clusters.kube.errors import KubeGarbage
from clusters.nodes import CatalogueRow, foreign_requests, parse_count, parse_quantity_millis, pod_requests, read_node
from clusters.observations import PodFacts, Sighting, fold, read_running_since, usage_end, usage_start
from clusters.plan import Observed, Step, Wanted, plan

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
SPEC = WorkloadSpec(
    installation_id="0190",
    tenant_id="ten_1",
    project_id="prj_1",
    instance_id="ins_1",
    attempt=1,
    namespace="ondol-prj-1",
    pod_name="ins-1-1",
    node="node-1",
    resource_name="rebellions.ai/ATOM",
    devices=2,
    cpu_millis=16_000,
    memory_mib=65_536,
    storage_mib=51_200,
    kind="interactive",
    image="registry.example/a:1",
    taint_keys=["rebellions.ai/npu"],
)


def structure(value: Any) -> Any:
    """An object with every text replaced by its type: what user text must not change."""
    if isinstance(value, dict):
        return {key: structure(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [structure(inner) for inner in value]
    return type(value).__name__


def test_a_pod_goes_to_its_node_alone_with_exactly_its_devices() -> None:
    """Required affinity by the node's name; requests equal limits; only the vendor's taint is tolerated."""
    spec = build_pod(SPEC)["spec"]
    term = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}]
    resources = spec["containers"][0]["resources"]
    assert resources["requests"] == resources["limits"]
    assert resources["limits"]["rebellions.ai/ATOM"] == "2"
    assert spec["tolerations"] == [{"key": "rebellions.ai/npu", "operator": "Exists"}]
    assert spec["automountServiceAccountToken"] is False
    assert "nodeSelector" not in spec
    assert "priorityClassName" not in spec


def test_a_dedicated_pod_stands_with_pods_of_its_own_tenant_only() -> None:
    """The scheduler refuses both ways: this pod beside others', and others' beside this one, in every namespace."""
    assert "podAntiAffinity" not in build_pod(SPEC)["spec"]["affinity"]
    affinity = build_pod(replace(SPEC, is_node_dedicated=True))["spec"]["affinity"]["podAntiAffinity"]
    assert affinity["requiredDuringSchedulingIgnoredDuringExecution"] == [
        {
            "labelSelector": {
                "matchExpressions": [
                    {"key": "ondol.kr/installation", "operator": "Exists"},
                    {"key": "ondol.kr/tenant", "operator": "NotIn", "values": ["ten_1"]},
                ]
            },
            "namespaceSelector": {},
            "topologyKey": "kubernetes.io/hostname",
        }
    ]


@given(
    st.text(max_size=50),
    st.lists(st.text(max_size=50), min_size=1, max_size=1),
    st.dictionaries(st.sampled_from(["A"]), st.text(max_size=50), min_size=1),
)
def test_user_text_never_becomes_structure(image: str, command: list[str], environment: dict[str, str]) -> None:
    """Whatever is typed, only plain values of the pod differ, and no label or name does."""
    plain = build_pod(replace(SPEC, command=["x"], environment={"A": "x"}))
    typed = build_pod(replace(SPEC, image=image, command=command, environment=environment))
    assert structure(plain) == structure(typed)
    assert plain["metadata"] == typed["metadata"]
    assert "$(" not in typed["spec"]["containers"][0]["env"][0]["value"].replace("$$(", "")
    json.dumps(typed)


def test_the_network_is_closed_but_for_names() -> None:
    """Ingress and egress are denied; only the cluster's own name service is reachable."""
    policy = next(body for path, body in build_namespaced(SPEC) if "networkpolicies" in path)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert [rule["ports"] for rule in policy["egress"]] == [
        [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    ]


def pod(
    phase: str = "Running",
    *,
    started: int | None = 5,
    finished: int | None = None,
    deletion: int | None = None,
    grace: int = 30,
    version: str = "1",
) -> dict[str, Any]:
    """A pod made at NOW; times in seconds after."""
    state: dict[str, Any] = {}
    if finished is not None:
        state = {"terminated": {"startedAt": _time(started or 0), "finishedAt": _time(finished), "reason": "Completed"}}
    elif started is not None:
        state = {"running": {"startedAt": _time(started)}}
    metadata = {"name": "ins-1-1", "uid": "u", "resourceVersion": version, "creationTimestamp": _time(0)}
    if deletion is not None:
        metadata |= {"deletionTimestamp": _time(deletion + grace), "deletionGracePeriodSeconds": grace}  # type: ignore[dict-item] # an API object
    return {
        "metadata": metadata,
        "spec": {"nodeName": "node-1"},
        "status": {"phase": phase, "containerStatuses": [{"name": "main", "restartCount": 0, "state": state}]},
    }


def _time(seconds: int) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def seen(body: dict[str, Any], at: int, *, is_deletion: bool = False) -> Sighting:
    """A sighting so many seconds after NOW."""
    return Sighting(pod=body, observed_at=NOW + timedelta(seconds=at), is_deletion=is_deletion)


HISTORY = (
    seen(pod("Pending", started=None, version="1"), 1),
    seen(pod("Running", started=5, version="2"), 6),
    seen(pod("Running", started=5, version="3"), 40),
    seen(pod("Running", started=5, deletion=60, version="4"), 60),
    seen(pod("Running", started=5, deletion=60, version="5"), 61, is_deletion=True),
)


def test_a_pod_that_did_not_change_is_last_seen_when_it_was_last_looked_at() -> None:
    """Facts know changes alone; the reconciler saw it unchanged at 80 s."""
    facts = fold(HISTORY[:3])["u"]
    end = usage_end(facts=facts, observed_at=NOW + timedelta(seconds=100), last_sighted_at=NOW + timedelta(seconds=80))
    assert end == NOW + timedelta(seconds=80)


def test_a_container_that_could_not_be_started_never_ran() -> None:
    """Its status says that it started in 1970; nothing is metered."""
    broken = pod("Failed", started=None)
    broken["status"]["containerStatuses"] = [
        {
            "name": "main",
            "state": {"terminated": {"reason": "StartError", "startedAt": "1970-01-01T00:00:00Z", "exitCode": 128}},
        }
    ]
    assert usage_start(facts=fold([seen(broken, 3)])["u"], observed_at=NOW + timedelta(seconds=3)) is None


def test_a_pod_that_is_seen_again_is_the_same_run_by_uid_and_start() -> None:
    """Unbroken; restarted once, with the former start still told; restarted more often; another pod."""
    known = fold(HISTORY[:3])["u"]
    same = pod("Running", started=5)
    once = pod("Running", started=200)
    once["status"]["containerStatuses"][0]["lastState"] = {
        "terminated": same["status"]["containerStatuses"][0]["state"]["running"]
    }
    often = pod("Running", started=200)
    other = pod("Running", started=5)
    other["metadata"]["uid"] = "another"
    again = NOW + timedelta(seconds=200)
    assert [read_running_since(pod=item, known=known) for item in (same, once, often, other)] == [
        (True, None),
        (True, None),
        (True, again),
        (False, None),
    ]


def test_the_order_repetition_and_loss_of_sightings_do_not_matter() -> None:
    """All 120 orders, with everything twice, give the same facts."""
    expected = fold(HISTORY)["u"]
    assert expected.phase == "Running"
    assert expected.deletion_asked_at == NOW + timedelta(seconds=60)
    assert expected.gone_at == NOW + timedelta(seconds=61)
    for order in itertools.permutations(HISTORY):
        assert fold((*order, *order))["u"] == expected


@pytest.mark.parametrize(
    ("history", "start", "end"),
    [
        # Deletion was asked for at 60 s; the grace period is not paid for.
        (HISTORY, 5, 60),
        # The container ended by itself at 50 s.
        ((HISTORY[1], seen(pod("Succeeded", started=5, finished=50, version="3"), 52)), 5, 50),
        # It vanished without a trace: the last sighting, at 40 s, is the end.
        (HISTORY[:3], 5, 40),
        # Its deletion was observed at 90 s, without a time of its own.
        ((*HISTORY[:3], seen(pod("Running", started=5, version="3"), 90, is_deletion=True)), 5, 90),
        # A start before the pod's creation is clamped to it, one in the future to our observation.
        ((seen(pod(started=-30), 3), seen(pod(deletion=20, started=-30, version="2"), 21, is_deletion=True)), 0, 20),
        ((seen(pod(started=300), 3), seen(pod(deletion=20, started=300, version="2"), 21, is_deletion=True)), 3, 20),
    ],
)
def test_the_meter_is_clamped_and_floored(history: tuple[Sighting, ...], start: int, end: int) -> None:
    """architecture.md, step 5."""
    facts = fold(history)["u"]
    observed = facts.first_running_seen_at
    assert observed is not None
    assert usage_start(facts=facts, observed_at=observed) == NOW + timedelta(seconds=start)
    assert usage_end(facts=facts, observed_at=NOW + timedelta(seconds=100)) == NOW + timedelta(seconds=end)


def facts_of(**changes: Any) -> PodFacts:
    """A bound, pending pod made at NOW."""
    return replace(PodFacts(uid="u", phase="Pending", created_at=NOW, last_seen_at=NOW, is_bound=True), **changes)


MICROS = st.integers(-(10**9), 10**9)


@given(*(MICROS for _ in range(5)))
def test_clamping_and_flooring_are_never_negative_and_runs_never_overlap(
    started: int, finished: int, asked: int, observed: int, later: int
) -> None:
    """Whatever clocks say: whole seconds between the pod's creation and our observation, and the next pod begins no earlier."""
    seen_at = NOW + timedelta(microseconds=abs(observed))
    facts = facts_of(
        started_at=NOW + timedelta(microseconds=started),
        finished_at=NOW + timedelta(microseconds=finished),
        deletion_asked_at=NOW + timedelta(microseconds=asked),
    )
    start, end = usage_start(facts=facts, observed_at=seen_at), usage_end(facts=facts, observed_at=seen_at)
    assert start is not None
    assert NOW <= start <= seen_at
    assert NOW <= end <= seen_at
    assert (start.microsecond, end.microsecond) == (0, 0)
    successor = facts_of(created_at=seen_at, started_at=NOW + timedelta(microseconds=later))
    following = usage_start(facts=successor, observed_at=seen_at + timedelta(hours=1))
    assert following is not None
    assert following >= end


WANTED = Wanted(is_wanted=True, is_running=False, was_applied=True)
RUNNING = replace(WANTED, is_running=True)
UNWANTED = replace(WANTED, is_wanted=False)


@pytest.mark.parametrize(
    ("wanted", "observed", "step"),
    [
        (replace(WANTED, was_applied=False), Observed(pod=None), Step.APPLY),
        (WANTED, Observed(pod=None), Step.REPORT_LOST),
        (UNWANTED, Observed(pod=None), Step.REPORT_GONE),
        (WANTED, Observed(pod=None, is_foreign=True), Step.REPORT_FOREIGN),
        (UNWANTED, Observed(pod=None, is_foreign=True), Step.REPORT_GONE),
        (WANTED, Observed(pod=facts_of()), Step.WAIT),
        (WANTED, Observed(pod=facts_of(phase="Running", started_at=NOW)), Step.REPORT_STARTED),
        (RUNNING, Observed(pod=facts_of(phase="Running", started_at=NOW)), Step.WAIT),
        (RUNNING, Observed(pod=facts_of(phase="Succeeded", started_at=NOW, finished_at=NOW)), Step.REPORT_ENDED),
        (WANTED, Observed(pod=facts_of(phase="Failed", started_at=NOW, finished_at=NOW)), Step.REPORT_STARTED),
        (RUNNING, Observed(pod=facts_of(phase="Running", started_at=NOW, deletion_asked_at=NOW)), Step.REPORT_LOST),
        (UNWANTED, Observed(pod=facts_of(phase="Running", started_at=NOW)), Step.DELETE),
        (UNWANTED, Observed(pod=facts_of(phase="Running", deletion_asked_at=NOW)), Step.WAIT),
        (
            WANTED,
            Observed(pod=facts_of(created_at=NOW - timedelta(seconds=30), is_bound=False, unschedulable="0/1 nodes")),
            Step.REPORT_UNSCHEDULABLE,
        ),
        (
            WANTED,
            Observed(pod=facts_of(created_at=NOW - timedelta(seconds=29), is_bound=False, unschedulable="0/1 nodes")),
            Step.WAIT,
        ),
        (
            WANTED,
            Observed(pod=facts_of(created_at=NOW - timedelta(seconds=300), failure="ImagePullBackOff")),
            Step.REPORT_IMAGE_UNAVAILABLE,
        ),
    ],
)
def test_the_next_step(wanted: Wanted, observed: Observed, step: Step) -> None:
    """One step for each pair of what is wanted and what is seen."""
    assert (
        plan(
            wanted=wanted,
            observed=observed,
            unschedulable_after=timedelta(seconds=30),
            image_after=timedelta(minutes=5),
            now=NOW,
        )
        is step
    )


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("0", 0), ("8", 8_000), ("100m", 100), ("1.5", 1_500), ("2Ki", 2_048_000), ("1Gi", 1_073_741_824_000),
        ("7Ti", 7_696_581_394_432_000), ("1k", 1_000_000),
    ],
)  # fmt: skip
def test_quantities_are_read_exactly(text: str, millis: int) -> None:
    """In thousandths, with integers."""
    assert parse_quantity_millis(text) == millis


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1KB", "one", "1.", " 1"])
def test_what_is_not_a_quantity_is_garbage(text: str) -> None:
    """A typed error, which leaves other nodes alone."""
    with pytest.raises(KubeGarbage):
        parse_quantity_millis(text)


H200 = CatalogueRow(
    accelerator_id=UUID(int=1),
    resource_name="nvidia.com/gpu",
    product_labels=["nvidia.com/gpu.product"],
    product_values=["NVIDIA-H200"],
    driver_labels={"driver": ["nvidia.com/cuda.driver-version.full", "nvidia.com/cuda.driver.major"]},
)
MIG = replace(
    H200, accelerator_id=UUID(int=2), resource_name="nvidia.com/mig-1g.10gb", product_values=["NVIDIA-A100-SXM4-80GB"]
)


def node(**changes: Any) -> dict[str, Any]:
    """An eight-card H200 node, one of whose cards the plugin reports unhealthy."""
    return {
        "metadata": {
            "name": "n",
            "uid": "u",
            "labels": {
                "nvidia.com/gpu.product": "NVIDIA-H200",
                "nvidia.com/cuda.driver-version.full": "580.95.05",
                "secret": "x",
            },
        },
        "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
        "status": {
            "capacity": {"nvidia.com/gpu": "8", "cpu": "192", "memory": "2113413180Ki"},
            "allocatable": {"nvidia.com/gpu": "7", "cpu": "191500m", "memory": "2113413180Ki"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
        **changes,
    }


def test_a_node_is_recognised_by_resource_and_product() -> None:
    """Capacity and allocatable of the one that is there; versions by the first label; no foreign labels kept."""
    reading = read_node(node=node(), catalogue=[H200, MIG])
    assert reading.stock == {UUID(int=1): (8, 7)}
    assert reading.versions == {"driver": "580.95.05"}
    assert (reading.cpu_millis, reading.memory_mib) == (191_500, 2_063_880)
    assert reading.is_schedulable
    assert "secret" not in reading.labels


def test_a_foreign_taint_or_a_cordon_takes_a_node_out_of_sale() -> None:
    """The vendor's own taint does not: pods tolerate it."""
    tainted = node(spec={"taints": [{"key": "maintenance", "effect": "NoSchedule"}]})
    assert not read_node(node=tainted, catalogue=[H200]).is_schedulable
    assert not read_node(node=node(spec={"unschedulable": True}), catalogue=[H200]).is_schedulable


@pytest.mark.parametrize("garbage", [{}, {"metadata": {}}, {"metadata": {"name": "n"}}, {"metadata": None}])
def test_what_is_not_a_node_is_garbage(garbage: dict[str, Any]) -> None:
    """A typed error."""
    with pytest.raises(KubeGarbage):
        read_node(node=garbage, catalogue=[H200])


def test_others_requests_count_until_their_pods_end() -> None:
    """Init containers by their maximum, ours and ended ones not at all."""

    def request(amount: str, *, ours: bool = False, phase: str = "Running", init: str = "0") -> dict[str, Any]:
        labels = {"ondol.kr/installation": "me"} if ours else {}
        return {
            "metadata": {"labels": labels},
            "spec": {
                "nodeName": "n",
                "containers": [{"resources": {"limits": {"nvidia.com/gpu": amount}}}],
                "initContainers": [{"resources": {"requests": {"nvidia.com/gpu": init}}}],
            },
            "status": {"phase": phase},
        }

    pods = [request("2"), request("1", init="3"), request("4", ours=True), request("8", phase="Succeeded")]
    assert foreign_requests(pods=pods, installation_id="me") == {"n": {"nvidia.com/gpu": 5_000}}
    assert pod_requests(pods[1]) == {"nvidia.com/gpu": 3_000}
    assert parse_count("8") == 8


GANG = replace(SPEC, pod_name="ins-1-1-1", gang="ins-1-1", rank=1, nodes=3)


def test_the_pods_of_a_gang_know_their_rank_and_find_rank_0_by_name() -> None:
    pod = build_pod(GANG)
    environment = {item["name"]: item["value"] for item in pod["spec"]["containers"][0]["env"]}
    assert environment == {"ONDOL_NODES": "3", "ONDOL_RANK": "1", "ONDOL_RANK_0_ADDRESS": "rank-0.ins-1-1"}
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("rank-1", "ins-1-1")
    assert pod["metadata"]["labels"]["ondol.kr/rank"] == "1"


def test_a_gang_is_reached_by_itself_alone_and_its_objects_go_with_rank_0() -> None:
    """The policy's only peers are the pods of the same instance and attempt."""
    (_service_path, service), (_policy_path, policy) = build_gang(replace(GANG, rank=0), owner_uid="uid-0")
    members = {"ondol.kr/instance": "ins_1", "ondol.kr/attempt": "1"}
    assert service["spec"]["selector"] == policy["spec"]["podSelector"]["matchLabels"] == members
    assert policy["spec"]["ingress"] == [{"from": [{"podSelector": {"matchLabels": members}}]}]
    assert policy["spec"]["egress"] == [{"to": [{"podSelector": {"matchLabels": members}}]}]
    assert {item["metadata"]["ownerReferences"][0]["uid"] for item in (service, policy)} == {"uid-0"}


def test_a_rank_that_finished_before_the_others_is_left_alone_until_they_are_done() -> None:
    pod = PodFacts(uid="u", phase="Succeeded", started_at=NOW, finished_at=NOW)
    wanted = Wanted(is_wanted=True, is_running=True, was_applied=True)
    after = {"unschedulable_after": timedelta(seconds=30), "image_after": timedelta(minutes=5), "now": NOW}
    assert plan(wanted=wanted, observed=Observed(pod=pod), **after) is Step.REPORT_ENDED  # type: ignore[arg-type]
    told = replace(wanted, has_ended=True)
    assert plan(wanted=told, observed=Observed(pod=pod), **after) is Step.WAIT  # type: ignore[arg-type]
    over = replace(told, is_wanted=False)
    assert plan(wanted=over, observed=Observed(pod=pod), **after) is Step.DELETE  # type: ignore[arg-type]
