-- Values that travel sealed. That what comes out opens is for
-- test/t/140_sealed_examples.pl.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set boxes :include /sealed_boxes.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :boxes
\set ECHO all
\set ON_ERROR_ROLLBACK on

-- the public key of the active master key, for backends
SET ROLE regress_backend;
SELECT * FROM tarx_keys.sealing_public_key();
SET ROLE regress_login;
SELECT key_id FROM tarx_keys.sealing_public_key();
SET ROLE regress_agent;
SELECT * FROM tarx_keys.sealing_public_key();
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.sealing_public_key();

-- an admin adds keys and sets a secret by boxes; one is to the retired master key
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key') AS boxed \gset
SELECT tarx_keys.add_sealed_llm_key(project_id => :'A', provider => 'openai', name => 'Retired', sealed => :'key_retired', base_url => NULL) AS retired \gset
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'With URL', :'key_url', 'https://LLM.example/v1') AS url \gset
SELECT name, provider, masked_key, base_url, added_by FROM tarx_keys.llm_keys ORDER BY name;
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret', 'of two lines');
SELECT tarx_keys.set_sealed_secret(project_id => :'A', name => 'BOXED', sealed => :'secret');
SELECT name, version, description, updated_by FROM tarx_keys.secrets;
SELECT tarx_keys.create_agent(:'A', 'Helper', :'boxed') AS agent \gset
COMMIT;

-- a box is bound to the arguments as they are passed, not as they are stored
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', E'Caf\u00e9', :'key_decomposed');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', E'Cafe\u0301', :'key_decomposed') IS NOT NULL;
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'Call', :'key_call', 'https://llm.example/v1');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'Call', :'key_call', 'https://LLM.example/v1/chat/completions') IS NOT NULL;
SELECT name = E'Caf\u00e9' AS composed, base_url FROM tarx_keys.llm_keys WHERE name !~ '^(Boxed|Retired|With URL)$' ORDER BY name;
ROLLBACK;

-- a box can be sent again until it expires: the same name is taken
BEGIN;
SELECT tarx_keys.act_as('alice', :'A');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key');
COMMIT;

-- the values are those that were sealed
SET ROLE regress_agent;
SELECT provider, name, base_url, key_value FROM tarx_keys.resolve_key(:'A', :'boxed');
SELECT key_value FROM tarx_keys.resolve_key(:'A', :'retired');
SELECT base_url, key_value FROM tarx_keys.resolve_key(:'A', :'url');
SELECT tarx_keys.resolve_secret(:'A', 'BOXED');

-- who acts, and for what, is looked at before the box is
SET ROLE regress_backend;
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', 'nonsense');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', 'nonsense');
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', 'nonsense');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', 'nonsense');
SELECT tarx_keys.add_sealed_llm_key(:'nowhere', 'openai', 'Boxed', 'nonsense');
COMMIT;
SET ROLE regress_login;
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret');
SET ROLE regress_agent;
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret');

