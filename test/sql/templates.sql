-- Templates: what is put in, what is left alone, what is refused.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\set ECHO all

SET ROLE regress_backend;
BEGIN;
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.set_secret(:'A', 'USER', 'shop');
SELECT tarx_keys.set_secret(:'A', 'user', 'lower');
SELECT tarx_keys.set_secret(:'A', 'PASSWORD', 'pässwörd 🔑');
SELECT tarx_keys.set_secret(:'A', 'TRICKY', '${secrets.USER} $${x} $$ ${env.HOME} \1');
SELECT tarx_keys.set_secret(:'A', 'BIG', repeat('b', 65536));
SELECT tarx_keys.set_secret(:'A', 'U', '1');
SELECT tarx_keys.act_as('carol');
SELECT tarx_keys.set_secret(:'B', 'OTHER', 'of b');
COMMIT;

SET ROLE regress_agent;
SELECT tarx_keys.render_template(:'A', 'postgres://${secrets.USER}:${secrets.PASSWORD}@host');
SELECT tarx_keys.render_template(project_id => :'A', template => '${secrets.USER}${secrets.user}${secrets.U}${secrets.USER}');
SELECT tarx_keys.render_template(:'A', E'{\n  "a": "${secrets.USER}",\n  "ключ": "🔑${secrets.U}🔑"\n}');
-- a value is never expanded again
SELECT tarx_keys.render_template(:'A', '<${secrets.TRICKY}>');
-- nothing to replace
SELECT tarx_keys.render_template(:'A', 'plain');
SELECT tarx_keys.render_template(:'A', '') = '';
SELECT tarx_keys.render_template(:'nowhere', 'plain');
-- a literal ${, and dollars that are nothing else
SELECT tarx_keys.render_template(:'A', '$${secrets.USER}');
SELECT tarx_keys.render_template(:'A', '$${');
SELECT tarx_keys.render_template(:'A', '$$${secrets.USER}');
SELECT tarx_keys.render_template(:'A', '$${secrets.USER}${secrets.USER}$${${secrets.USER}}');
SELECT tarx_keys.render_template(:'A', '$ $$ $$$ $1 $a$ {} } $');
SELECT tarx_keys.render_template(:'A', '$secrets.USER {secrets.USER} $ {secrets.USER}');
-- long ones
SELECT length(tarx_keys.render_template(:'A', repeat('${secrets.BIG}-', 100)));
SELECT md5(tarx_keys.render_template(:'A', repeat('${secrets.BIG}-', 100))) = md5(repeat(repeat('b', 65536) || '-', 100));
SELECT length(tarx_keys.render_template(:'A', repeat('x', 1048576)));
SELECT tarx_keys.render_template(:'A', repeat('x', 1048577));
SELECT length(tarx_keys.render_template(:'A', repeat('${secrets.BIG}', 1024)));
SELECT tarx_keys.render_template(:'A', repeat('${secrets.BIG}', 1024) || 'x');
\set VERBOSITY sqlstate
SELECT tarx_keys.render_template(:'A', repeat('${secrets.BIG}', 1025));
\set VERBOSITY default

-- unknown secrets: all of them, in order of appearance, each once
SELECT tarx_keys.render_template(:'A', '${secrets.NO_SUCH}');
SELECT tarx_keys.render_template(:'A', '${secrets.z} ${secrets.USER} ${secrets.a} ${secrets.OTHER} ${secrets.z}');
SELECT tarx_keys.render_template(:'B', '${secrets.USER} hunter2 ${secrets.OTHER}');
\set VERBOSITY sqlstate
SELECT tarx_keys.render_template(:'A', '${secrets.NO_SUCH}');
SELECT tarx_keys.render_template(:'nowhere', '${secrets.USER}');

-- malformed references: all of them, before unknown ones are looked for
SELECT tarx_keys.render_template(:'A', '${env.HOME}');
\set VERBOSITY default
SELECT tarx_keys.render_template(:'A', '${secrets.NO_SUCH} ${env.HOME} ${secrets.USER} ${secrets.} ${env.HOME} hunter2');
SELECT tarx_keys.render_template(:'A', '${} ${USER} ${secrets} ${Secrets.USER} ${ secrets.USER} ${secrets.USER } ${secrets.1} ${secrets.a-b} ${secrets.a.b} ${secrets.ключ}');
-- unterminated ones, with nothing of what follows
SELECT tarx_keys.render_template(:'A', '${secrets.USER hunter2');
SELECT tarx_keys.render_template(:'A', E'${secrets.USER\n} ${secrets.PASSWORD ${secrets.USER}');
SELECT tarx_keys.render_template(:'A', '${secrets.${secrets.USER}}');
SELECT tarx_keys.render_template(:'A', '${');
SELECT tarx_keys.render_template(:'A', '${$${');
-- only the beginning of a long one, and nothing that could mislead a reader
SELECT tarx_keys.render_template(:'A', '${secrets.' || repeat('x', 129) || '}');
SELECT tarx_keys.render_template(:'A', '${' || repeat('é', 200) || '}');
SELECT tarx_keys.render_template(:'A', E'${a\tb\u202ec\u001b[2Jd}');
-- very many
SELECT tarx_keys.render_template(:'A', repeat('${secrets.USER', 70000));
SELECT length(tarx_keys.render_template(:'A', repeat('$${', 300000)));

-- arguments
SELECT tarx_keys.render_template(NULL, 'x');
SELECT tarx_keys.render_template(:'A', NULL);
SELECT * FROM tarx_keys.template_references(NULL);

-- the names, without values, for both roles
SELECT tarx_keys.template_references('${secrets.b} $${secrets.c} ${secrets.a}${secrets.b}${secrets.NO_SUCH}');
SELECT * FROM tarx_keys.template_references(template => '${secrets.b}${secrets.a}');
SELECT count(*) FROM tarx_keys.template_references('none');
SELECT * FROM tarx_keys.template_references('${secrets.b} ${x} ${y}');
SELECT * FROM tarx_keys.template_references(repeat('x', 1048577));
SET ROLE regress_backend;
SELECT * FROM tarx_keys.template_references('${secrets.b} ${secrets.a}${secrets.b}');
SELECT tarx_keys.render_template(:'A', '${secrets.USER}');
SET ROLE regress_nobody;
SELECT * FROM tarx_keys.template_references('${secrets.b}');
SELECT tarx_keys.render_template(:'A', '${secrets.USER}');

-- clean up
\set ECHO none
\i :clean_up
