"""Double-entry ledger in whole won."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplace.kernel import ids
from marketplace.kernel.feeds import CurrentTransactionId


class LedgerAccount(models.Model):
    """An account of a tenant towards a seller.

    Attributes:
        kind: receivable, revenue, vat_payable … (billing.ledger.AccountKind).
    """

    TYPE_PREFIX = "acc"

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
    """Postings that belong together and sum to zero (the database refuses others). Append-only.

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
    """One side of a transaction: debit positive, credit negative, in whole won. Append-only.

    Attributes:
        xid: The writing database transaction's id; balances are folded below the oldest that runs (kernel.feeds).
    """

    id = models.UUIDField(primary_key=True, default=ids.new_id)
    xid = models.BigIntegerField(db_default=CurrentTransactionId())
    tenant_id = models.UUIDField()
    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="postings", db_index=False)
    amount_won = models.BigIntegerField()

    class Meta:
        """No empty postings; read by account, those since the last fold first."""

        constraints = [models.CheckConstraint(condition=~Q(amount_won=0), name="billing_posting_not_zero")]
        indexes = [models.Index(fields=["account", "xid"], name="billing_posting_by_account")]

    def __str__(self) -> str:
        """Amount."""
        return str(self.amount_won)


class LedgerBalance(models.Model):
    """An account's sum of every posting below a border; rebuildable from the postings (billing.ledger.balances).

    Attributes:
        folded_xid: The border: postings of this database transaction and later ones are not in it.
    """

    account = models.OneToOneField(LedgerAccount, on_delete=models.PROTECT, primary_key=True, related_name="balance")
    tenant_id = models.UUIDField()
    balance_won = models.BigIntegerField()
    folded_xid = models.BigIntegerField()

    def __str__(self) -> str:
        """Balance."""
        return str(self.balance_won)
