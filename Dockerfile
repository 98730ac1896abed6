# Builds the executable, and an image with little but that in it.

FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json bun.lock bunfig.toml ./
# The version of bun that package.json names builds the executable and becomes part of it.
RUN npm install --global --allow-scripts=bun "bun@$(node -p "require('./package.json').dependencies.bun")" \
 && bun install --frozen-lockfile
COPY tsconfig.json ./
COPY src src
COPY views views
COPY public public
COPY test/support test/support
RUN bun run build

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin skeleton \
 && mkdir /data /plugins \
 && chown skeleton: /data
COPY --from=build /build/dist/skeleton /usr/local/bin/skeleton
# Without the last one, bun keeps the 257th model request waiting until another one ends.
ENV DATA_PATH=/data PLUGINS_PATH=/plugins BUN_CONFIG_MAX_HTTP_REQUESTS=20000
WORKDIR /data
USER skeleton
VOLUME ["/data", "/plugins"]
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["skeleton", "health"]
# Process 1 has to ask how its children ended, those that tools leave behind too, or each stays as a zombie. `-s`: also when
# `init: true` has put another one before it.
ENTRYPOINT ["tini", "-s", "--", "skeleton"]
