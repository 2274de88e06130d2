FROM rust:1.95-bookworm AS build
WORKDIR /build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The dependencies first, in a layer of their own: it is built again only when Cargo.toml or Cargo.lock changes. Stand-ins
# are enough for that; the benches are named in Cargo.toml, so cargo wants their files to be there.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src loadtest \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && sed -n 's/^path = "\(loadtest\/.*\.rs\)"$/\1/p' Cargo.toml | xargs touch \
    && cargo build --release --locked \
    && rm -rf src loadtest
COPY src src
COPY migrations migrations
COPY loadtest loadtest
# cargo goes by the files' dates, and the real ones may be older than the stand-ins.
RUN touch src/lib.rs src/main.rs \
    && cargo build --release --locked --bin linkledger \
    && strip target/release/linkledger

FROM debian:bookworm-slim
# Everything it keeps lies in /data. The journals want a local disk: mount a volume there, one for each container.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin linkledger \
    && install --directory --owner=linkledger --group=linkledger --mode=700 /data
COPY --from=build /build/target/release/linkledger /usr/local/bin/linkledger
ENV LINKLEDGER_DATA_DIR=/data \
    LINKLEDGER_REDIRECT_ADDR=0.0.0.0:8080 \
    LINKLEDGER_API_ADDR=0.0.0.0:8081 \
    LINKLEDGER_METRICS_ADDR=0.0.0.0:9464
USER 10001:10001
VOLUME /data
# Visitors, API, metrics and probes.
EXPOSE 8080 8081 9464
# The image holds no HTTP client; bash can ask as well.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
# SIGTERM drains; give it the time: docker stop --time 60.
STOPSIGNAL SIGTERM
ENTRYPOINT ["linkledger"]
