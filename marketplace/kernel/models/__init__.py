"""Kernel tables: leases, idempotency records, the audit log."""

from marketplace.kernel.models.audit_entry import AuditEntry
from marketplace.kernel.models.idempotency_record import IdempotencyRecord
from marketplace.kernel.models.lease import Lease

__all__ = ["AuditEntry", "IdempotencyRecord", "Lease"]
