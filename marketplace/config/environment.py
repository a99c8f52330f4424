"""Every setting an installation can make, read once from the environment.

Each field's description is its documentation: docs/operations/settings.md is generated from here and a test compares them.
"""

from typing import Literal
from uuid import UUID

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(BaseSettings):
    """Variables beginning with ONDOL_; unknown ones are ignored, missing required ones stop the process with their names."""

    model_config = SettingsConfigDict(env_prefix="ONDOL_", extra="ignore")

    environment: Literal["local", "test", "production"] = Field(
        default="local", description="Which settings module's checks apply; production refuses weak values."
    )
    face: Literal["web", "console"] = Field(
        default="web", description="Which face a web process serves: the portal and API, or the operator's console."
    )
    database_url: str = Field(
        description="PostgreSQL 15+ as postgresql://user:password@host:port/name; the login decides which role a process may take."
    )
    database_pool_max: int = Field(
        default=8,
        ge=1,
        le=100,
        description="Most database connections of one web process; more requests wait up to 2 s.",
    )
    broker_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="Valkey or Redis for Celery and wake-ups; losing it loses seconds, never work.",
    )
    secret_key: str = Field(description="Django's signing key: random characters.", min_length=50)
    encryption_keys: str = Field(
        description="Keys for stored credentials as id:base64 of 32 bytes, comma separated; the first writes, all read."
    )
    api_key_pepper: str = Field(
        description="Secret that API keys are hashed with (HMAC-SHA-256); changing it invalidates every key.",
        min_length=32,
    )
    installation_id: UUID = Field(
        description="Identity of this Ondol; written into every cluster it claims and on every object it makes there."
    )
    kube_allowed_networks: str = Field(
        default="",
        description="CIDR networks, comma separated, in which a cluster's API server may lie; empty refuses all.",
    )
    allowed_hosts: str = Field(
        default="127.0.0.1,localhost", description="Host names this process answers to, comma separated."
    )
    base_url: str = Field(
        default="http://127.0.0.1:8000", description="Address of the portal as customers see it; used in links."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="Log lines as JSON, or for a person to read."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe log line written."
    )
    topology_label: str = Field(
        default="nvidia.com/gpu.clique",
        description="Node label whose value names the group of nodes that a fast fabric joins; gangs stay within one group.",
    )
    cluster_silence_s: int = Field(
        default=30,
        ge=5,
        description="Seconds after which a cluster that has not answered is silent and its stock is not sold.",
    )
    unschedulable_s: int = Field(
        default=30,
        ge=1,
        description="Seconds a pod may stay unschedulable before it is deleted and the instance queued again.",
    )
    attempts_max: int = Field(
        default=3,
        ge=1,
        description="Placements of one instance after which an interruption is final and not queued again.",
    )
    fair_share_half_life_s: int = Field(
        default=604_800,
        ge=60,
        description="Seconds after which what a tenant used counts half as much for its place in the queue.",
    )
    quota_second_person_units: int = Field(
        default=32,
        ge=1,
        description="A quota raised by so many devices or instances at once needs the approval of a second operator.",
    )
    quota_second_person_gib: int = Field(
        default=51_200,
        ge=1,
        description="A quota raised by so many GiB of storage at once needs the approval of a second operator.",
    )
    top_up_second_person_from_won: int = Field(
        default=10_000_000,
        ge=1,
        description="Payments of so many won, VAT included, become credit only once a second operator has agreed.",
    )
    document_fonts: str = Field(
        default="",
        description="Directory with Pretendard's OTF or TTF files for PDF documents; empty = where `make assets` puts them.",
    )


def read_environment() -> Environment:
    """Read and check the environment.

    Raises:
        pydantic.ValidationError: Names every variable that is missing or wrong.
    """
    return Environment()
