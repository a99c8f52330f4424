"""The worked table of billing/README.md says what the rule does: each line is looked up, none is left out."""

import re
from pathlib import Path

import pytest

from billing.metering.rules import classify
from tests.billing.metering.test_rules import TABLE, at, minutes_of

README = Path(__file__).resolve().parents[3] / "billing" / "README.md"

LINES = {
    "runs, nothing else": ["runs"],
    "ended at 60": ["ended"],
    "ended within its first second, or stopped while provisioning": [
        "ended within its first second",
        "stopped while provisioning",
    ],
    "failed to start by 2, by the provider's fault": ["failed start"],
    "node not ready: last lease renewal 20, ready again 30": ["node not ready and back"],
    "node not ready since 20, still": ["node not ready, still"],
    "node lost at 20 (last lease renewal), pod evicted at 25": ["node lost until the pod was evicted"],
    "maintenance 10–20": ["maintenance"],
    "site outage 10–30, node not ready 20–40": [
        "site outage beside a node that is not ready: the weightier names the reason"
    ],
    "silent since 20": ["cluster silent"],
    "silent 20–30, pods not listed yet": ["cluster answers, pods not listed yet"],
    "silent 20–30, the same UID and `startedAt` return": ["the same UID and startedAt return"],
    "silent 20–30, the same UID returns with a start at 25": ["the same UID returns with a later start"],
    "silent 20–30, the pod is not there; noticed at 31": ["the pod does not return"],
    "the same, last seen at 19": ["the pod was last seen before the silence"],
    "silent 20–30, the pod is there and says that it ended at 25": ["the pod ended in the silence and says when"],
    "silent since 20, stop accepted at 25": ["stopped in the silence, the cluster is still silent"],
    "the same, the pod was still there afterwards": ["stopped in the silence, the pod was still there afterwards"],
    "the same, the pod was not there afterwards": ["stopped in the silence, the pod was not there afterwards"],
    "the same, the provider states that it ran": ["the provider states that it ran"],
    "silent 20–30, the provider states that the site was down 15–30": ["the provider states that the site was down"],
    "node not ready 15–25, silent since 20": ["silent beside a node that was not ready before"],
}
"""What happened, as the README says it → the cases of TABLE that play it."""


def read_table() -> dict[str, tuple[str, str, str]]:
    """What happened → metered, excused, unknown, as printed."""
    section = README.read_text(encoding="utf-8").split("## The metering rule")[1]
    table = section.split("| what happened | metered | excused | unknown |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:] if line]
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def test_every_line_is_played_and_every_case_is_in_the_table() -> None:
    """In both directions."""
    assert set(read_table()) == set(LINES)
    assert {case for cases in LINES.values() for case in cases} == set(TABLE)


@pytest.mark.parametrize("line", LINES)
def test_the_rule_does_what_the_line_says(line: str) -> None:
    """Minutes of each verdict, with the reason of what is excused."""
    printed = read_table()[line]
    for case in LINES[line]:
        given_run, spells, seen, now, _expected = TABLE[case]
        found: dict[str, list[str]] = {"metered": [], "excused": [], "unknown": []}
        for part in classify(run=given_run, spells=spells, seen=seen, now=at(now)):
            end = "" if part.ended_at is None else f"{minutes_of(part.ended_at):g}"
            reason = f" `{part.cause}`" if part.kind == "excused" else ""
            found[part.kind].append(f"{minutes_of(part.started_at):g}–{end}{reason}")
        told = tuple(", ".join(found[kind]) for kind in ("metered", "excused", "unknown"))
        # The reason of unknown time is printed once, where a silence goes on.
        assert told == tuple(re.sub(r" `cluster_silent`", "", cell) for cell in printed)