-- one error for a box for another project, provider, name, base URL or purpose
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.add_sealed_llm_key(:'B', 'openai', 'Boxed', :'key');
\set VERBOSITY sqlstate
SELECT tarx_keys.set_sealed_secret(:'B', 'BOXED', :'secret');
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'mistral', 'Boxed', :'key');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'boxed', :'key');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key', '');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key', 'https://llm.example/v1');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_empty_url');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'With URL', :'key_url', 'https://llm.example/v1');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'With URL', :'key_url');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'secret');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'openai', :'secret_openai');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED2', :'secret');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'key');
SELECT tarx_keys.set_sealed_secret(:'A', 'openai', :'key');
-- that has expired
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_expired');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret_expired');
-- that would live for more than a day
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_too_late');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_milliseconds');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret_too_late');
-- to another server
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_foreign');
-- that is none, or no more
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', '');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', 'nonsense');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', decode(repeat('00', 48), 'hex'));
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', decode(repeat('00', 1000000), 'hex'));
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key'::bytea || '\x00');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', set_byte(:'key', 60, get_byte(:'key', 60) # 1));
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', '');
-- or is for a name so long that nothing is bound to it
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', repeat('n', 10000), :'key');
COMMIT;
\set VERBOSITY default

-- cut anywhere, it is always that error
CREATE FUNCTION pg_temp.states(box bytea) RETURNS TABLE (state text, count bigint) LANGUAGE plpgsql AS $$
DECLARE
    states text[];
    message text;
    hint text;
BEGIN
    FOR len IN 0 .. length(box) - 1 LOOP
        BEGIN
            PERFORM tarx_keys.add_sealed_llm_key('aaaaaaaa-0000-4000-8000-000000000001', 'openai', 'Boxed', substring(box FOR len));
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            states := states || (SQLSTATE || ' ' || message || ' ' || hint);
        END;
    END LOOP;
    RETURN QUERY SELECT s, pg_catalog.count(*) FROM unnest(states) s GROUP BY 1;
END $$;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT left(state, 48), count = length(:'key'::bytea) FROM pg_temp.states(:'key');
COMMIT;
DROP FUNCTION pg_temp.states;

-- a box that opens is held to the rules for what is in it
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'nonesuch', 'Boxed', :'key_nonesuch');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_empty_url', '');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_short');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_empty');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_masked');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_lines');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key_bearer');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret_empty');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret_nul');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret_latin1');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', :'secret', E'\u202e');
SELECT tarx_keys.set_sealed_secret(:'A', '1', :'secret');
COMMIT;

-- In format 2 the destination and the options are in the box

BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol') IS NOT NULL;
SELECT base_url, destination, priority, allowed_models, header_names FROM tarx_keys.project_llm_keys WHERE name = 'Sol';
ROLLBACK;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_options') AS sol_id \gset
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'Luna', :'luna_typed', 'https://LLM.example/v1/chat/completions') AS luna_id \gset
SELECT name, base_url, destination, priority, allowed_models, header_names FROM tarx_keys.project_llm_keys WHERE id IN (:'sol_id', :'luna_id') ORDER BY name;
COMMIT;
SET ROLE regress_agent;
SELECT base_url, key_value, headers FROM tarx_keys.resolve_key(:'A', :'sol_id');
SET ROLE regress_backend;

-- the base URL that the user typed is a destination, and so is what becomes of it
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.delete_llm_key(:'A', :'sol_id'), tarx_keys.delete_llm_key(:'A', :'luna_id');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'Luna', :'luna_canonical', 'https://LLM.example/v1/chat/completions') AS luna_id \gset
SELECT tarx_keys.delete_llm_key(:'A', :'luna_id');
COMMIT;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'Luna', :'luna_neither', 'https://LLM.example/v1/chat/completions');
\set VERBOSITY sqlstate
-- any other is not
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_elsewhere');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_no_destination');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai_compatible', 'Luna', :'luna_typed', 'https://llm.example/v1');
-- nor may anything else differ
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Luna', :'sol');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'mistral', 'Sol', :'sol');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol', 'https://api.openai.com/v1');
SELECT tarx_keys.set_sealed_secret(:'A', 'openai', :'sol');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_expired');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_too_late');
\set VERBOSITY default
COMMIT;

-- when a provider's default is another one than the user saw, the key is not added
RESET ROLE;
BEGIN;
INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path) VALUES ('acme', 'Acme', 'https://one.acme.example/v1', '/models');
SELECT tarx_keys.act_as('alice');
SAVEPOINT s;
SELECT tarx_keys.add_sealed_llm_key(:'A', 'acme', 'Acme', :'acme') IS NOT NULL;
ROLLBACK TO s;
UPDATE tarx_keys.custom_providers SET default_base_url = 'https://two.acme.example/v1' WHERE slug = 'acme';
SELECT tarx_keys.add_sealed_llm_key(:'A', 'acme', 'Acme', :'acme');
ROLLBACK;

