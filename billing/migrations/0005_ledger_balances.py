"""Stored balances, folded from the postings; the sums are checked once a statement instead of once a row."""

import django.db.models.deletion
from django.db import migrations, models

import marketplace.kernel.feeds
from marketplace.kernel.row_security import SecureTenantTable, TenantForeignKey

# Every statement adds whole transactions: what sums to zero in each statement sums to zero in the table. Cheaper than looking at
# the whole transaction for each of its rows, and stricter, since nothing can be added to a transaction later.
BALANCES_BY_STATEMENT = """
DROP TRIGGER ledger_balances ON billing_ledgerposting;
DROP FUNCTION ondol_ledger_balances();
CREATE FUNCTION ondol_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    off record;
BEGIN
    SELECT transaction_id, sum(amount_won) AS difference INTO off FROM fresh
    GROUP BY transaction_id HAVING sum(amount_won) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is off by % won', off.transaction_id, off.difference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$body$;
CREATE TRIGGER ledger_balances AFTER INSERT ON billing_ledgerposting REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION ondol_ledger_balances();
"""
BALANCES_BY_ROW = """
DROP TRIGGER ledger_balances ON billing_ledgerposting;
DROP FUNCTION ondol_ledger_balances();
CREATE FUNCTION ondol_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    difference bigint;
BEGIN
    SELECT coalesce(sum(amount_won), 0) INTO difference FROM billing_ledgerposting WHERE transaction_id = NEW.transaction_id;
    IF difference <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % is off by % won', NEW.transaction_id, difference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$body$;
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON billing_ledgerposting
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ondol_ledger_balances();
"""


class Migration(migrations.Migration):
    """Balances, their rights, and the cheaper check."""

    dependencies = [
        ("billing", "0004_secure_usage_and_money"),
    ]

    operations = [
        migrations.CreateModel(
            name="LedgerBalance",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="balance",
                        serialize=False,
                        to="billing.ledgeraccount",
                    ),
                ),
                ("tenant_id", models.UUIDField()),
                ("balance_won", models.BigIntegerField()),
                ("folded_xid", models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name="ledgerposting",
            name="xid",
            field=models.BigIntegerField(db_default=marketplace.kernel.feeds.CurrentTransactionId()),
        ),
        migrations.AlterField(
            model_name="ledgerposting",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="postings",
                to="billing.ledgeraccount",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerposting",
            index=models.Index(fields=["account", "xid"], name="billing_posting_by_account"),
        ),
        SecureTenantTable("billing_ledgerbalance", web="SELECT", staff="SELECT, INSERT, UPDATE"),
        TenantForeignKey("billing_ledgerbalance", column="account_id", parent="billing_ledgeraccount"),
        migrations.RunSQL(BALANCES_BY_STATEMENT, BALANCES_BY_ROW),
    ]
