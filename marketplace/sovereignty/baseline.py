"""The schemes, data classes and first rules that come with Ondol; operators publish later versions themselves."""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from marketplace.kernel.actors import Actor
from marketplace.kernel.signing import ensure_signing_key
from marketplace.sovereignty.models import DataClassRule
from marketplace.sovereignty.operations import define_data_class, define_scheme, publish_rule

BASELINE: Final = Path(__file__).with_name("baseline.json")


def load_baseline(*, actor: Actor, effective_from: datetime, now: datetime) -> None:
    """Add schemes, classes, and a first rule for each class that has none. Safe to repeat; published rules are left alone.

    Also makes the installation's signing key, without which no evidence could be handed out.
    """
    ensure_signing_key(actor=actor, now=now)
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    for scheme in baseline["schemes"]:
        define_scheme(actor=actor, now=now, **scheme)
    for row in baseline["data_classes"]:
        define_data_class(actor=actor, code=row["code"], name_ko=row["name_ko"], name_en=row["name_en"], now=now)
        if not DataClassRule.objects.filter(data_class__code=row["code"]).exists():
            publish_rule(
                actor=actor,
                data_class=row["code"],
                requirements=row["requirements"],
                effective_from=effective_from,
                source=row["source"],
                now=now,
            )
