# caddy:2 from Debian's Caddy 2. wget is there because the official image has busybox's.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y ca-certificates caddy mailcap wget \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /config/caddy /data/caddy /srv
COPY Caddyfile /etc/caddy/Caddyfile
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
VOLUME /config
VOLUME /data
WORKDIR /srv
EXPOSE 80 443 443/udp 2019
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
