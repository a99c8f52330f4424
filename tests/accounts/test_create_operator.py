"""The first operator is made by hand, under the password rules, and audited."""

import io

import pytest
from django.core.management import CommandError, call_command

from marketplace.accounts.models import User
from marketplace.kernel.actors import as_actor, system_actor
from marketplace.kernel.models import AuditEntry

pytestmark = pytest.mark.django_db


def _run(monkeypatch: pytest.MonkeyPatch, password: str, *arguments: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    output = io.StringIO()
    call_command("create_operator", *arguments, "--password-stdin", stdout=output)
    return output.getvalue()


def test_an_operator_is_made_and_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    said = _run(monkeypatch, "a long pass phrase 42", "Ops@example.kr", "--name", "On duty")
    assert said == "Ops@example.kr may open the console\n"
    with as_actor(system_actor("test")):
        user = User.objects.get(email="ops@example.kr")
        assert (user.name, user.is_staff, user.language) == ("On duty", True, "ko")
        assert user.check_password("a long pass phrase 42")
        entry = AuditEntry.objects.get(object_id=user.id)
        assert (entry.action, entry.actor_name) == ("user.created", "create_operator")


@pytest.mark.parametrize("password", ["short", "password1234", ""])
def test_a_weak_password_is_refused_and_nothing_is_made(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    with pytest.raises(CommandError):
        _run(monkeypatch, password, "ops@example.kr")
    with as_actor(system_actor("test")):
        assert not User.objects.filter(email="ops@example.kr").exists()


def test_an_address_is_taken_once_whatever_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    _run(monkeypatch, "a long pass phrase 42", "ops@example.kr")
    with pytest.raises(CommandError, match=r".+"):
        _run(monkeypatch, "another pass phrase 43", "OPS@example.kr")
    with as_actor(system_actor("test")):
        assert User.objects.filter(email__iexact="ops@example.kr").count() == 1
