# One image for every process; the command says which (docker-compose.yml, docs/operations/running.md).
# Build: docker build -t ondol .        Needs: a registry with python, node and uv images; nothing is fetched at run time.

FROM node:24-slim AS assets
WORKDIR /src/marketplace/portal/assets
COPY marketplace/portal/assets/package.json marketplace/portal/assets/package-lock.json ./
RUN npm ci --no-audit --no-fund
WORKDIR /src
# Templates too: only the styles that they use are kept.
COPY templates ./templates
COPY marketplace/portal ./marketplace/portal
RUN cd marketplace/portal/assets && npm run build

FROM python:3.11-slim AS messages
RUN apt-get update && apt-get install --yes --no-install-recommends gettext && rm -rf /var/lib/apt/lists/*
COPY locale /src/locale
RUN find /src/locale -name '*.po' -exec sh -ec 'msgfmt --check-format --output-file="${1%.po}.mo" "$1"' sh {} ';'

FROM python:3.11-slim AS build
COPY --from=ghcr.io/astral-sh/uv:0.13 /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /opt/ondol
# The lock file carries a hash for every distribution; --frozen refuses to look for others.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project
COPY manage.py ./
COPY marketplace ./marketplace
COPY billing ./billing
COPY clusters ./clusters
COPY templates ./templates
COPY --from=messages /src/locale ./locale
COPY deploy/kubernetes/roles ./deploy/kubernetes/roles
COPY deploy/compose/probe.py ./deploy/compose/probe.py
COPY --from=assets /src/marketplace/portal/static ./marketplace/portal/static
# The Hangul font of PDF documents, where the settings look for it.
COPY --from=assets /src/marketplace/portal/assets/node_modules/pretendard/dist/public/static \
    ./marketplace/portal/assets/node_modules/pretendard/dist/public/static
# Static files are hashed and compressed once, here. The values below satisfy the settings module and are used for nothing else.
RUN DJANGO_SETTINGS_MODULE=marketplace.config.settings.production \
    ONDOL_DATABASE_URL=postgresql://nobody@127.0.0.1:1/none \
    ONDOL_SECRET_KEY=only-while-the-image-is-built-and-never-afterwards \
    ONDOL_ENCRYPTION_KEYS=build:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    ONDOL_API_KEY_PEPPER=only-while-the-image-is-built-and-never-afterwards \
    ONDOL_INSTALLATION_ID=00000000-0000-7000-8000-000000000000 \
    .venv/bin/python manage.py collectstatic --no-input --verbosity 0

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Ondol" \
      org.opencontainers.image.description="A self-hosted marketplace for sovereign AI compute" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 ondol \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ondol
# Owned by root and not writable by the process: a fault in it cannot change its own code. Only /tmp is written to.
COPY --from=build /opt/ondol /opt/ondol
WORKDIR /opt/ondol
ENV PATH=/opt/ondol/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=marketplace.config.settings.production \
    ONDOL_ENVIRONMENT=production \
    ONDOL_LOG_FORMAT=json
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "deploy/compose/probe.py", "8000"]
CMD ["granian", "--interface=wsgi", "--host=0.0.0.0", "--port=8000", "--workers=2", "--no-ws", "marketplace.config.wsgi:application"]
