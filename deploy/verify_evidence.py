#!/usr/bin/env python3
"""Check an evidence pack of Ondol and decide again from it. Needs Python 3.9 and nothing else: no network, no Ondol, no packages.

    python3 verify_evidence.py pack.json --public-key ondol.pem

It is written apart from Ondol's own rules, so that an auditor need not believe the program that made the decision. It checks

1. the signature over the canonical JSON of `evidence` (ECDSA, P-256, SHA-256);
2. that the kept facts are those whose hash the decisions name;
3. for each decision: every offer is judged again by the rule versions and facts of that second; who was refused, by which rule,
   and who was not, must come out the same; the certificates relied on must carry the decision;
4. that no cheaper permitted place with room was passed over, and that each lack of room is a lack;
5. that the instance ran where the decisions say, and was metered only while it had devices there.

Exit status: 0 everything holds, 1 something does not, 2 the pack cannot be read.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from datetime import datetime, timedelta, timezone

SCHEMA = "ondol.evidence/1"
ISOLATION = ["none", "software", "hardware", "device"]
NEAREST = [
    "certificate_missing", "certificate_level_too_low", "certificate_expired", "certificate_revoked",
    "certificate_expires_too_soon",
]  # fmt: skip
OPEN_ENDED_DAYS = 30
NO_ROOM = {"not_enough_devices", "not_enough_cpu", "not_enough_memory", "request_larger_than_node"}


# --- the signature -------------------------------------------------------------------------------------------------------

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def canonical(value):
    """The text that was signed: sorted members, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _add(one, other):
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) if one == other else (y2 - y1) * pow(x2 - x1, -1, P)
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def _times(factor, point):
    total = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    return total


def read_public_key(pem):
    """The point of a P-256 public key (PEM, SubjectPublicKeyInfo)."""
    body = base64.b64decode("".join(line for line in pem.splitlines() if line and not line.startswith("-----")))
    if len(body) != 91 or not body.startswith(SPKI_P256):
        raise ValueError("not a P-256 public key")
    x, y = int.from_bytes(body[27:59], "big"), int.from_bytes(body[59:], "big")
    if (y * y - (x**3 - 3 * x + B)) % P:
        raise ValueError("the public key is not a point of P-256")
    return x, y


def _integer(der, at):
    if der[at] != 2:
        raise ValueError("not a DER signature")
    end = at + 2 + der[at + 1]
    return int.from_bytes(der[at + 2 : end], "big"), end


def is_signed(message, signature, point):
    """Whether the DER signature over SHA-256 of the message is the key's."""
    if len(signature) < 8 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return False
    r, middle = _integer(signature, 2)
    s, end = _integer(signature, middle)
    if end != len(signature) or not (0 < r < N and 0 < s < N):
        return False
    digest, inverse = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, N)
    found = _add(_times(digest * inverse % N, G), _times(r * inverse % N, point))
    return found is not None and found[0] % N == r


# --- the rules -----------------------------------------------------------------------------------------------------------


def moment(text):
    """An instant; None stays None."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def why_unsuitable(certificate, wanted, levels, now, until):
    """The token that speaks against one certificate for one wanted scheme; None when it will do."""
    least = wanted.get("level_min", "")
    order = {level: place for place, level in enumerate(levels)}
    if least and not (least in order and order.get(certificate["level"], -1) >= order[least]):
        return "certificate_level_too_low"
    revoked, start, end = (
        moment(certificate["revoked_at"]),
        moment(certificate["valid_from"]),
        moment(certificate["valid_to"]),
    )
    if revoked is not None and revoked <= now:
        return "certificate_revoked"
    if now < start or now >= end:
        return "certificate_expired"
    if end < until or (revoked is not None and revoked < until):
        return "certificate_expires_too_soon"
    return None


def judge_group(group, certificates, scheme_levels, now, until):
    """None when one certificate satisfies one wanted scheme; else the token nearest to satisfied."""
    tokens = [
        why_unsuitable(certificate, wanted, scheme_levels.get(wanted["scheme"], []), now, until)
        for wanted in group
        for certificate in certificates
        if certificate["scheme"] == wanted["scheme"]
    ]
    return None if None in tokens else max([*tokens, "certificate_missing"], key=NEAREST.index)


def judge_assessment(scheme, site, customer, now):
    """None when the customer's own assessment of the provider holds; else the token."""
    dues = []
    for made in (customer or {}).get("assessments", []):
        withdrawn = moment(made["withdrawn_at"])
        if (
            made["scheme"] == scheme
            and made["provider_id"] == site["provider_id"]
            and made["project_id"] in (None, customer["project_id"])
            and moment(made["valid_from"]) <= now
            and (withdrawn is None or withdrawn > now)
        ):
            dues.append(moment(made["recheck_due_at"]))
    if not dues:
        return "customer_assessment_missing"
    return None if max(dues) > now else "customer_assessment_overdue"


