"""Double-entry ledger in whole won."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplace.kernel import ids


class LedgerAccount(models.Model):
    """An account of a tenant towards a seller.

    Attributes:
        kind: receivable, revenue, vat_payable … (billing.ledger.AccountKind).
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    seller_id = models.UUIDField()
    kind = models.CharField(max_length=20)
    currency = models.CharField(max_length=3, default="KRW")

    class Meta:
        """One account per tenant, seller and kind."""

        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "seller_id", "kind", "currency"], name="billing_account_once"),
            models.UniqueConstraint(fields=["tenant_id", "id"], name="billing_account_tenant_id"),
        ]

    def __str__(self) -> str:
        """Kind."""
        return self.kind


class LedgerTransaction(models.Model):
    """Postings that belong together and sum to zero (enforced by the database at commit). Append-only.

    Attributes:
        key: Idempotency key, e.g. `invoice:<id>`; the same key is posted once.
        input_hash: SHA-256 of the postings; another input under the same key is refused.
    """

    TYPE_PREFIX = "ltx"

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    key = models.CharField(max_length=120, unique=True)
    input_hash = models.BinaryField(max_length=32)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Target of composite foreign keys."""

        constraints = [models.UniqueConstraint(fields=["tenant_id", "id"], name="billing_ledgertx_tenant_id")]

    def __str__(self) -> str:
        """The key."""
        return self.key


class LedgerPosting(models.Model):
    """One side of a transaction: debit positive, credit negative, in whole won. Append-only."""

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    tenant_id = models.UUIDField()
    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="postings")
    amount_won = models.BigIntegerField()

    class Meta:
        """No empty postings."""

        constraints = [models.CheckConstraint(condition=~Q(amount_won=0), name="billing_posting_not_zero")]

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount_won)
