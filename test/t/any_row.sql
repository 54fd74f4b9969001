-- For 065_any_row.pl: puts odd values into rows of sealed tables, and looks at
-- what everybody sees then.
--
-- A case is one odd value in one column of one row, the victim. It is put there
-- by a superuser, looked at, and rolled back. odd.run() returns what is wrong
-- with it, one line for each, and nothing if all is well.

CREATE SCHEMA odd;
GRANT USAGE ON SCHEMA odd TO PUBLIC;

-- The story

CREATE TABLE odd.ids (name text PRIMARY KEY, id uuid, token text);
CREATE FUNCTION odd.id(name text) RETURNS uuid LANGUAGE sql STABLE AS 'SELECT i.id FROM odd.ids i WHERE i.name = $1';
CREATE FUNCTION odd.token(name text) RETURNS text LANGUAGE sql STABLE AS 'SELECT i.token FROM odd.ids i WHERE i.name = $1';
INSERT INTO odd.ids VALUES ('P', 'aaaaaaaa-0000-4000-8000-000000000001'), ('Q', 'bbbbbbbb-0000-4000-8000-000000000002');
GRANT ALL ON odd.ids TO PUBLIC;

BEGIN;
SET LOCAL ROLE service;
DO $$
DECLARE
    p uuid := odd.id('P');
    q uuid := odd.id('Q');
    long_url text := 'https://long.example/v1/' || repeat('a', 1500);
