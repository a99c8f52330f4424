"""Certificates of one cluster: an own authority, serving certificates and client certificates, valid for this devstack only."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack import paths

VALIDITY: Final = timedelta(days=7)
"""Far longer than a devstack lives, short enough that a forgotten copy of a key is soon worth nothing."""

SERVICE_ADDRESS: Final = "10.0.0.1"
"""First address of the service network, under which pods would reach the API server."""

CLIENTS: Final = {
    "admin": ("devstack-admin", "system:masters"),
    "kwok": ("devstack-kwok", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "etcd-client": ("kube-apiserver", ""),
    "kubelet-client": ("kube-apiserver", "system:masters"),
}
"""File name → common name and organisation, which Kubernetes reads as user and group."""


@dataclass(frozen=True, slots=True)
class Pki:
    """Paths of the files that `write_pki` made."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate."""
        return self.directory / "ca.crt"

    def certificate(self, name: str) -> Path:
        """A certificate by name: `serving` or a key of `CLIENTS`."""
        return self.directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key to a certificate; `service-accounts` signs tokens."""
        return self.directory / f"{name}.key"


def write_pki(directory: Path) -> Pki:
    """Write an authority, one serving certificate for every server of the cluster, and the client certificates."""
    pki = Pki(directory)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("devstack authority", "")
    authority = _build(
        subject=authority_name,
        issuer=authority_name,
        key=authority_key,
        signer=authority_key,
        extensions=[
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_key_usage(is_authority=True), True),
            (x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), False),
        ],
    )
    pki.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    issuer = (authority_name, authority_key)
    _issue(
        pki, "serving", common_name="devstack", organisation="", usage=ExtendedKeyUsageOID.SERVER_AUTH, issuer=issuer
    )
    for name, (common_name, organisation) in CLIENTS.items():
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
        _issue(pki, name, common_name=common_name, organisation=organisation, usage=usage, issuer=issuer)
    _write_key(pki.key("service-accounts"), ec.generate_private_key(ec.SECP256R1()))
    return pki


def _issue(
    pki: Pki,
    name: str,
    *,
    common_name: str,
    organisation: str,
    usage: x509.ObjectIdentifier,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey],
) -> None:
    issuer_name, signer = issuer
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [usage]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(is_authority=False), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    if usage == ExtendedKeyUsageOID.SERVER_AUTH:
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", SERVICE_ADDRESS)
        ]
        names += [x509.DNSName(host) for host in ("localhost", "kubernetes", "kubernetes.default.svc")]
        extensions.append((x509.SubjectAlternativeName(names), False))
        # etcd's gateway connects to itself with its serving certificate.
        usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    extensions.append((x509.ExtendedKeyUsage(usages), False))
    certificate = _build(
        subject=_name(common_name, organisation), issuer=issuer_name, key=key, signer=signer, extensions=extensions
    )
    _write_key(pki.key(name), key)
    pki.certificate(name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _build(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _name(common_name: str, organisation: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(attributes)


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    paths.write_secret(path, text.decode())
