"""docker-compose.yml is a valid Compose file that runs the processes of devstack, hardened, with nobody's secrets inside."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import ComposeSpecification  # type: ignore[attr-defined]

from devstack.processes import Ports, Processes, ProcessName
from marketplace.config.environment import Environment
from tests.architecture.tree import ROOT
from tests.fixtures.machine import Machine

COMPOSE = ROOT / "docker-compose.yml"
ONDOL = {"web", "console", "worker", "beat", "watcher", "admitter"}
ONE_SHOT = {"roles", "migrate"}


def _read_services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return services


def test_it_is_valid_by_the_compose_specification() -> None:
    parsed = ComposeSpecification.model_validate(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))
    assert parsed.services is not None
    assert set(parsed.services) == ONDOL | ONE_SHOT | {"postgres", "valkey", "proxy"}


def test_it_runs_the_processes_of_the_local_machine() -> None:
    assert {str(name) for name in ProcessName} == ONDOL


def _essence(command: list[str]) -> list[str]:
    """Program, subcommand, application and queues; ports, sizes and files differ by place."""
    return [word for word in command if not word.startswith("--") and word not in {"python", "-m"}]


@pytest.mark.parametrize("name", sorted(ONDOL))
def test_each_process_is_the_one_of_the_local_machine(name: str, tmp_path: Path, machine: Machine) -> None:
    described = Processes(
        web_environment={},
        staff_environment={},
        ports=Ports(web=8000, console=8001),
        logs=tmp_path,
        directory=tmp_path,
        reaper=machine.stack.reaper,
    )
    assert _essence(_read_services()[name]["command"]) == _essence(described._arguments(ProcessName(name)))


@pytest.mark.parametrize("name", sorted(ONDOL))
def test_each_process_is_confined(name: str) -> None:
    service = _read_services()[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service, "only the proxy is reached from outside"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert "healthcheck" in service
    assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize(("name", "login"), [
    ("web", "ondol_web_login"), ("console", "ondol_staff_login"), ("worker", "ondol_staff_login"),
    ("beat", "ondol_staff_login"), ("watcher", "ondol_staff_login"), ("admitter", "ondol_staff_login"),
    ("migrate", "ondol_owner"),
])  # fmt: skip
def test_each_process_logs_in_with_the_least_role(name: str, login: str) -> None:
    url = _read_services()[name]["environment"]["ONDOL_DATABASE_URL"]
    assert url.startswith(f"postgresql://{login}:$")


def test_every_variable_is_known_and_the_required_ones_are_given() -> None:
    known = {f"ONDOL_{name.upper()}" for name in Environment.model_fields}
    required = {f"ONDOL_{name.upper()}" for name, field in Environment.model_fields.items() if field.is_required()}
    for name in ONDOL:
        given = {key for key in _read_services()[name]["environment"] if key.startswith("ONDOL_")}
        assert given - known == set(), name
        assert required - given == set(), name


def test_secrets_come_from_the_environment_file() -> None:
    """Each `${NAME}` stands in .env.example, and none that is needed has a value in the committed file."""
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE.read_text(encoding="utf-8")))
    offered = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert used == offered


def test_the_database_and_the_broker_have_no_way_out() -> None:
    compose = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert compose["networks"]["back"] == {"internal": True}
    assert compose["services"]["postgres"]["networks"] == ["back"]
    assert compose["services"]["valkey"]["networks"] == ["back"]


def test_roles_are_those_that_the_migrations_name() -> None:
    sql = (ROOT / "deploy/compose/roles.sql").read_text(encoding="utf-8")
    created = set(re.findall(r"\('(ondol_\w+)', '(?:NO)?LOGIN'\)", sql))
    assert created == {"ondol_owner", "ondol_web", "ondol_staff", "ondol_web_login", "ondol_staff_login"}
    for role in created:
        assert re.search(rf"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION", sql), role


def test_the_image_is_built_from_the_lock_by_nobody_in_particular() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "uv sync --frozen --no-dev" in dockerfile
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", dockerfile, re.MULTILINE)
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    unhashed = [
        package["name"]
        for package in locked
        if "registry" in package.get("source", {})
        and not all("hash" in wheel for wheel in package.get("wheels", []) or [package.get("sdist", {})])
    ]
    assert unhashed == []


def test_everything_the_image_copies_exists() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert [source for source in copied if not (ROOT / source).exists()] == []
