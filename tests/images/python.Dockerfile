# python:3.11-slim from Debian's Python 3.11. pip reaches no index where this image is needed, so it brings what the
# example applications require; `pip install -r requirements.txt` then finds every requirement satisfied.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y ca-certificates python3 python3-pip \
      alembic python3-fastapi python3-psycopg2 python3-redis python3-sqlalchemy uvicorn \
 && rm -rf /var/lib/apt/lists/* \
 && rm /usr/lib/python3.11/EXTERNALLY-MANAGED \
 && ln -s /usr/bin/python3 /usr/local/bin/python3 \
 && ln -s /usr/bin/python3 /usr/local/bin/python \
 && ln -s /usr/bin/pip3 /usr/local/bin/pip
# pip must take Debian's packages for what they are: its psycopg2 is what the wheel psycopg2-binary contains, and its
# FastAPI is built against a newer Starlette than upstream's metadata allows.
RUN set -e; \
    cd /usr/lib/python3/dist-packages; \
    version=$(python -c 'import psycopg2; print(psycopg2.__version__.split()[0])'); \
    mkdir "psycopg2_binary-$version.dist-info"; \
    printf 'Metadata-Version: 2.1\nName: psycopg2-binary\nVersion: %s\n' "$version" \
      >"psycopg2_binary-$version.dist-info/METADATA"; \
    echo debian >"psycopg2_binary-$version.dist-info/INSTALLER"; \
    sed -i 's/^Requires-Dist: starlette.*/Requires-Dist: starlette/' fastapi-*.dist-info/METADATA; \
    pip check; \
    pip install --no-index alembic fastapi psycopg2-binary redis sqlalchemy uvicorn >/dev/null
ENV LANG=C.UTF-8 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
CMD ["python3"]
