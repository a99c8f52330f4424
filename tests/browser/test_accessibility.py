"""Every screen, in both languages and colour schemes, on a desk and on a phone: no barrier that a program can find."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

SCREENS = (
    "/",
    "/catalogue?devices=2",
    "/launch?devices=2",
    "/instances",
    "/quotas",
    "/assurance",
    "/costs",
    "/usage",
    "/invoices",
    "/credit",
    "/budgets",
    "/api-keys",
)


@pytest.mark.parametrize(
    ("language", "theme", "width"),
    [("ko", "light", 1280), ("en", "dark", 1280), ("en", "light", 1024), ("ko", "dark", 800), ("en", "light", 360)],
)
def test_no_screen_has_a_barrier(visit: Visit, language: str, theme: str, width: int) -> None:
    """No finding of axe, nothing is cut off at the side, nothing breaks the content security policy."""
    visitor = visit(language=language, theme=theme, width=width)
    page = visitor.page
    page.goto(f"{visitor.url}/sign-in")
    barriers = {"/sign-in": visitor.list_barriers()}
    visitor.sign_in()
    running = visitor.rent(name="train", accelerator="A100", devices=1)
    visitor.wait_for_state("running")
    page.click("[data-dialog=end-dialog]")
    barriers["dialog"] = visitor.list_barriers()
    for path in (*SCREENS, running, f"{running}/evidence"):
        page.goto(f"{visitor.url}{path}")
        barriers[path] = visitor.list_barriers()
    assert visitor.complaints == []
    page.goto(f"{visitor.url}/nowhere")
    barriers["/nowhere"] = visitor.list_barriers()
    assert {path: found for path, found in barriers.items() if found} == {}
    visitor.entry.customer.act(running.rpartition("/")[2], "end")


def test_the_keyboard_reaches_the_content_first_and_the_menu_on_a_phone(visit: Visit) -> None:
    """The first stop skips to the content; the menu opens and says that it is open."""
    visitor = visit(language="en", width=360)
    page = visitor.page
    visitor.sign_in()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    menu = page.locator("[data-nav]")
    expect(page.locator("#navigation")).to_be_hidden()
    menu.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    page.locator("#navigation").get_by_role("link", name="Instances").click()
    expect(page.locator("h1")).to_have_text("Instances")


def test_language_and_colours_are_kept(visit: Visit) -> None:
    """Each switch changes the page where one is and stays."""
    visitor = visit(language="ko", theme="light")
    page = visitor.page
    visitor.sign_in()
    page.goto(f"{visitor.url}/quotas")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_have_text("Quotas")
    page.get_by_role("button", name="Dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Light colours")).to_be_visible()
    page.goto(f"{visitor.url}/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