-- a replacement is sealed for the old key, and for where the new one goes
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'Old', :'value', options => '{"priority": 3}') AS old \gset
SELECT tarx_keys.add_llm_key(:'A', 'openai', 'Bystander', :'value') AS bystander \gset
\set replacement '\\x' `printf sk-proj-fresh-0123456789abcdef0123456789 | :'seal' replacement -e :soon -d :usual :active :project :old openai`
\set elsewhere '\\x' `printf sk-proj-fresh-0123456789abcdef0123456789 | :'seal' replacement -e :soon -d https://evil.example/v1 :active :project :old openai`
\set other_provider '\\x' `printf sk-proj-fresh-0123456789abcdef0123456789 | :'seal' replacement -e :soon -d :usual :active :project :old mistral`
\set renamed '\\x' `echo '{"name": "New", "priority": 9}' | { printf sk-proj-fresh-0123456789abcdef0123456789 | :'seal' replacement -e :soon -d :usual -o /dev/fd/3 :active :project :old openai; } 3<&0`
SAVEPOINT s;
SELECT tarx_keys.replace_sealed_llm_key(project_id => :'A', key_id => :'old', sealed => :'replacement') AS fresh \gset
SELECT k.name, k.priority, r.key_value FROM tarx_keys.llm_keys k, tarx_keys.resolve_key(:'A', :'fresh') r WHERE k.id = :'fresh';
ROLLBACK TO s;
SELECT tarx_keys.replace_sealed_llm_key(:'A', :'old', :'renamed') AS fresh \gset
SELECT k.name, k.priority FROM tarx_keys.llm_keys k WHERE k.id = :'fresh';
ROLLBACK TO s;
\set VERBOSITY sqlstate
SELECT tarx_keys.replace_sealed_llm_key(:'A', :'old', :'elsewhere');
SELECT tarx_keys.replace_sealed_llm_key(:'A', :'old', :'other_provider');
SELECT tarx_keys.replace_sealed_llm_key(:'A', :'bystander', :'replacement');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Old', :'replacement');
SELECT tarx_keys.replace_sealed_llm_key(:'A', :'old', :'sol');
SELECT tarx_keys.act_as('bob');
SELECT tarx_keys.replace_sealed_llm_key(:'A', :'old', :'sol');
\set VERBOSITY default
ROLLBACK;

-- options beside a box of either format are an error: anybody in between could add them
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol', NULL, '{}');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', :'key', options => '{"priority": 7}');
ROLLBACK;

-- no error tells anything of what is no JSON object
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_no_json');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_cut');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_nothing');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_array');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_text');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_null');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_surrogate');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_nul');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_latin1');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_number');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_deep');
-- an object is held to the rules for options
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_unknown');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_type');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_authorization');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Sol', :'sol_header');
COMMIT;

-- NULLs
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.add_sealed_llm_key(NULL, 'openai', 'Boxed', :'key');
SELECT tarx_keys.add_sealed_llm_key(:'A', NULL, 'Boxed', :'key');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', NULL, :'key');
SELECT tarx_keys.add_sealed_llm_key(:'A', 'openai', 'Boxed', NULL);
SELECT tarx_keys.set_sealed_secret(NULL, 'BOXED', :'secret');
SELECT tarx_keys.set_sealed_secret(:'A', NULL, :'secret');
SELECT tarx_keys.set_sealed_secret(:'A', 'BOXED', NULL);
COMMIT;