def groups_of(needs):
    """Every certificate a rule asks for, as groups of which one is enough."""
    return [*([wanted] for wanted in needs.get("all_of", [])), *needs.get("any_of", [])]


def judge_rule(needs, site, isolation, image, customer, scheme_levels, now, covers_until):
    """Every token by which one rule version refuses a site."""
    found = set()
    for member, actual, token in (
        ("jurisdictions", site["jurisdiction"], "jurisdiction_not_allowed"),
        ("operator_nationalities", site["operator_nationality"], "operator_nationality_not_allowed"),
        ("zones", site["zone"], "zone_not_allowed"),
    ):
        if needs.get(member) and actual not in needs[member]:
            found.add(token)
    if needs.get("needs_exclusive_zone") and not site["reserved_sectors"]:
        found.add("zone_not_exclusive")
    if needs.get("needs_network_separation") and not site["is_network_separated"]:
        found.add("network_separation_required")
    if needs.get("isolation_min") and ISOLATION.index(isolation) < ISOLATION.index(needs["isolation_min"]):
        found.add("isolation_too_weak")
    if image is not None:
        homes = [home.rstrip("/") + "/" for home in needs.get("image_registries", [])]
        is_pinned = re.search(r"@sha256:[0-9a-f]{64}$", image) is not None
        if (homes and not image.startswith(tuple(homes))) or (needs.get("needs_image_digest") and not is_pinned):
            found.add("image_not_allowed")
    until = covers_until or now + timedelta(days=needs.get("certificate_days_min", OPEN_ENDED_DAYS))
    found |= {judge_group(group, site["certificates"], scheme_levels, now, until) for group in groups_of(needs)}
    found |= {judge_assessment(scheme, site, customer, now) for scheme in needs.get("customer_assessments", [])}
    return found - {None}


def judge(rules, site, isolation, image, customer, scheme_levels, now, covers_until):
    """Every (token, data class) by which the rules together refuse a site; empty = permitted."""
    found = set()
    if site["reserved_sectors"] and (customer or {}).get("sector", "") not in site["reserved_sectors"]:
        found.add(("zone_reserved_for_others", rules[0]["data_class"] if rules else ""))
    for rule in rules:
        tokens = judge_rule(rule["requirements"], site, isolation, image, customer, scheme_levels, now, covers_until)
        found |= {(token, rule["data_class"]) for token in tokens}
    return found


# --- the pack ------------------------------------------------------------------------------------------------------------


def check_decision(decision, evidence):
    """Every way in which one decision does not follow from what was known then."""
    facts = evidence["facts"].get(decision["facts"]) if decision["facts"] else None
    if facts is None:
        yield "the facts it was made on were not kept (it is older than they are)"
        return
    inputs, now = decision["inputs"], moment(decision["decided_at"])
    rules = [evidence["rules"][rule["id"]] for rule in decision["rules"]]
    if sorted(rule["data_class"] for rule in rules) != sorted(set(inputs["data_classes"])):
        yield "the rules applied are not those of the data classes"
    for rule in rules:
        start, end = moment(rule["effective_from"]), moment(rule["effective_to"])
        if now < start or (end is not None and now >= end):
            yield f"version {rule['version']} of {rule['data_class']} was not in force"
    permitted = set()
    for code in inputs["offers"]:
        offer = facts["offers"][code]
        site = facts["sites"][offer["site"]]
        tokens = judge(
            rules, site, offer["isolation_class"], inputs["image"], inputs["customer"], facts["scheme_levels"], now,
            moment(inputs["covers_until"]),
        )  # fmt: skip
        rows = [
            row
            for row in decision["candidates"]
            if row["rejection"] == "site_not_permitted" and row.get("offer") == code
        ]
        told = {(reason["rule"], reason["data_class"]) for row in rows for reason in row["reasons"]}
        if tokens != told:
            yield f"offer {code}: refused by {sorted(told)}, and here by {sorted(tokens)}"
        if not tokens:
            permitted.add(code)
    yield from check_choice(decision, facts, rules, permitted, now)


