-- Adding, listing, resolving and deleting LLM keys.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_llm_key(:'A', 'anthropic', 'Claude', 'sk-ant-api03-abcdefghijklmnopqrstuvwxyz-WXYZ') AS claude \gset
SELECT tarx_keys.add_llm_key(project_id => :'A', provider => 'azure_ai_foundry', name => 'Azure', key_value => '0123456789abcdef0123456789abcdef',
                             base_url => 'HTTPS://Demo.OpenAI.Azure.com:443/') AS azure \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai_compatible', 'Groq', 'gsk_abcdefghijklmnopqrstuvwxyz0123456789', 'https://api.groq.com/openai/v1') AS groq \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'short', 'sk-1234') AS short \gset
SELECT tarx_keys.add_llm_key(:'A', 'google_ai', 'ключ 🔑', 'not-a-real-key-0123456789abcdef') AS cyrillic \gset
COMMIT;

-- every member sees the list, masked
\pset tuples_only off
BEGIN;
SELECT tarx_keys.act_as('bob', :'A');
SELECT name, provider, provider_label, masked_key, base_url, added_by, agent_count, created_at <= now() AS dated
  FROM tarx_keys.llm_keys WHERE project_id = :'A' ORDER BY name;
SELECT count(*) FROM tarx_keys.project_llm_keys;
COMMIT;
\pset tuples_only on
-- others do not
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT count(*) FROM tarx_keys.llm_keys; COMMIT;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT count(*) FROM tarx_keys.llm_keys; COMMIT;
-- a client without these characters gets them in ASCII
SET client_encoding = 'LATIN1';
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT masked_key FROM tarx_keys.llm_keys WHERE name IN ('Claude', 'short') ORDER BY name; COMMIT;
RESET client_encoding;

-- the runner gets the value
SET ROLE regress_agent;
\pset tuples_only off
SELECT key_id = :'claude' AS same_id, provider, name, base_url, key_value FROM tarx_keys.resolve_key(:'A', :'claude');
SELECT key_id = :'azure' AS same_id, provider, name, base_url, key_value FROM tarx_keys.resolve_key(project_id => :'A', key_id => :'azure');
\pset tuples_only on
SELECT base_url, key_value FROM tarx_keys.resolve_key(:'A', :'groq');
SELECT base_url, key_value FROM tarx_keys.resolve_key(:'A', :'short');
SELECT name, key_value FROM tarx_keys.resolve_key(:'A', :'cyrillic');
SELECT key_value FROM tarx_keys.resolve_key(:'A', :'short'), tarx_keys.resolve_key(:'A', :'groq') AS g (i, p, n, b, v);
-- another project's key and no key look the same
SELECT * FROM tarx_keys.resolve_key(:'A', :'nowhere');
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.resolve_key(:'B', :'claude');
SELECT * FROM tarx_keys.resolve_key(:'nowhere', :'claude');
\set VERBOSITY default
-- NULL is an error, not a NULL
SELECT * FROM tarx_keys.resolve_key(NULL, :'claude');
SELECT * FROM tarx_keys.resolve_key(:'A', NULL);
-- in a read-only transaction, too
BEGIN READ ONLY; SELECT name FROM tarx_keys.resolve_key(:'A', :'claude'); COMMIT;
-- a login with both roles, in another project
RESET ROLE;
GRANT tarx_keys_agent TO regress_backend;
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('bob', :'A'); SELECT name FROM tarx_keys.resolve_key(:'A', :'claude'); COMMIT;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT name FROM tarx_keys.resolve_key(:'A', :'claude'); COMMIT;
RESET ROLE;
REVOKE tarx_keys_agent FROM regress_backend;

