# The program, its production dependencies and Node.js: no shell, no npm, nothing to write to.
#
#   docker build -t pg-entra-proxy .
#
# Nothing here is compiled for one kind of processor. So all stages but the last run on the builder's own,
# and `docker buildx build --platform linux/amd64,linux/arm64 .` emulates nothing. (Builders without BuildKit,
# such as `az acr build`, do not say what they are.)
# What the image does by itself is in docs/image.md.

FROM --platform=${BUILDPLATFORM:-linux/amd64} docker.io/library/node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No package's install script is needed, so none runs.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# What the image holds is what the npm package holds. The distroless image has no env(1) for its first line.
RUN npm pack --pack-destination /tmp \
 && mkdir -p /out/app /out/usr/local/bin \
 && tar -xzf /tmp/pg-entra-proxy-*.tgz -C /out/app --strip-components=1 \
 && sed -i '1s,^#!.*,#!/nodejs/bin/node,' /out/app/dist/main.js \
 && chmod 755 /out/app/dist/main.js \
 && ln -s /app/dist/main.js /usr/local/bin/pg-entra-proxy \
 && cp -P /usr/local/bin/pg-entra-proxy /out/usr/local/bin/

FROM --platform=${BUILDPLATFORM:-linux/amd64} docker.io/library/node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# More than half of it is what Node.js never loads: source maps, types, and the same again for browsers.
RUN find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.[cm]ts' \) -delete \
 && find node_modules -type d \( -path '*/dist/browser' -o -path '*/dist/react-native' -o -path '*/build/esm' -o -path '*/build/esnext' -o -name test -o -name tests \) -prune -exec rm -rf {} + \
 && rm -rf node_modules/@azure/msal-browser node_modules/zod/src node_modules/.bin node_modules/.package-lock.json \
 && find node_modules -type d -empty -delete

# For docker/compose.yml: what stands in for Azure there. It has everything that a clone has.
FROM build AS demo
ENTRYPOINT ["node"]

FROM gcr.io/distroless/nodejs24-debian13:nonroot
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="pg-entra-proxy" \
      org.opencontainers.image.description="A local PostgreSQL endpoint that logs in to Azure Database for PostgreSQL with a Microsoft Entra identity" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.base.name="gcr.io/distroless/nodejs24-debian13:nonroot"
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules /app/node_modules
COPY --from=build /out /
USER 65532:65532
# Of the proxy that runs here, however it was told what to do.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/nodejs/bin/node", "/app/dist/commands/health-check.js"]
ENTRYPOINT ["/usr/local/bin/pg-entra-proxy"]
