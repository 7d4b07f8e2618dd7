# redis:7 from Debian's Redis 7.
FROM debian:bookworm-slim
RUN groupadd -r -g 999 redis \
 && useradd -r -g redis -u 999 redis \
 && apt-get update \
 && apt-get install -y redis-server \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o redis -g redis /data
COPY redis-entrypoint /usr/local/bin/docker-entrypoint.sh
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]