def check_choice(decision, facts, rules, permitted, now):
    """The chosen place is permitted and carried by its certificates, and nothing cheaper with room was passed over."""
    inputs, chosen = decision["inputs"], decision["chosen"]
    for row in decision["candidates"]:
        numbers = row.get("facts") or {}
        if row["rejection"] in NO_ROOM and not numbers["requested"] > numbers["free"]:
            yield f"{row['site']} {row['accelerator']}: {numbers['requested']} fit into {numbers['free']}"
    if decision["outcome"] != "placed":
        return
    here = [
        code
        for code in permitted
        if (facts["offers"][code]["site"], facts["offers"][code]["accelerator"])
        == (chosen["site"], chosen["accelerator"])
    ]
    if not here:
        yield f"{chosen['site']} was chosen and is not permitted"
        return
    until = moment(inputs["covers_until"])
    site = facts["sites"][chosen["site"]]
    relied_on = [row for row in site["certificates"] if row["id"] in {item["id"] for item in decision["certificates"]}]
    for rule in rules:
        needs = rule["requirements"]
        needed_until = until or now + timedelta(days=needs.get("certificate_days_min", OPEN_ENDED_DAYS))
        for group in groups_of(needs):
            if judge_group(group, relied_on, facts["scheme_levels"], now, needed_until) is not None:
                yield f"no certificate that was relied on is {' or '.join(item['scheme'] for item in group)}"
    price = chosen["price_micros_per_device_hour"]
    prices = inputs["prices_micros"]
    for code in sorted(permitted & set(prices)):
        offer = facts["offers"][code]
        rejections = {
            row["rejection"]
            for row in decision["candidates"]
            if (row["site"], row["accelerator"]) == (offer["site"], offer["accelerator"])
        }
        if prices[code] < price and "worse_fit" in rejections:
            yield f"{code} was cheaper and had room"


def check_runs(evidence):
    """It ran where the decisions say, and was metered only while it had devices there."""
    placed = {row["attempt"]: row["chosen"] for row in evidence["decisions"] if row["outcome"] == "placed"}
    for run in evidence["runs"]:
        chosen = placed.get(run["attempt"])
        if chosen is None:
            yield f"attempt {run['attempt']} has no decision"
        elif run["rank"] == 0 and (run["site"], run["node"]) != (chosen["site"], chosen["node"]):
            yield f"attempt {run['attempt']} ran on {run['node']}, decided was {chosen['node']}"
    for use in evidence["usage"]:
        start, end = moment(use["started_at"]), moment(use["ended_at"])
        within = any(
            moment(run["allocated_at"]).replace(microsecond=0) <= start
            and (run["released_at"] is None or end is None or end <= moment(run["released_at"]))
            for run in evidence["runs"]
        )
        if not within:
            yield f"metered from {use['started_at']} without devices"


def check_pack(pack, public_key=None):
    """(what was checked, what does not hold)."""
    evidence, signature = pack["evidence"], pack["signature"]
    done, wrong = [], []
    if evidence["schema"] != SCHEMA:
        return done, [f"schema {evidence['schema']!r} is not {SCHEMA!r}: use the program that belongs to it"]
    pem = public_key or signature["public_key_pem"]
    if signature["suite"] != "ecdsa-p256-sha256":
        wrong.append(f"unknown signature suite {signature['suite']!r}")
    elif is_signed(canonical(evidence), base64.b64decode(signature["value"]), read_public_key(pem)):
        done.append(
            f"signature by key {signature['key']}" + ("" if public_key else " (the key comes from the pack itself)")
        )
    else:
        wrong.append("the signature does not belong to this evidence and key")
    for name, body in evidence["facts"].items():
        if hashlib.sha256(canonical(body)).hexdigest() != name:
            wrong.append(f"facts {name[:12]} were changed")
    done.append(f"{len(evidence['facts'])} sets of facts by their hashes")
    for decision in evidence["decisions"]:
        wrong.extend(f"decision {decision['id']}: {problem}" for problem in check_decision(decision, evidence))
    offers = sum(len(decision["inputs"]["offers"]) for decision in evidence["decisions"])
    done.append(f"{len(evidence['decisions'])} decisions made again over {offers} offers")
    wrong.extend(check_runs(evidence))
    done.append(f"{len(evidence['runs'])} runs and {len(evidence['usage'])} usage intervals against the decisions")
    return done, wrong


def main(arguments=None):
    """Read, check, print; the exit status."""
    parser = argparse.ArgumentParser(description="Check an evidence pack of Ondol and decide again from it.")
    parser.add_argument("pack", help="the signed JSON")
    parser.add_argument("--public-key", help="PEM file with the installation's key, obtained apart from the pack")
    options = parser.parse_args(arguments)
    try:
        with open(options.pack, encoding="utf-8") as file:
            pack = json.load(file)
        key = None
        if options.public_key:
            with open(options.public_key, encoding="utf-8") as file:
                key = file.read()
        done, wrong = check_pack(pack, key)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot read the pack: {error!r}", file=sys.stderr)
        return 2
    for line in done:
        print(f"checked  {line}")
    for line in wrong:
        print(f"WRONG    {line}")
    print("the evidence holds" if not wrong else f"the evidence does NOT hold: {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
