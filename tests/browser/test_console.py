"""The operator's pages in Chromium: every page without a parameter, in both languages and colour schemes, wide and narrow."""

import secrets

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import AXE, RULES
from tests.journeys.conftest import Market

BARRIERS = (
    "(tags) => axe.run('.ondol', {runOnly: tags}).then((result) =>"
    " result.violations.map((item) => item.id + ': ' + item.nodes.map((node) => node.html).join(' ')))"
)


def list_pages() -> list[str]:
    """Every page of the side bar; a page that takes parameters is tested by its own room."""
    from django.urls import reverse  # noqa: PLC0415 - needs Django

    from marketplace.console.navigation import PAGES  # noqa: PLC0415 - needs Django

    return [reverse(route, urlconf="marketplace.config.urls_console") for _title, _icon, route in PAGES]


@pytest.mark.parametrize(
    ("language", "theme", "width"), [("ko", "light", 1280), ("en", "dark", 1280), ("ko", "dark", 360)]
)
def test_no_page_of_the_console_has_a_barrier(
    market: Market, chromium: Browser, language: str, theme: str, width: int
) -> None:
    """No finding of axe in our part of the frame, nothing wider than the window, no broken script."""
    page, complaints = _open(market, chromium, language=language, theme=theme, width=width)
    found: dict[str, list[str]] = {}
    for path in list_pages():
        page.goto(f"{market.ondol.processes.console_url}{path}")
        page.wait_for_selector(".ondol")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        barriers = page.evaluate(BARRIERS, list(RULES))
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found[path] = [*barriers, *([f"wider than the window by {wider} px"] if wider > 0 else [])]
    assert {path: barriers for path, barriers in found.items() if barriers} == {}
    assert len(found) > 0
    assert complaints == []


def _open(market: Market, chromium: Browser, *, language: str, theme: str, width: int) -> tuple[Page, list[str]]:
    """An operator, signed in."""
    from tests.console.operators import PASSWORD, add_operator  # noqa: PLC0415 - needs Django

    email = f"{secrets.token_hex(6)}@ondol.example"
    add_operator(email=email)
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, locale=language, color_scheme="dark" if theme == "dark" else "light"
    )
    url = market.ondol.processes.console_url
    context.add_cookies([{"name": "ondol_language", "value": language, "url": url}])
    context.add_init_script(f"localStorage.setItem('_x_adminTheme', '\"{theme}\"')")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(f"{url}/login/")
    page.fill("input[name=username]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("[type=submit]")
    page.wait_for_url(lambda address: "/login" not in address)
    return page, complaints
