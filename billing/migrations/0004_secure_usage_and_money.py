"""Usage and money are a tenant's to read and staff's to write; history is append-only; the ledger balances or does not commit."""

from django.db import migrations

from marketplace.kernel.row_security import AppendOnly, SecureSharedTable, SecureTenantTable, TenantForeignKey

# Checked at commit, so that the postings of one transaction may be inserted one after the other.
LEDGER_BALANCES = """
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
    """Grants, row-level security, append-only triggers, composite keys and the balance check."""

    dependencies = [("billing", "0003_usage_charges_ledger_invoices")]

    operations = [
        SecureTenantTable("billing_usageinterval", web="SELECT"),
        SecureTenantTable("billing_charge", web="SELECT"),
        SecureTenantTable("billing_ledgeraccount", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_ledgertransaction", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_ledgerposting", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_invoice", web="SELECT", staff="SELECT, INSERT"),
        SecureTenantTable("billing_invoiceline", web="SELECT", staff="SELECT, INSERT"),
        SecureSharedTable("billing_invoiceseries", web="", staff="SELECT, INSERT, UPDATE"),
        AppendOnly("billing_usageinterval", closing=["ended_at", "closed_by", "superseded_by_id"]),
        AppendOnly("billing_charge", closing=["invoice_line_id"]),
        AppendOnly("billing_ledgertransaction"),
        AppendOnly("billing_ledgerposting"),
        AppendOnly("billing_invoice"),
        AppendOnly("billing_invoiceline"),
        TenantForeignKey("billing_usageinterval", column="instance_id", parent="instances_instance"),
        TenantForeignKey("billing_charge", column="instance_id", parent="instances_instance"),
        TenantForeignKey("billing_charge", column="usage_interval_id", parent="billing_usageinterval"),
        TenantForeignKey("billing_charge", column="billing_profile_id", parent="tenants_billingprofile"),
        TenantForeignKey("billing_ledgerposting", column="transaction_id", parent="billing_ledgertransaction"),
        TenantForeignKey("billing_ledgerposting", column="account_id", parent="billing_ledgeraccount"),
        TenantForeignKey("billing_invoice", column="billing_profile_id", parent="tenants_billingprofile"),
        TenantForeignKey("billing_invoiceline", column="invoice_id", parent="billing_invoice"),
        migrations.RunSQL(
            LEDGER_BALANCES,
            "DROP TRIGGER ledger_balances ON billing_ledgerposting; DROP FUNCTION ondol_ledger_balances()",
        ),
    ]
