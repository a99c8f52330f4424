"""Set-up of every test run; the fixtures themselves stand in tests/fixtures."""

import os
from collections.abc import Generator
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from xdist.workermanage import WorkerController

from devstack.stack import Stack
from tests.fixtures import loopback, ordering
from tests.fixtures.machine import Machine, forget_outer_settings, machine_from_facts, serve

pytest_plugins = ["tests.fixtures.databases", "tests.fixtures.running"]

# How long an example takes says more of the machine than of the code.
settings.register_profile("ondol", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ondol")

MACHINE: Final = pytest.StashKey[Machine]()
CONTROLLER: Final = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Decide ports, passwords and names, so that Django's settings are final; nothing is started."""
    loopback.install_guard()
    forget_outer_settings()
    facts = getattr(config, "workerinput", None)
    if facts is None:
        config.stash[MACHINE] = Machine(worker="main", stack=Stack())
    else:
        config.stash[MACHINE] = machine_from_facts(facts["machine"], worker=facts["workerid"])
    if facts is None and config.getoption("dist", "no") != "no":
        # The controller of pytest-xdist runs no test, and workers inherit its environment.
        return
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        # pytest-django then sets Django up before this file is read, with whatever the shell says.
        raise pytest.UsageError("unset DJANGO_SETTINGS_MODULE: tests choose their own settings")
    os.environ.update(config.stash[MACHINE].environment())

    import django  # noqa: PLC0415 - only once the environment stands

    django.setup()


def pytest_configure_node(node: WorkerController) -> None:
    """Tell a worker of pytest-xdist about the machine."""
    machine = node.config.stash[MACHINE]
    if CONTROLLER not in node.config.stash:
        node.config.stash[CONTROLLER] = serve(machine)
    node.workerinput["machine"] = machine.facts(controller=node.config.stash[CONTROLLER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End everything that was started."""
    machine = config.stash.get(MACHINE, None)
    if machine is not None:
        machine.stack.close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Each test has a kind that `-m` can choose; quick ones first, disruptive ones last."""
    ordering.mark(items)
    yield
    ordering.order(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: a part that is missing there must be seen."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI=true: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Machine:
    """The machine of this run, as this worker sees it."""
    return pytestconfig.stash[MACHINE]