BEGIN
    PERFORM tarx_keys.act_as('alice');
    PERFORM tarx_keys.create_project('P', p);
    PERFORM tarx_keys.create_project('Q', q);
    PERFORM tarx_keys.add_member(p, 'bob');
    PERFORM tarx_keys.add_member(p, 'victim');
    INSERT INTO odd.ids VALUES
        ('victim', tarx_keys.add_llm_key(p, 'openai_compatible', 'victim', 'value-of-victim-1234', 'https://victim.example/v1',
            '{"allowed_models": ["m-1", "m-2"], "headers": {"X-Gateway": "value-of-header", "X-Other": "value"},
              "expires_at": "2100-01-01T00:00:00Z", "rotate_after": "2099-01-01T00:00:00Z"}')),
        ('other', tarx_keys.add_llm_key(p, 'openai_compatible', 'other', 'value-of-other-12345', long_url)),
        ('plain', tarx_keys.add_llm_key(p, 'mistral', 'plain', 'value-of-plain-12345')),
        ('elsewhere', tarx_keys.add_llm_key(q, 'mistral', 'elsewhere', 'value-of-elsewhere'));
    INSERT INTO odd.ids VALUES
        ('victim agent', tarx_keys.create_agent(p, 'victim agent', odd.id('victim'))),
        ('other agent', tarx_keys.create_agent(p, 'other agent', odd.id('other')));
    INSERT INTO odd.ids (name, token)
        SELECT n || ' run', tarx_keys.issue_run_ticket(p, odd.id(n || ' agent'), '1 hour')
          FROM unnest('{victim,other}'::text[]) n;
    FOR i IN 1 .. 3 LOOP
        PERFORM tarx_keys.set_secret(p, 'VICTIM', 'value of VICTIM ' || i, 'a description');
        PERFORM tarx_keys.set_secret(p, 'OTHER', 'value of OTHER ' || i || repeat('.', 20000));
        PERFORM tarx_keys.set_secret(q, 'VICTIM', 'value of VICTIM of Q ' || i);
    END LOOP;
    INSERT INTO odd.ids SELECT CASE project_id WHEN p THEN 'VICTIM' ELSE 'VICTIM of Q' END, id FROM tarx_keys.secrets WHERE name = 'VICTIM';
    PERFORM tarx_keys.set_secret(p, 'PLAIN', 'value of PLAIN');
    INSERT INTO odd.ids SELECT 'victim token', k.* FROM tarx_keys.create_platform_key('victim', 'tomorrow', ARRAY[p], true) k;
    INSERT INTO odd.ids SELECT 'other token', k.* FROM tarx_keys.create_platform_key('other', 'infinity', ARRAY[p, q]) k;
    INSERT INTO odd.ids SELECT 'plain token', k.* FROM tarx_keys.create_platform_key('plain') k;
    INSERT INTO odd.ids SELECT 'revoked token', k.* FROM tarx_keys.create_platform_key('revoked', 'tomorrow', ARRAY[p], true) k;
    PERFORM tarx_keys.revoke_platform_key(odd.id('revoked token'));
    PERFORM tarx_keys.act_as('bob');
    INSERT INTO odd.ids SELECT 'bob''s token', k.* FROM tarx_keys.create_platform_key('bob''s') k;
END $$;
COMMIT;

-- Odd values: expressions over the column, which is %1$I. Long ones are made
-- once, and copied as they are stored.

CREATE TABLE odd.texts (sort text PRIMARY KEY, value text);
CREATE TABLE odd.byteas (sort text PRIMARY KEY, value bytea);
ALTER TABLE odd.texts ALTER value SET STORAGE EXTERNAL;
ALTER TABLE odd.byteas ALTER value SET STORAGE EXTERNAL;
INSERT INTO odd.texts
    SELECT 'external', string_agg(md5(i::text), '') FROM generate_series(1, 100) i
    UNION ALL SELECT 'long', string_agg(md5(i::text), '') FROM generate_series(1, 60000) i;
INSERT INTO odd.byteas SELECT sort, decode(value, 'hex') FROM odd.texts;
ALTER TABLE odd.texts ALTER value SET STORAGE EXTENDED;
ALTER TABLE odd.byteas ALTER value SET STORAGE EXTENDED;
-- where a text is converted, one whose conversion needs more memory than there can be
INSERT INTO odd.texts VALUES ('compressed', repeat('ab', 2000)), ('large', repeat('x', 30000000)),
    ('huge', repeat('x', CASE getdatabaseencoding() WHEN 'LATIN1' THEN 280000000 ELSE 1000000 END));
INSERT INTO odd.byteas VALUES ('compressed', repeat('ab', 2000)::bytea), ('large', (SELECT value::bytea FROM odd.texts WHERE sort = 'large'));
-- What is no character, where the encoding has bytes that are none, else what
-- people would not write; and what is likely to be cut within a character
DO $$
BEGIN
    CASE getdatabaseencoding()
        WHEN 'SQL_ASCII' THEN
            INSERT INTO odd.texts VALUES
                ('bytes', convert_from('\xfffe', 'SQL_ASCII')),
                ('cut', 'xx' || repeat(convert_from('\xc3a9', 'SQL_ASCII'), 20000));
        WHEN 'LATIN1' THEN
            INSERT INTO odd.texts VALUES
                ('bytes', convert_from(decode((SELECT string_agg(to_hex(i), '') FROM generate_series(128, 255) i), 'hex'), 'LATIN1'));
        ELSE
            INSERT INTO odd.texts VALUES
                ('bytes', chr(8238) || chr(133) || chr(1114111)),
                ('cut', 'xx' || repeat(chr(233), 20000));
    END CASE;
END $$;

CREATE TABLE odd.values (type text, sort text, expression text, PRIMARY KEY (type, sort));
INSERT INTO odd.values
    SELECT 'text', t.sort, format('(SELECT value FROM odd.texts WHERE sort = %L)', t.sort) FROM odd.texts t
    UNION ALL SELECT 'text[]', t.sort, format('ARRAY(SELECT value FROM odd.texts WHERE sort = %L)', t.sort) FROM odd.texts t
    UNION ALL SELECT 'bytea', b.sort, format('(SELECT value FROM odd.byteas WHERE sort = %L)', b.sort) FROM odd.byteas b
    UNION ALL VALUES
        ('text', 'empty', $$''$$),
        ('text', 'control', $$E'\x01\t\r\n\x1b[2J\x7f'$$),
        ('bytea', 'empty', $$''$$),
        ('bytea', 'short', $$'\x01'$$),
        ('bytea', 'one bit', $$set_bit(%1$I, 8 * length(%1$I) - 1, 1 - get_bit(%1$I, 8 * length(%1$I) - 1))$$),
        ('bytea', 'longer', $$%1$I || '\x00'$$),
        ('bytea', 'foreign', $$overlay(%1$I PLACING '\x0123456789abcdef' FROM 2)$$),
        ('integer', 'zero', '0'), ('integer', 'minus one', '-1'),
        ('integer', 'least', '-2147483648'), ('integer', 'greatest', '2147483647'),
        ('bigint', 'zero', '0'), ('bigint', 'minus one', '-1'),
        ('bigint', 'least', '-9223372036854775808'), ('bigint', 'greatest', '9223372036854775807'),
        ('boolean', 'opposite', 'NOT %1$I'),
        ('uuid', 'another', $$'cccccccc-0000-4000-8000-000000000003'$$),
        ('uuid', 'zeros', $$'00000000-0000-0000-0000-000000000000'$$),
        ('uuid[]', 'empty', $$'{}'$$),
        ('uuid[]', 'two-dimensional', 'ARRAY[%1$I, %1$I]'),
        ('uuid[]', 'with a NULL', '%1$I || NULL::uuid'),
        ('uuid[]', 'twice', '%1$I || %1$I'),
        ('uuid[]', 'bounds', $$('[200:200]={' || %1$I[1] || '}')::uuid[]$$),
        ('uuid[]', 'many', 'array_fill(%1$I[1], ARRAY[100000])'),
        ('uuid[]', 'flat', 'array_fill(%1$I[1], ARRAY[1, 100000])'),
        ('text[]', 'empty', $$'{}'$$),
        ('text[]', 'two-dimensional', 'ARRAY[%1$I, %1$I]'),
        ('text[]', 'with a NULL', '%1$I || NULL::text'),
        ('text[]', 'twice', '%1$I || %1$I'),
        ('text[]', 'reversed', 'ARRAY[%1$I[2], %1$I[1]]'),
        ('text[]', 'one less', '%1$I[2:2]'),
        ('text[]', 'in one', $$ARRAY[array_to_string(%1$I, ',')]$$),
        ('text[]', 'bounds', $$('[200:201]=' || %1$I::text)::text[]$$),
        ('text[]', 'many', 'array_fill(%1$I[1], ARRAY[100000])'),
        ('text[]', 'flat', 'array_fill(%1$I[1], ARRAY[1, 100000])'),
        ('timestamp with time zone', 'infinity', $$'infinity'$$),
        ('timestamp with time zone', '-infinity', $$'-infinity'$$),
        ('timestamp with time zone', 'first', $$'4714-11-24 00:00:00+00 BC'$$),
        ('timestamp with time zone', 'last', $$'294276-12-31 23:59:59.999999+00'$$);
INSERT INTO odd.values SELECT DISTINCT type, 'NULL', 'NULL' FROM odd.values;

-- The victims, and how they are known in lists

CREATE TABLE odd.victims (table_name text PRIMARY KEY, condition text, seen_as jsonb);
INSERT INTO odd.victims VALUES
    ('project_llm_keys', $$name = 'victim'$$, '{"llm_keys": {"name": "victim"}, "key_usage": {}, "verify_keys": {"name": "victim"}}'),
    ('project_secrets', $$name = 'VICTIM' AND project_id = odd.id('P')$$, '{"secrets": {"name": "VICTIM"}, "verify_keys": {"name": "VICTIM"}}'),
    ('project_secret_versions', $$name = 'VICTIM' AND version = 1 AND project_id = odd.id('P')$$, '{"verify_keys": {"name": "VICTIM"}}'),
    ('platform_api_keys', $$name = 'victim'$$, '{"platform_keys": {"name": "victim"}, "verify_keys": {"name": "victim"}}'),
    ('project_members', $$user_id = 'victim'$$, '{"verify_keys": {"name": "victim"}}'),
    ('agents', $$name = 'victim agent'$$, '{"verify_keys": {"name": "victim agent"}}'),
    ('audit_ends', $$project_id = odd.id('P') AND NOT personal AND lane = 0$$, '{}'),
    ('audit_log', $$project_id = odd.id('P') AND NOT personal AND seq = 5$$, '{"project_audit": {"seq": 5}}');

-- Drop what keeps odd values out of a column.
CREATE FUNCTION odd.strip(target regclass, column_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    number smallint := (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = target AND a.attname = column_name);
    o record;
BEGIN
    FOR o IN SELECT format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', target, c.conname) AS command
               FROM pg_constraint c WHERE c.conrelid = target AND number = ANY (c.conkey) AND c.contype <> 'n'
             UNION ALL
             SELECT format('DROP INDEX %s', i.indexrelid::regclass)
               FROM pg_index i WHERE i.indrelid = target
                AND (number = ANY (i.indkey)
                     OR EXISTS (SELECT FROM pg_depend d     -- in an expression
                                 WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                                   AND d.refobjid = target AND d.refobjsubid = number))
                AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = target) LOOP
        EXECUTE o.command;
    END LOOP;
    EXECUTE format('ALTER TABLE %s ALTER %I DROP NOT NULL', target, column_name);
END $$;

CREATE FUNCTION odd.spoil(target regclass, column_name text, expression text, condition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    command text := format('UPDATE %s SET %I = %s WHERE %s', target, column_name, format(expression, column_name), condition);
BEGIN
    BEGIN
        EXECUTE command;
    EXCEPTION WHEN integrity_constraint_violation OR program_limit_exceeded THEN
        PERFORM odd.strip(target, column_name);
        EXECUTE command;
    END;
END $$;

-- Looking

-- The rows of a query as JSON, as a role, acting for a user in project P; or an
-- error as a string. Whatever it does is rolled back.
CREATE FUNCTION odd.try(who text, acting_user text, query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    result jsonb;
BEGIN
    PERFORM set_config('role', who, true);
    IF acting_user IS NOT NULL THEN
        PERFORM tarx_keys.act_as(acting_user, odd.id('P'));
    END IF;
    -- a row is converted as if it were sent to a client
    EXECUTE format($q$SELECT coalesce(jsonb_agg(to_jsonb(r) - '{last_used_at,uses,refused,agent_count}'::text[]), '[]')
                        FROM (%s) r WHERE convert_to(r::text, 'UTF8') IS NOT NULL$q$, query) INTO result;
    RAISE SQLSTATE 'ZZ000';
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN
        RETURN result;
    WHEN OTHERS THEN
        RETURN to_jsonb(format('%s %s', SQLSTATE, left(SQLERRM, 300)));
END $$;

CREATE TABLE odd.looks (what text PRIMARY KEY, who text, acting_user text, query text);
INSERT INTO odd.looks VALUES
    ('verify_keys', 'none', NULL, 'SELECT * FROM tarx_keys.verify_keys()'),
    ('audit of P', 'none', NULL, $$SELECT ok FROM tarx_keys.verify_audit(odd.id('P'))$$),
    ('audits', 'none', NULL, $$SELECT ok FROM tarx_keys.verify_audit(odd.id('Q')) UNION ALL
        SELECT ok FROM tarx_keys.verify_personal_audit('alice') UNION ALL SELECT ok FROM tarx_keys.verify_personal_audit('bob')$$),
    ('llm_keys', 'service', 'alice', 'SELECT * FROM tarx_keys.llm_keys'),
    ('due_keys', 'service', 'alice', $$SELECT count(*) FILTER (WHERE key_id <> odd.id('victim')) FROM tarx_keys.due_keys$$),
    ('key_usage', 'service', 'alice', 'SELECT * FROM tarx_keys.key_usage'),
    ('secrets', 'service', 'alice', 'SELECT * FROM tarx_keys.secrets'),
    ('platform_keys', 'service', 'alice', 'SELECT * FROM tarx_keys.platform_keys'),
    ('platform_keys of bob', 'service', 'bob', 'SELECT * FROM tarx_keys.platform_keys'),
    ('project_audit', 'service', 'alice', 'SELECT * FROM tarx_keys.project_audit'),
    ('doctor_older_rows', 'none', NULL, 'SELECT severity FROM tarx_keys_internal.doctor_older_rows()'),
    ('doctor_realm', 'none', NULL, 'SELECT severity FROM tarx_keys_internal.doctor_realm()'),
    ('resolve', 'runner', NULL, $$
        SELECT key_value FROM tarx_keys.resolve_key(odd.id('P'), odd.id('other')) UNION ALL
        SELECT key_value FROM tarx_keys.resolve_key(odd.id('P'), odd.id('plain')) UNION ALL
        SELECT key_value FROM tarx_keys.resolve_key(odd.id('Q'), odd.id('elsewhere')) UNION ALL
        SELECT key_value FROM tarx_keys.resolve_agent_key(odd.id('P'), odd.id('other agent')) UNION ALL
        SELECT tarx_keys.resolve_secret(odd.id('P'), 'OTHER') UNION ALL
        SELECT value FROM tarx_keys.resolve_secrets(odd.id('P'), '{OTHER,PLAIN}') UNION ALL
        SELECT value FROM tarx_keys.resolve_secrets(odd.id('Q')) UNION ALL
        SELECT tarx_keys.render_template(odd.id('P'), '${secrets.PLAIN}')$$),
    ('run', 'runner', NULL, $$SELECT k.key_value FROM tarx_keys.enter_run(odd.token('other run')) r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k$$),
    ('login', 'service', NULL, $$
        SELECT user_id FROM tarx_keys.login(odd.token('other token'), odd.id('P')) UNION ALL
        SELECT user_id FROM tarx_keys.login(odd.token('plain token'), odd.id('P')) UNION ALL
        SELECT user_id FROM tarx_keys.login(odd.token('bob''s token'), odd.id('P'))$$),
    ('usage', 'none', NULL, $$SELECT 1 WHERE (SELECT count(*) >= 3 FROM tarx_keys.known_usage('llm_key', ARRAY[odd.id('P'), odd.id('Q')]))
        AND (SELECT count(*) >= 3 FROM tarx_keys.known_usage('secret', ARRAY[odd.id('P'), odd.id('Q')]))$$),
    ('status', 'none', NULL, 'SELECT 1 WHERE EXISTS (SELECT FROM tarx_keys.keyring_status()) AND EXISTS (SELECT FROM tarx_keys.rotation_progress)'),
    ('doctor_rows', 'none', NULL, 'SELECT severity FROM tarx_keys_internal.doctor_rows()'),
    ('doctor_audit_log', 'none', NULL, 'SELECT severity FROM tarx_keys_internal.doctor_audit_log()'),
    ('flush', 'none', NULL, $$SELECT tarx_keys_internal.flush_last_used(odd.id('P'), ARRAY[odd.id('P'), odd.id('P'), odd.id('Q'), '00000000-0000-0000-0000-000000000000'],
        '{llm_key,secret,secret,platform_key}',
        ARRAY[odd.id('victim'), odd.id('VICTIM'), odd.id('VICTIM of Q'), odd.id('victim token')],
        array_fill('epoch'::timestamptz, ARRAY[4]))$$),
    ('a change', 'service', 'alice', $$SELECT tarx_keys.set_secret(odd.id('P'), 'OTHER', 'new')$$),
    ('purge', 'none', NULL, $$SELECT 1 WHERE odd.purge_audit('infinity') > 0$$);
CREATE TABLE odd.baseline (what text PRIMARY KEY, result jsonb);

-- As rotate_master_key() does it, for one table, in batches of two; how many rows are left
CREATE FUNCTION odd.rotate(target regclass, table_name text, sealed text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    reached bigint;
    remaining bigint;
BEGIN
    FOR waiting IN 0 .. 1 LOOP
        reached := NULL;
        FOR turn IN 1 .. 100 LOOP
            SELECT r.last INTO reached
              FROM tarx_keys_internal.rotate_rows(table_name, target, reached, 2, waiting = 1) r;
            EXIT WHEN reached IS NULL;
        END LOOP;
        IF reached IS NOT NULL THEN
            RAISE SQLSTATE 'ZZ001' USING MESSAGE = 'the rotation does not end';
        END IF;
    END LOOP;
    EXECUTE format('SELECT count(*) FROM %s WHERE tarx_keys_internal.fingerprint_of(%I) <> (tarx_keys_internal.keyring_fingerprints())[1]', target, sealed)
        INTO remaining;
    RETURN remaining;
END $$;

-- Rows of one JSON array that the other one lacks
CREATE FUNCTION odd.lacks(had jsonb, has jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_agg(l), '[]')
      FROM (SELECT jsonb_array_elements(CASE jsonb_typeof(had) WHEN 'array' THEN had ELSE '[]' END) EXCEPT ALL
            SELECT jsonb_array_elements(CASE jsonb_typeof(has) WHEN 'array' THEN has ELSE '[]' END)) AS r (l)
$$;

-- Is what one look shows right, for a case whose victim is in this state? All
-- but the victim must be there as before, and the victim as what it is.
CREATE FUNCTION odd.is_right(table_name text, column_name text, state text, what text, had jsonb, has jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    seen_as jsonb := (SELECT v.seen_as -> what FROM odd.victims v WHERE v.table_name = is_right.table_name);
    lost jsonb := odd.lacks(had, has);
    gained jsonb := odd.lacks(has, had);
    nlost integer := jsonb_array_length(lost);
    ngained integer := jsonb_array_length(gained);
BEGIN
    IF table_name LIKE 'audit%' AND state <> 'ok' THEN
        CASE what
            WHEN 'audit of P' THEN
                RETURN has = '[{"ok": false}]';
            WHEN 'doctor_audit_log' THEN
                RETURN has = '[{"severity": "critical"}]'
                    -- the ends that P lacks, and those that another project has
                    OR (table_name, column_name) = ('audit_ends', 'project_id') AND has = '[{"severity": "critical"}, {"severity": "critical"}]';
            WHEN 'a change' THEN
                -- what cannot be logged is not done, in this project
                RETURN has = had OR has #>> '{}' ~ '^TK00[46]';
            WHEN 'verify_keys' THEN
                -- what the log says of an object makes it older, and is not to be believed
                IF column_name = 'revision' THEN
                    RETURN nlost = ngained AND nlost <= 1 AND coalesce(gained -> 0 ->> 'status' = 'older', true);
                END IF;
            WHEN 'doctor_older_rows' THEN
                RETURN has = had OR column_name = 'revision' AND has = '[{"severity": "critical"}]';
            ELSE
        END CASE;
    ELSIF what = 'doctor_rows' AND state = 'tampered' THEN
        RETURN has = '[{"severity": "critical"}]';
    END IF;
    IF jsonb_typeof(has) <> 'array' THEN
        RETURN false;
    ELSIF seen_as IS NULL THEN
        RETURN nlost = 0 AND ngained = 0;
    ELSIF nlost > 1 OR ngained > 1 OR NOT lost -> 0 @> seen_as THEN
        RETURN false;
    ELSIF what = 'verify_keys' THEN
        RETURN CASE state
            WHEN 'ok' THEN ngained = nlost AND coalesce(gained -> 0 ->> 'status' = 'ok', true)
            WHEN 'left out' THEN ngained = 0
            ELSE ngained = 1 AND gained -> 0 ->> 'status' = state END;
    ELSIF what = 'platform_keys' AND state NOT IN ('ok', 'left out') AND coalesce(gained -> 0 ->> 'status' <> state, column_name NOT IN ('id', 'user_id')) THEN
        RETURN false;
    ELSIF what = 'llm_keys' AND state <> 'ok' AND coalesce(gained -> 0 ->> 'status' <> 'needs_reentry', column_name <> 'project_id') THEN
        RETURN false;
    END IF;
    -- in the list, unless it is another user's or project's now
    RETURN ngained = nlost OR (table_name, column_name) IN (
        ('project_llm_keys', 'project_id'), ('project_secrets', 'project_id'), ('platform_api_keys', 'user_id'),
        ('audit_log', 'project_id'), ('audit_log', 'personal'));
END $$;

-- What becomes of the victim: what is called, and the SQLSTATE that it must fail
-- with; none if it is not to fail
CREATE TABLE odd.calls (table_name text, who text, acting_user text, query text, state text, outcome text);
INSERT INTO odd.calls
    SELECT c.*, o.* FROM (VALUES
        ('project_llm_keys', 'runner', NULL, $$SELECT key_value FROM tarx_keys.resolve_key(odd.id('P'), odd.id('victim'))$$),
        ('project_llm_keys', 'runner', NULL, $$SELECT key_value FROM tarx_keys.resolve_agent_key(odd.id('P'), odd.id('victim agent'))$$),
        ('project_secrets', 'runner', NULL, $$SELECT tarx_keys.resolve_secret(odd.id('P'), 'VICTIM')$$),
        ('project_secret_versions', 'service', 'alice', $$SELECT tarx_keys.restore_secret(odd.id('P'), 'VICTIM', 1)$$),
        ('agents', 'runner', NULL, $$SELECT key_value FROM tarx_keys.resolve_agent_key(odd.id('P'), odd.id('victim agent'))$$),
        ('agents', 'runner', NULL, $$SELECT k.key_value FROM tarx_keys.enter_run(odd.token('victim run')) r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k$$),
        ('agents', 'service', 'alice', $$SELECT tarx_keys.revoke_run_tickets(odd.id('P'), odd.id('victim agent'))$$),
        ('agents', 'service', 'alice', $$SELECT tarx_keys.rename_agent(odd.id('P'), odd.id('victim agent'), 'new')$$),
        ('project_members', 'service', 'alice', $$SELECT tarx_keys.add_member(odd.id('P'), 'victim', 'admin')$$)) AS c
     CROSS JOIN (VALUES ('ok', '^\['), ('tampered', '^(TK004|TK001|TK003|TK011|TK016) '), ('missing master key', '^TK006 ')) AS o
    UNION ALL
    SELECT 'platform_api_keys', 'service', NULL, $$SELECT * FROM tarx_keys.login(odd.token('victim token'), odd.id('P'))$$, o.*
      FROM (VALUES ('ok', '^\['), ('left out', '^TK010 '), ('tampered', '^TK010 '), ('missing master key', '^TK010 ')) AS o
    UNION ALL
    SELECT 'project_secrets', 'runner', NULL, $$SELECT * FROM tarx_keys.resolve_secrets(odd.id('P'))$$, o.*
      FROM (VALUES ('ok', '^\['), ('tampered', '^TK004 secret "(VICTIM|\?)"'), ('missing master key', '^TK006 ')) AS o
    UNION ALL VALUES
    -- whatever it is, it can go
        ('project_llm_keys', 'service', 'alice', $$SELECT tarx_keys.delete_llm_key(odd.id('P'), odd.id('victim'))$$, NULL, '^(\[|TK001 )'),
        ('project_secrets', 'service', 'alice', $$SELECT tarx_keys.set_secret(odd.id('P'), 'VICTIM', 'new')$$, NULL, '^(\[|54000 )'),
        ('project_secrets', 'service', 'alice', $$SELECT tarx_keys.delete_secret(odd.id('P'), 'VICTIM')$$, NULL, '^(\[|TK011 )'),
        ('project_secret_versions', 'service', 'alice', $$SELECT tarx_keys.set_secret(odd.id('P'), 'VICTIM', 'new')$$, NULL, '^\['),
        ('project_secret_versions', 'service', 'alice', $$SELECT tarx_keys.delete_secret(odd.id('P'), 'VICTIM')$$, NULL, '^\['),
        ('agents', 'service', 'alice', $$SELECT tarx_keys.delete_agent(odd.id('P'), odd.id('victim agent'))$$, NULL, '^(\[|TK003 )'),
        ('project_members', 'service', 'alice', $$SELECT tarx_keys.remove_member(odd.id('P'), 'victim')$$, NULL, '^(\[|42704 )'),
        ('platform_api_keys', 'service', 'alice', $$SELECT tarx_keys.revoke_platform_key(odd.id('victim token'))$$, NULL, '^(\[|42704 )');

-- A call that writes versions or members needs their primary key, which odd values may
-- have taken away.
CREATE FUNCTION odd.lacks_key(table_name text, result jsonb) RETURNS boolean LANGUAGE sql AS $$
    SELECT table_name = 'project_secret_versions' AND result #>> '{}' ~ '^42P10 '
        OR table_name = 'project_members' AND result #>> '{}' ~ '^42704 constraint '
$$;

CREATE FUNCTION odd.wrongs(target regclass, table_name text, column_name text, sealed text, state text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    l record;
    verified jsonb;
    result jsonb;
BEGIN
    FOR l IN SELECT * FROM odd.looks JOIN odd.baseline USING (what) LOOP
        result := odd.try(l.who, l.acting_user, l.query);
        IF l.what = 'verify_keys' THEN
            verified := result;
        END IF;
        IF odd.is_right(table_name, column_name, state, l.what, l.result, result) IS NOT TRUE
           AND NOT odd.lacks_key(table_name, result) THEN
            RETURN NEXT format('%s: lost %s, gained %s', l.what, odd.lacks(l.result, result),
                CASE jsonb_typeof(result) WHEN 'array' THEN odd.lacks(result, l.result) ELSE result END);
        END IF;
    END LOOP;
    FOR l IN SELECT * FROM odd.calls c WHERE c.table_name = wrongs.table_name AND coalesce(c.state = wrongs.state, c.state IS NULL) LOOP
        result := odd.try(l.who, l.acting_user, l.query);
        IF result #>> '{}' !~ l.outcome AND NOT odd.lacks_key(table_name, result)
           AND NOT (column_name = 'project_id' AND l.query ~ 'resolve_secrets' AND result #>> '{}' ~ '^\[')
           -- it is another user's membership then
           AND NOT (column_name IN ('project_id', 'user_id') AND l.query ~ 'add_member' AND result #>> '{}' ~ '^\[') THEN
            RETURN NEXT format('%s: %s', l.query, result);
        END IF;
    END LOOP;
    IF table_name <> 'audit_log' THEN
        result := odd.try('none', NULL, format('SELECT odd.rotate(%L, %L, %L) AS remaining', target, table_name, sealed));
        IF NOT coalesce((result -> 0 ->> 'remaining')::bigint <= (state <> 'ok')::integer, false) THEN
            RETURN NEXT format('rotation: %s', result);
        END IF;
    END IF;
END $$;

-- All cases of a column, each rolled back: what is wrong, and with which value
CREATE FUNCTION odd.run(table_name text, column_name text) RETURNS TABLE (sort text, wrong text) LANGUAGE plpgsql AS $$
DECLARE
    c record;
    v record;
    target regclass;
    condition text := (SELECT o.condition FROM odd.victims o WHERE o.table_name = run.table_name);
    is_same boolean;
    state text;
BEGIN
    SELECT s.*, (SELECT o.column_name FROM tarx_keys_internal.sealed_columns() o WHERE o.table_name = s.table_name AND o.use = 'sealed') AS sealed
      INTO STRICT c
      FROM tarx_keys_internal.sealed_columns() s WHERE s.table_name = run.table_name AND s.column_name = run.column_name;
    target := format('%I.%I', c.schema_name, table_name);
    IF condition IS NULL THEN
        wrong := 'there is no victim in its table';
        RETURN NEXT;
        RETURN;
    END IF;
    FOR v IN SELECT * FROM odd.values o
              WHERE o.type = c.column_type
                AND NOT (o.sort = 'foreign' AND (c.use <> 'sealed' OR c.seal = 'chain')) AND NOT (o.sort = 'huge' AND c.is_key) LOOP
        sort := v.sort;
        EXECUTE format('SELECT %I IS NOT DISTINCT FROM %s FROM %s WHERE %s', column_name, format(v.expression, column_name), target, condition)
            INTO STRICT is_same;
        state := CASE
            WHEN is_same THEN 'ok'
            WHEN column_name = 'revoked_at' THEN 'left out'
            WHEN c.use = 'unbound' THEN 'ok'
            WHEN v.sort = 'foreign' THEN 'missing master key'
            ELSE 'tampered' END;
        BEGIN
            PERFORM odd.spoil(target, column_name, v.expression, condition);
            FOR wrong IN SELECT * FROM odd.wrongs(target, table_name, column_name, c.sealed, state) LOOP
                RETURN NEXT;
            END LOOP;
            RAISE SQLSTATE 'ZZ002';
        EXCEPTION WHEN SQLSTATE 'ZZ002' THEN
        END;
    END LOOP;
    IF sort IS NULL THEN
        wrong := 'there are no odd values of its type';
        RETURN NEXT;
    END IF;
END $$;

-- All of them at once, to stay: copies of the victims with keys of their own, each
-- with an odd value, or with nothing but huge texts.
CREATE FUNCTION odd.add_copy(table_name text, n integer, column_names text[], expression text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    command text := (
        SELECT format('INSERT INTO %1$s (%2$s) SELECT %3$s FROM %1$s WHERE %4$s', format('%I.%I', c.schema_name, c.table_name),
                      string_agg(quote_ident(c.column_name), ', '),
                      string_agg(CASE WHEN c.column_name = ANY (column_names) THEN format(expression, c.column_name)
                                      WHEN c.column_name = 'id' OR c.column_name = 'project_id' AND c.table_name = 'audit_ends' THEN 'gen_random_uuid()'
                                      WHEN c.column_name = 'name' OR c.column_name = 'user_id' AND c.table_name = 'project_members' THEN format('%L', 'odd ' || n)
                                      WHEN c.column_name = 'seq' THEN (1000 + n)::text
                                      WHEN c.column_name = 'token_hash' THEN format('sha256(%L)', n)
                                      ELSE quote_ident(c.column_name) END, ', '), v.condition)
          FROM tarx_keys_internal.sealed_columns() c JOIN odd.victims v USING (table_name)
         WHERE c.table_name = add_copy.table_name
         GROUP BY c.schema_name, c.table_name, v.condition);
BEGIN
    EXECUTE command;
END $$;

CREATE FUNCTION odd.add_copies() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM odd.strip(format('%I.%I', c.schema_name, c.table_name), c.column_name) FROM tarx_keys_internal.sealed_columns() c;
    PERFORM odd.add_copy(c.table_name, row_number() OVER ()::integer, ARRAY[c.column_name], v.expression)
       FROM tarx_keys_internal.sealed_columns() c JOIN odd.values v ON v.type = c.column_type
      WHERE v.sort <> 'huge';
    PERFORM odd.add_copy(c.table_name, 0, array_agg(c.column_name), '(SELECT value FROM odd.texts WHERE sort = ''huge'')')
       FROM tarx_keys_internal.sealed_columns() c
      WHERE c.column_type = 'text' AND NOT c.is_key
      GROUP BY c.table_name;
    RETURN (SELECT count(*) FROM tarx_keys.project_llm_keys);
END $$;
