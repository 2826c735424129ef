# The service and everything it needs to run, nothing else: no compiler, no uv, no embedded servers, no tests.
# One image for all: the worker, the dashboard and the migrations differ in their command (docker-compose.yml).

FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY deploy/uv.txt ./
RUN pip install --no-cache-dir --require-hashes -r uv.txt
ENV UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/app
# First what changes seldom: each package as uv.lock has it, checked against its hash.
COPY pyproject.toml uv.lock ./
COPY barback/pyproject.toml barback/
COPY cafes/pyproject.toml cafes/
RUN uv sync --locked --no-dev --no-install-workspace --package cafes --extra dashboard
COPY barback/README.md barback/
COPY barback/src barback/src
COPY cafes/README.md cafes/
COPY cafes/src cafes/src
RUN uv sync --locked --no-dev --no-editable --package cafes --extra dashboard

FROM python:3.13-slim-bookworm
# A user that owns nothing: the root file system may be read-only, and is in docker-compose.yml.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin barback
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BARBACK_APP=cafes.app:app
WORKDIR /srv
USER 10001:10001
# No shell between: SIGTERM reaches the worker, which drains.
STOPSIGNAL SIGTERM
CMD ["barback", "work"]