-- who may add: admins of that project
SET ROLE regress_backend;
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'x', 'abcdefgh');
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'x', 'abcdefgh'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'x', 'abcdefgh'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.add_llm_key(:'nowhere', 'mistral', 'x', 'abcdefgh'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('bob', :'B'); SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'x', 'abcdefgh'); ROLLBACK;
SET ROLE regress_agent;
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'x', 'abcdefgh');
SELECT tarx_keys.delete_llm_key(:'A', :'claude');
SELECT * FROM tarx_keys.llm_keys;
SELECT name FROM tarx_keys.project_llm_keys;
SET ROLE regress_nobody;
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'x', 'abcdefgh');
SELECT * FROM tarx_keys.resolve_key(:'A', :'claude');
SELECT * FROM tarx_keys.llm_keys;
SET ROLE regress_backend;
SELECT * FROM tarx_keys.resolve_key(:'A', :'claude');
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT ciphertext FROM tarx_keys.project_llm_keys; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT deleted_by FROM tarx_keys.project_llm_keys; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); UPDATE tarx_keys.project_llm_keys SET name = 'x'; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); DELETE FROM tarx_keys.project_llm_keys; ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); DELETE FROM tarx_keys.llm_keys; ROLLBACK;

-- what is refused, without a word of the value
\set VERBOSITY default
CREATE TEMP TABLE refusals (n serial, project_id uuid, provider text, name text, key_value text, base_url text);
INSERT INTO refusals (project_id, provider, name, key_value, base_url) VALUES
    (NULL, 'mistral', 'x', 'abcdefgh', NULL),
    (:'A', NULL, 'x', 'abcdefgh', NULL),
    (:'A', 'mistral', NULL, 'abcdefgh', NULL),
    (:'A', 'mistral', 'x', NULL, NULL),
    (:'A', 'Mistral', 'x', 'abcdefgh', NULL),
    (:'A', 'mistral', 'x', 'abc', NULL),
    (:'A', 'mistral', 'x', repeat('a', 8193), NULL),
    (:'A', 'mistral', 'x', ' abcdefgh', NULL),
    (:'A', 'mistral', 'x', E'abcdefgh\n', NULL),
    (:'A', 'mistral', 'x', E'abcdefgh\u00a0', NULL),
    (:'A', 'mistral', 'x', E'abcd\refgh', NULL),
    (:'A', 'mistral', 'x', E'abcd\u0085efgh', NULL),
    (:'A', 'mistral', 'x', 'ab…wxyz', NULL),
    (:'A', 'mistral', 'x', 'ab...wxyz', NULL),
    (:'A', 'openai', 'x', 'sk-proj-abc…wxyz', NULL),
    (:'A', 'openai', 'x', 'sk-proj-abc...wxyz', NULL),
    (:'A', 'openai', 'x', 'sk-••••••••', NULL),
    (:'A', 'openai', 'x', 'sk-********', NULL),
    (:'A', 'mistral', 'x', 'sk-proj-abc...wxyz', NULL),
    (:'A', 'mistral', 'x', E'abcd\u202eefgh', NULL),
    (:'A', 'mistral', '', 'abcdefgh', NULL),
    (:'A', 'mistral', repeat('x', 101), 'abcdefgh', NULL),
    (:'A', 'mistral', 'x ', 'abcdefgh', NULL),
    (:'A', 'mistral', E'x\ty', 'abcdefgh', NULL),
    (:'A', 'mistral', E'x\u202ey', 'abcdefgh', NULL),
    (:'A', 'mistral', E'x\u2066y', 'abcdefgh', NULL),
    (:'A', 'mistral', E'Claude\u00ad', 'abcdefgh', NULL),
    (:'A', 'mistral', 'Claude', 'abcdefgh', NULL),
    (:'A', 'google_ai', 'x', 'abcdefgh', 'https://generativelanguage.googleapis.com'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', NULL),
    (:'A', 'azure_ai_foundry', 'x', 'abcdefgh', NULL),
    (:'A', 'azure_ai_foundry', 'x', 'abcdefgh', 'https://openai.azure.com.example.com/'),
    (:'A', 'azure_ai_foundry', 'x', 'abcdefgh', 'https://.openai.azure.com/'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', ''),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'http://api.example.com/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://user:pass@api.example.com/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://api.example.com/v1?key=1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://api.example.com/v1#f'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://bücher.example/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', E'https://api.example.com/\nv1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://api.example.com/' || repeat('a', 2025)),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://localhost/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://127.0.0.1/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://2130706433/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://0177.0.0.1/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://0x7f.1/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://10.0.0.1/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://192.168.1.1/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://169.254.169.254/latest'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://[::1]/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://[::ffff:169.254.169.254]/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://[fe80::1]/v1'),
    (:'A', 'openai_compatible', 'x', 'abcdefgh', 'https://metadata.google.internal/v1');
DO $$
DECLARE
    r record;
    message text;
    detail text;
    hint text;
    before bigint;
BEGIN
    PERFORM tarx_keys.act_as('alice');
    SELECT count(*) INTO before FROM tarx_keys.llm_keys;
    FOR r IN SELECT * FROM refusals ORDER BY n LOOP
        BEGIN
            PERFORM tarx_keys.add_llm_key(r.project_id, r.provider, r.name, r.key_value, r.base_url);
            RAISE NOTICE '%: accepted', r.n;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE NOTICE '%: % %', r.n, SQLSTATE, message;
            IF concat(message, detail, hint) ~ 'abcd|wxyz|efgh|pass@|aaaa' THEN
                RAISE WARNING '%: says too much', r.n;
            END IF;
            IF hint = '' THEN
                RAISE WARNING '%: does not say what to do', r.n;
            END IF;
        END;
    END LOOP;
    IF before <> (SELECT count(*) FROM tarx_keys.llm_keys) THEN
        RAISE WARNING 'something was written';
    END IF;
END $$;
DROP TABLE refusals;
-- hints that tell more
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_llm_key(:'A', 'sk-secret', 'x', 'abcdefgh'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_llm_key(:'A', 'azure_ai_foundry', 'x', 'abcdefgh', 'https://api.example.com/'); ROLLBACK;

-- limits that are just kept
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'mistral', repeat('ñ', 100), 'abcd') IS NOT NULL;
SELECT tarx_keys.add_llm_key(:'A', 'mistral', 'long', repeat('a', 8188) || 'wxyz') AS long \gset
SELECT masked_key FROM tarx_keys.llm_keys WHERE name = 'long';
RESET ROLE;
SELECT length(key_value) FROM tarx_keys.resolve_key(:'A', :'long');
ROLLBACK;

-- names are unique in a project, not beyond it
SET ROLE regress_backend;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.add_llm_key(:'B', 'mistral', 'Claude', 'abcdefgh') IS NOT NULL; ROLLBACK;

-- admins delete; the name is free again
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_llm_key(:'A', :'claude'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.delete_llm_key(:'A', :'claude'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.delete_llm_key(:'B', :'claude'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', :'nowhere'); ROLLBACK;
SELECT tarx_keys.delete_llm_key(:'A', :'claude');
\set VERBOSITY terse
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(NULL, :'claude'); ROLLBACK;
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', NULL); ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.delete_llm_key(project_id => :'A', key_id => :'claude');
SELECT count(*) FROM tarx_keys.llm_keys WHERE name = 'Claude';
SELECT tarx_keys.add_llm_key(:'A', 'anthropic', 'Claude', 'sk-ant-api03-abcdefghijklmnopqrstuvwxyz-WXYZ') <> :'claude';
COMMIT;
\set VERBOSITY sqlstate
BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key(:'A', :'claude'); ROLLBACK;
SET ROLE regress_agent;
SELECT * FROM tarx_keys.resolve_key(:'A', :'claude');
SELECT * FROM tarx_keys.resolve_key(:'B', :'claude');
\set VERBOSITY default
RESET ROLE;
-- its row stays, without value and mask
SELECT state, provider, name, masked_key IS NULL, ciphertext IS NULL, deleted_by, deleted_at IS NOT NULL, revision FROM tarx_keys.project_llm_keys WHERE project_id = :'A' AND id = :'claude';
-- the values are not in the table; nor are two ciphertexts alike
SELECT count(*) FROM tarx_keys.project_llm_keys k WHERE k::text ~ 'abcdefghij|0123456789';
SELECT count(DISTINCT substring(ciphertext FROM 10 FOR 24)) = count(ciphertext) FROM tarx_keys.project_llm_keys;

-- clean up
\set ECHO none
\i :clean_up
