"""Kernel tables: leases, idempotency records, the audit log, notices, revisions, signing keys."""

from marketplace.kernel.models.audit_entry import AuditEntry
from marketplace.kernel.models.idempotency_record import IdempotencyRecord
from marketplace.kernel.models.lease import Lease
from marketplace.kernel.models.notice import Notice, Severity
from marketplace.kernel.models.revision import Revision
from marketplace.kernel.models.signing_key import SigningKey

__all__ = ["AuditEntry", "IdempotencyRecord", "Lease", "Notice", "Revision", "Severity", "SigningKey"]
