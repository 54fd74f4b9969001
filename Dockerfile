# PostgreSQL with tarx_keys, preloaded and created in the first database.
#
#   docker build -t tarx_keys .
#   docker run -e POSTGRES_PASSWORD=... -v /path/master.key:/run/secrets/tarx_keys_master_key:ro tarx_keys
#
# The master key is a file of 64 hexadecimal digits (openssl rand -hex 32) that
# belongs to the image's user postgres (999) with mode 0600. Keep a copy of it.
ARG PG_MAJOR=17

FROM postgres:${PG_MAJOR}-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev libsodium-dev make \
      postgresql-server-dev-${PG_MAJOR}
COPY . /src
RUN make -C /src with_llvm=no all \
 && make -C /src with_llvm=no install DESTDIR=/staged

FROM postgres:${PG_MAJOR}-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libsodium23 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /staged/ /
RUN echo 'CREATE EXTENSION tarx_keys;' > /docker-entrypoint-initdb.d/tarx_keys.sql
CMD ["postgres", \
     "-c", "shared_preload_libraries=tarx_keys", \
     "-c", "tarx_keys.master_key_file=/run/secrets/tarx_keys_master_key"]