-- The runner gets boxes: another one each time, with all that a request needs.
-- Formats and ids have 33 bytes in front of the fields, which have 5 each, but one
-- without a scheme or headers.
\set recipient '\\x6d54d629b6d603301e29883b19fb0d79495b1d5175f7d3c6d4c67e9bfde49100'
SET ROLE regress_agent;
SELECT key_id = :'boxed', provider, name, base_url, length(sealed) - 48 - 33 - (5 + 16) - (5 + 6) - (5 + 25) - (5 + 13) - (5 + 6) - (5 + length('sk-proj-boxed-0123456789abcdef0123456789')) - 1 AS rest FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', :'recipient');
SELECT key_id = :'boxed', provider, name, base_url, length(sealed) FROM tarx_keys.resolve_agent_key_sealed(project_id => :'A', agent_id => :'agent', recipient_public_key => :'recipient');
SELECT base_url, length(sealed) FROM tarx_keys.resolve_key_sealed(:'A', :'url', :'recipient');
SELECT name, length(sealed) - 48 - 33 - (5 + 5) - 4 - (5 + length(E'first line\nsecond line')) - 1 AS rest FROM tarx_keys.resolve_secrets_sealed(:'A', ARRAY['BOXED', 'BOXED'], :'recipient');
SELECT name FROM tarx_keys.resolve_secrets_sealed(:'A', recipient_public_key => :'recipient');
SELECT count(*) FROM tarx_keys.resolve_secrets_sealed(:'B', recipient_public_key => :'recipient');
SELECT count(DISTINCT sealed) FROM generate_series(1, 3) i, LATERAL tarx_keys.resolve_key_sealed(:'A', CASE WHEN i > 0 THEN :'boxed'::uuid END, :'recipient');

-- the errors of the calls in clear
\set VERBOSITY sqlstate
SELECT * FROM tarx_keys.resolve_key_sealed(:'B', :'boxed', :'recipient');
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'B', :'agent', :'recipient');
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A', '{NONE,OTHER}', :'recipient');
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A', '{a-b}', :'recipient');

\set VERBOSITY default
-- no public key, and keys of low order, whose boxes anybody could open
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', '');
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', substring(:'recipient'::bytea FOR 31));
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', :'recipient'::bytea || '\x00');
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', decode(repeat('00', 32), 'hex'));
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'A', :'agent', decode('01' || repeat('00', 31), 'hex'));
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A', NULL, decode('ec' || repeat('ff', 30) || '7f', 'hex'));
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'B', '{}', 'nonsense');

-- NULLs
SELECT * FROM tarx_keys.resolve_key_sealed(NULL, :'boxed', :'recipient');
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', NULL, :'recipient');
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', NULL);
SELECT * FROM tarx_keys.resolve_agent_key_sealed(NULL, :'agent', :'recipient');
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'A', NULL, :'recipient');
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'A', :'agent', NULL);
SELECT * FROM tarx_keys.resolve_secrets_sealed(NULL, NULL, :'recipient');
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A');

-- nobody else resolves
SET ROLE regress_backend;
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', :'recipient');
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'A', :'agent', :'recipient');
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A', NULL, :'recipient');
SET ROLE regress_login;
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', :'recipient');
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'A', :'agent', :'recipient');
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A', NULL, :'recipient');

-- sealed uses count, and what is refused
SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT k.name, u.uses, u.refused FROM tarx_keys.key_usage u JOIN tarx_keys.llm_keys k ON k.id = u.key_id ORDER BY 1;
SELECT tarx_keys.delete_llm_key(:'A', :'boxed');
COMMIT;
\set VERBOSITY sqlstate
SET ROLE regress_agent;
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'boxed', :'recipient');
SELECT * FROM tarx_keys.resolve_agent_key_sealed(:'A', :'agent', :'recipient');

-- a row that was changed does not resolve sealed either
RESET ROLE;
UPDATE tarx_keys.project_llm_keys SET name = 'Other' WHERE id = :'url';
UPDATE tarx_keys.project_secrets SET version = 7;
SET ROLE regress_agent;
SELECT * FROM tarx_keys.resolve_key_sealed(:'A', :'url', :'recipient');
SELECT * FROM tarx_keys.resolve_secrets_sealed(:'A', NULL, :'recipient');

\set ECHO none
\i :clean_up
