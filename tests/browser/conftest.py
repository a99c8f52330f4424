"""A Chromium, and visitors of the market that journeys share."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from devstack import paths
from devstack.chromium import ChromiumMissing, find_or_install_chromium
from tests.journeys.conftest import Entry, Market, market

__all__ = ["market"]

AXE: Final = paths.REPOSITORY / "marketplace/portal/assets/node_modules/axe-core/axe.min.js"
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
TIMEOUT_MS: Final = 20_000


@dataclass(kw_only=True)
class Visitor:
    """A member of a tenant of their own, at a browser.

    Attributes:
        complaints: Errors of scripts and violations of the content security policy, as the browser reported them.
    """

    page: Page
    url: str
    entry: Entry
    email: str
    password: str
    complaints: list[str] = field(default_factory=list)

    def sign_in(self) -> None:
        """From the sign-in page to wherever it leads."""
        if "/sign-in" not in self.page.url:
            self.page.goto(f"{self.url}/sign-in")
        self.page.fill("#email", self.email)
        self.page.fill("#password", self.password)
        self.page.click("main form button.primary")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def rent(self, *, name: str, accelerator: str = "H200", devices: int = 2) -> str:
        """Through catalogue and launch page; the path of the instance's page."""
        self.page.goto(f"{self.url}/catalogue?devices={devices}")
        self.page.click(f"section[aria-labelledby=permitted] tr:has-text('{accelerator}') a.button")
        self.page.fill("#name", name)
        self.page.click("aside button.primary")
        self.page.wait_for_url("**/instances/ins_*")
        return self.page.url.removeprefix(self.url)

    def wait_for_state(self, state: str) -> None:
        """Without a reload: a mark that a new page would not carry is still there when the state shows."""
        self.page.evaluate("window.ondolMark = 'same page'")
        self.page.wait_for_selector(f"[data-state={state}]", timeout=TIMEOUT_MS)
        assert self.page.evaluate("window.ondolMark") == "same page"

    def list_barriers(self) -> list[str]:
        """What axe finds on the page; also content wider than the window, which hides it on a phone."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(
            "(tags) => axe.run(document, {runOnly: tags}).then((result) => ({passes: result.passes.length,"
            " violations: result.violations.map((item) => item.id + ': ' + item.nodes.map((node) => node.html).join(' '))}))",
            list(RULES),
        )
        assert found["passes"] > 15
        width = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return [*found["violations"], *([f"wider than the window by {width} px"] if width > 0 else [])]


Visit = Callable[..., Visitor]


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A headless browser for one test.

    Playwright keeps an event loop running in the thread of the test, so Django would refuse the database there; nothing of
    ours runs in that loop. It ends with the test, or every later test of the process would be refused.
    """
    try:
        executable = find_or_install_chromium()
    except ChromiumMissing as error:
        pytest.skip(str(error))
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(market: Market, chromium: Browser) -> Visit:
    """Make a tenant and open a browser for its owner, as `visit(language="ko", theme="light", width=1280)`."""

    def open_browser(*, language: str = "ko", theme: str = "light", width: int = 1280) -> Visitor:
        entry = market.enter()
        email, password = f"{secrets.token_hex(6)}@gaon.example", secrets.token_urlsafe(16)
        _add_owner(entry, email=email, password=password)
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale=language)
        context.add_cookies(
            [
                {"name": "ondol_language", "value": language, "url": market.ondol.url},
                {"name": "ondol_theme", "value": theme, "url": market.ondol.url},
            ]
        )
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        visitor = Visitor(page=page, url=market.ondol.url, entry=entry, email=email, password=password)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("console", lambda line: visitor.complaints.append(line.text) if line.type == "error" else None)
        return visitor

    return open_browser


def _add_owner(entry: Entry, *, email: str, password: str) -> None:
    from marketplace.accounts.operations import create_user  # noqa: PLC0415 - needs Django
    from marketplace.kernel import clock  # noqa: PLC0415
    from marketplace.kernel.actors import as_actor  # noqa: PLC0415
    from marketplace.tenants.models import Role  # noqa: PLC0415
    from marketplace.tenants.operations import add_member  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    now = clock.now()
    with as_actor(STAFF):
        user = create_user(actor=STAFF, email=email, name="엔지니어", password=password, now=now)
        add_member(actor=STAFF, tenant_id=entry.renter.tenant.id, user_id=user.id, role=Role.OWNER, now=now)
