"""The main job by hand: sign in, see why not there, rent, watch it run, stop, read the invoice."""

from datetime import timedelta

from playwright.sync_api import expect

from tests.browser.conftest import Visit, Visitor


def close_this_month(visitor: Visitor) -> tuple[str, str, str]:
    """Number, page and total of the visitor's only invoice; the close is handed an instant in the next month."""
    from billing.month_close import close_month  # noqa: PLC0415 - needs Django
    from billing.rating import month_bounds, month_of  # noqa: PLC0415
    from marketplace.kernel import clock, ids  # noqa: PLC0415
    from marketplace.kernel.money import format_won  # noqa: PLC0415
    from tests.market import STAFF  # noqa: PLC0415

    month = month_of(clock.now())
    _start, following = month_bounds(month)
    (invoice,) = close_month(
        actor=STAFF, month=month, now=following + timedelta(hours=9), tenant_ids=[visitor.entry.renter.tenant.id]
    )
    return invoice.number, ids.format_id(prefix="inv", value=invoice.id), format_won(invoice.total_won)


def test_rent_watch_stop_and_read_the_invoice(visit: Visit) -> None:
    """Nothing is reloaded between renting and running, nor between the stop and its end."""
    visitor = visit(language="ko")
    page = visitor.page
    visitor.sign_in()
    page.goto(f"{visitor.url}/catalogue?devices=2")
    expect(page.locator("section[aria-labelledby=permitted] tbody tr")).to_have_count(2)
    expect(page.locator("section[aria-labelledby=refused] tbody tr", has_text="춘천 일반센터")).to_have_count(3)
    expect(page.locator("section[aria-labelledby=refused]")).to_contain_text("금융분야 클라우드 안전성 평가")

    visitor.rent(name="train")
    visitor.wait_for_state("running")
    expect(page.locator("#announcements")).to_have_text("train: 실행 중")
    expect(page.locator(".tile", has_text="시간당")).to_contain_text("₩10,800")
    expect(page.locator("[data-numerator]")).not_to_have_text("₩0")

    page.click("[data-dialog=stop-dialog]")
    page.click("#stop-dialog button.primary")
    visitor.wait_for_state("stopped")
    expect(page.locator("#timeline + .timeline")).to_contain_text("중지됨")

    number, invoice_id, total = close_this_month(visitor)
    page.goto(f"{visitor.url}/invoices")
    page.click(f"a:has-text('{number}') >> nth=0")
    page.wait_for_url(f"**/invoices/{invoice_id}")
    expect(page.locator("tfoot .total").last).to_have_text(total)
    with page.expect_download() as download:
        page.click("a.button.primary")
    assert download.value.suggested_filename == f"invoice-{number}.pdf"
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    assert visitor.complaints == []


def test_a_dialog_outlives_updates_and_gives_the_focus_back(visit: Visit) -> None:
    """What is being read or typed is not swapped away; Escape closes it and leads back to its button."""
    visitor = visit(language="en")
    page = visitor.page
    visitor.sign_in()
    page.clock.install()
    visitor.rent(name="dialog")
    visitor.wait_for_state("running")
    page.focus("[data-dialog=end-dialog]")
    page.keyboard.press("Enter")
    page.fill("#confirm", "dia")
    page.clock.run_for(10_000)
    expect(page.locator("#end-dialog")).to_be_visible()
    expect(page.locator("#confirm")).to_have_value("dia")
    page.keyboard.press("Escape")
    expect(page.locator("#end-dialog")).to_be_hidden()
    button = page.locator("[data-dialog=end-dialog]")
    expect(button).to_be_focused()
    before = button.element_handle()
    page.clock.run_for(2_500)
    page.wait_for_function("(old) => !old.isConnected", arg=before)
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.fill("#confirm", "dialog")
    page.click("#end-dialog button[name=type]")
    visitor.wait_for_state("ended")
    assert visitor.complaints == []


def test_paused_updates_ask_for_nothing(visit: Visit) -> None:
    """Neither the state nor the cost moves until updates go on."""
    visitor = visit(language="en")
    page = visitor.page
    visitor.sign_in()
    page.clock.install()
    visitor.rent(name="paused")
    visitor.wait_for_state("running")
    page.click("[data-pause]")
    expect(page.locator("[data-pause]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    cost = page.locator("[data-numerator]").inner_text()
    page.clock.run_for(10_000)
    assert (asked, page.locator("[data-numerator]").inner_text()) == ([], cost)
    page.click("[data-pause]")
    with page.expect_response("**/live"):
        page.clock.run_for(2_500)


def test_a_lapsed_session_leads_to_the_sign_in_and_back(visit: Visit) -> None:
    """The page that updates itself becomes the sign-in page, not a page with a sign-in form inside."""
    visitor = visit(language="en")
    page = visitor.page
    visitor.sign_in()
    path = visitor.rent(name="lapsed")
    visitor.wait_for_state("running")
    page.context.clear_cookies(name="ondol_session")
    page.wait_for_url(f"**/sign-in?next={path}")
    expect(page.locator("nav")).to_have_count(0)
    visitor.sign_in()
    assert page.url == f"{visitor.url}{path}"
    expect(page.locator("h1")).to_have_text("lapsed")
