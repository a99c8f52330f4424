"""Routes of the operator's pages."""

from django.urls import URLPattern, URLResolver, path

from marketplace.console.views import (
    agreements,
    certificates,
    money,
    overview,
    prices,
    queue,
    quota_file,
    quota_requests,
    quotas,
    rules,
)

app_name = "console"
urlpatterns: list[URLPattern | URLResolver] = [
    path("overview", overview.overview, name="overview"),
    path("notices/<str:notice_id>/acknowledge", overview.acknowledge, name="notice-acknowledge"),
    path("credit", money.credit, name="credit"),
    path("credit/top-ups", money.top_up, name="top-up"),
    path("credit/top-ups/<str:top_up_id>/decide", money.decide, name="top-up-decide"),
    path("credit/payment-mode", money.payment_mode, name="payment-mode"),
    path("ledger", money.ledger, name="ledger"),
    path("queue", queue.queue, name="queue"),
    path("queue/<str:instance_id>", queue.explain, name="queue-explain"),
    path("queue/<str:instance_id>/expire", queue.expire, name="queue-expire"),
    path("certificates", certificates.certificates, name="certificates"),
    path("certificates/<str:certificate_id>", certificates.certificate, name="certificate"),
    path("certificates/<str:certificate_id>/paper", certificates.paper, name="certificate-paper"),
    path("certificates/<str:certificate_id>/revoke", certificates.revoke, name="certificate-revoke"),
    path("rules", rules.rules, name="rules"),
    path("rules/<slug:code>", rules.rule, name="rule"),
    path("quotas", quotas.tree, name="quotas"),
    path("quotas/shares", quotas.change_share, name="quota-share"),
    path("quotas/shares/<str:share_id>/revoke", quotas.end_share, name="quota-share-revoke"),
    path("quotas/tenants/<str:tenant_id>", quotas.tenant_quotas, name="quota-tenant"),
    path("quotas/tenants/<str:tenant_id>/set", quotas.change_quota, name="quota-set"),
    path(
        "quotas/tenants/<str:tenant_id>/periods/<str:period_id>/revoke", quotas.end_period, name="quota-period-revoke"
    ),
    path("quotas/file", quota_file.upload, name="quota-file"),
    path("quotas/file/apply", quota_file.apply, name="quota-file-apply"),
    path("quotas/file/download", quota_file.download, name="quota-file-download"),
    path("quota-requests", quota_requests.inbox, name="quota-inbox"),
    path("quota-requests/<str:request_id>", quota_requests.request_detail, name="quota-request"),
    path("quota-requests/<str:request_id>/decide", quota_requests.decide, name="quota-decide"),
    path("quota-papers/<str:attachment_id>", quota_requests.paper, name="quota-paper"),
    path("prices", prices.prices, name="prices"),
    path("prices/new", prices.new_book, name="price-book-new"),
    path("prices/<str:book_id>", prices.price_book, name="price-book"),
    path("prices/<str:book_id>/prices", prices.put_price, name="price-put"),
    path("prices/<str:book_id>/prices/<str:entry_id>/remove", prices.remove_price, name="price-remove"),
    path("prices/<str:book_id>/file", prices.read_file, name="price-file"),
    path("prices/<str:book_id>/file/put", prices.put_file, name="price-file-put"),
    path("prices/<str:book_id>/move", prices.move_book, name="price-book-move"),
    path("agreements", agreements.agreements, name="agreements"),
    path("agreements/commitments", agreements.sign, name="commitment-sign"),
    path("agreements/discounts", agreements.grant, name="discount-grant"),
]
