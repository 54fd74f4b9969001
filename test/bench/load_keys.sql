-- Keys first to last, sealed and in clear; several sessions do this at once.
\set ON_ERROR_STOP on
SET session_replication_role = replica;
INSERT INTO tarx_keys.project_llm_keys
    (project_id, id, provider, name, base_url, destination, masked_key, added_by, ciphertext)
SELECT k.project_id, k.id, t.provider, k.name, t.base_url, t.destination, t.masked_key, t.added_by,
       bench.seal(decode(:'master_key', 'hex'), k.project_id, k.id, t.provider, k.name, t.base_url,
                  t.destination, t.masked_key, t.added_by, bench.key_value(k.n))
  FROM (SELECT n, bench.uuid_of(0, n / 10) AS project_id, bench.uuid_of(1, n) AS id, 'key ' || n % 10 AS name
          FROM generate_series(:first::bigint, :last::bigint) n) k,
       bench.pattern t;
INSERT INTO bench.plain_keys
    (project_id, id, provider, name, base_url, destination, masked_key, added_by, key_value)
SELECT bench.uuid_of(0, n / 10), bench.uuid_of(1, n), t.provider, 'key ' || n % 10, t.base_url,
       t.destination, t.masked_key, t.added_by, bench.key_value(n)
  FROM generate_series(:first::bigint, :last::bigint) n, bench.pattern t;
