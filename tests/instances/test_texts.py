"""Every reason has its sentence: nobody reads a token."""

import pytest
from django.utils import translation

from marketplace.instances.states import Reason
from marketplace.instances.texts import REASONS, WAITS, explain_reason, explain_wait
from marketplace.scheduling.waiting import WaitReason


def test_every_reason_of_a_move_has_a_sentence() -> None:
    assert set(REASONS) == set(Reason)


def test_every_reason_to_wait_has_a_sentence() -> None:
    assert {reason.split("/")[0] for reason in WAITS} == {"Queued", *WaitReason}


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("reason", [*WAITS])
def test_a_wait_is_explained_with_its_numbers(reason: str, language: str) -> None:
    """Also the rows of an older version, which lack some of them."""
    token, _slash, variant = reason.partition("/")
    facts = {"requested": 4, "free": 3, "nodes": 2 if variant == "gang" else 1, "short_of": variant}
    facts |= {"providers": "한빛", "schemes": "보안성 검토"}
    with translation.override(language):
        message, remedy, _is_blocking = explain_wait(token, facts)
        assert message.startswith(str(WAITS[reason].message).split("%(", maxsplit=1)[0])
    assert "%(" not in message
    assert message.endswith(".")
    assert remedy.endswith(".")


def test_the_numbers_stand_in_the_sentence() -> None:
    with translation.override("en"):
        message, _remedy, is_blocking = explain_wait("WaitingForCapacity", {"requested": 4, "free": 3})
    assert message == "No permitted node has 4 free devices now; the most on one node is 3."
    assert is_blocking is False


def test_a_reason_of_a_newer_version_is_shown_by_its_token() -> None:
    assert explain_reason("struck_by_lightning") == "struck_by_lightning"
    assert explain_wait("StruckByLightning", {}) == ("StruckByLightning", "", False)
