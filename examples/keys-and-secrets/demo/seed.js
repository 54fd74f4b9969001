// Sample people, projects, keys and secrets in a new database, whose providers
// are the stand-in. None of the values is real. Run as a superuser, because
// nobody else may assert who somebody is where login is required.

import pg from 'pg';

export const PROJECTS = {
  support: '5a000000-0000-4000-8000-000000000001',
  research: '5e000000-0000-4000-8000-000000000002',
};

export const KEYS = {
  anthropic: ['Claude', 'sk-ant-api03-not-a-real-key-k7Qw2ZtR9mXv4LpB'],
  openai: ['GPT', 'sk-proj-not-a-real-key-Jd83hsPq71mNzWc5Ty'],
  google_ai: ['Gemini', 'AIza-not-a-real-key-Vb6nMk2Lp0QxRw8Zt'],
  mistral: ['Mistral', 'notarealkeyX9fT3kLmQ7wZpR5vBn2cHs'],
  huggingface: ['Open models', 'hf_notarealkeyTq4xWm8ZkPr6Lv2'],
  azure_ai_foundry: ['Azure', 'notarealkey7c1e5a9b3d8f2046ae57', '/azure'],
  openai_compatible: ['Groq', 'gsk_notarealkeyHn5mKw9Xq3Lz7Rt', '/compatible/v1'],
};
export const REFUSED = ['Old GPT', 'sk-proj-refused-not-a-real-key-Mw62QzLk'];

const PATHS = { anthropic: '/anthropic', openai: '/openai/v1', google_ai: '/google', mistral: '/mistral/v1', huggingface: '/huggingface/v1', xai: '/xai/v1' };

async function install(client, providerUrl) {
  await client.query('CREATE EXTENSION tarx_keys');
  for (const [login, role] of [['app_web', 'tarx_keys_login'], ['app_models', 'tarx_keys_agent']]) {
    await client.query(`CREATE ROLE ${login} LOGIN IN ROLE ${role}`);
    await client.query(`ALTER ROLE ${login} SET statement_timeout = '5s'`);
    await client.query(`ALTER ROLE ${login} SET idle_in_transaction_session_timeout = '10s'`);
  }
  // All rules for base URLs are as they are elsewhere; only Azure has one host more, and paths there.
  const changes = { azure_ai_foundry: await alsoAt(client, 'azure_ai_foundry', new URL(providerUrl).hostname) };
  for (const [slug, path] of Object.entries(PATHS)) changes[slug] = { default_base_url: providerUrl + path };
  await buildIn(client, changes);
}

// What admits one host more, with any path
async function alsoAt(client, slug, host) {
  const { rows: [{ hosts, paths }] } = await client.query(
    'SELECT base_url_host_suffixes AS hosts, base_url_any_path_suffixes AS paths FROM tarx_keys.providers WHERE slug = $1', [slug]);
  return { base_url_host_suffixes: [...hosts, host], base_url_any_path_suffixes: [...paths, host.slice(host.indexOf('.'))] };
}

// Nobody says in a table where keys of a built-in provider go. For the stand-in,
// other providers are built in: only who owns the extension can do that.
async function buildIn(client, changes) {
  await client.query(`DO $do$
    BEGIN
      EXECUTE format('CREATE OR REPLACE VIEW tarx_keys_internal.builtin_providers AS
          SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(b) || coalesce(%L::jsonb -> b.slug, ''{}''))).*
            FROM (%s) b', ${client.escapeLiteral(JSON.stringify(changes))}, rtrim(pg_get_viewdef('tarx_keys_internal.builtin_providers'::regclass), ';'));
    END $do$`);
}

async function as(client, userId, work) {
  await client.query('BEGIN');
  await client.query('SET LOCAL tarx_keys.require_login = off');
  await client.query('SELECT tarx_keys.act_as($1)', [userId]);
  const result = await work(async (sql, values) => (await client.query(`SELECT ${sql} AS value`, values)).rows[0].value);
  await client.query('COMMIT');
  return result;
}

const token = (call) => call("(SELECT token FROM tarx_keys.create_platform_key('sample'))");

export async function seed(providerUrl) {
  const client = new pg.Client({ user: 'postgres' });
  await client.connect();
  await install(client, providerUrl);
  const { support, research } = PROJECTS;
  const ids = {};
  const admin = await as(client, 'alice', async (call) => {
    await call("tarx_keys.create_project('Support bots', $1)", [support]);
    await call("tarx_keys.add_member($1, 'bob')", [support]);
    const add = (provider, [name, value, path]) => call('tarx_keys.add_llm_key($1, $2, $3, $4, $5)',
      [support, provider, name, value, path ? providerUrl + path : null]);
    for (const [provider, key] of Object.entries(KEYS)) ids[provider] = await add(provider, key);
    ids.refused = await add('openai', REFUSED);
    await call('tarx_keys.update_llm_key($1, $2, $3)', [support, ids.refused, { priority: 200 }]);
    for (const [name, key] of [['Answer bot', 'anthropic'], ['Triage bot', 'anthropic'], ['Translator', 'openai'], ['Night shift', 'refused']]) {
      await call('tarx_keys.create_agent($1, $2, $3)', [support, name, ids[key]]);
    }
    const set = (...secret) => call('tarx_keys.set_secret($1, $2, $3, $4)', [support, ...secret]);
    await set('SHOP_TOKEN', 'not-a-real-token-1', 'Reads orders of the shop');
    await set('SHOP_TOKEN', 'not-a-real-token-2', null);
    await set('MAIL_PASSWORD', 'not-a-real-password', null);
    return token(call);
  });
  const member = await as(client, 'bob', token);
  const other = await as(client, 'carol', async (call) => {
    await call("tarx_keys.create_project('Tool research', $1)", [research]);
    await call("tarx_keys.add_member($1, 'alice')", [research]);
    await call("tarx_keys.add_llm_key($1, 'mistral', 'Lab', $2)", [research, 'notarealkeyLab5Rt8Wq2Zx6Kv4Np']);
    return token(call);
  });
  await client.end();
  return { ids, tokens: { alice: admin, bob: member, carol: other } };
}
