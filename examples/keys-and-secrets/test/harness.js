// What the tests share: the seeded database, the stand-in, the service, and
// people who use it over HTTP.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { transaction } from '../../client/index.js';
import { KEYS, PROJECTS, seed } from '../demo/seed.js';
import { startProvider } from '../demo/provider.js';
import { startService } from '../demo/service.js';

export { KEYS, PROJECTS };

// what a developer's shell may set for the SDKs
for (const name of Object.keys(process.env)) {
  if (/^(ANTHROPIC|OPENAI|AZURE|GOOGLE|GEMINI|MISTRAL|HF|HUGGINGFACE)_/.test(name)) delete process.env[name];
}

export const provider = await startProvider();
export const { ids, tokens } = await seed(provider.url);

const RELAXED = { POOL_SIZE: '2', SIGN_INS_PER_MINUTE: '1000', REQUESTS_PER_MINUTE: '100000', API_REQUESTS_PER_MINUTE: '100000', MODELS_TIME_LIMIT_MS: '4000' };
const services = [];

export async function start(env) {
  const started = await startService({ ...RELAXED, ...env });
  services.push(started);
  return started;
}

export const service = await start();

const root = new pg.Pool({ user: 'postgres', max: 1 });
const runner = new pg.Pool({ user: 'app_models', max: 2 });

export async function end() {
  await Promise.all([...services.map((each) => each.stop()), root.end(), runner.end()]);
  provider.close();
}

export const serverLog = () => readFileSync(process.env.TARX_KEYS_SERVER_LOG, 'utf8');

// A person who is new here, signed in
export async function newPerson(name) {
  [{ token: tokens[name] }] = await as(name, "SELECT token FROM tarx_keys.create_platform_key('sample')");
  return signedIn(name);
}

// Wait for what a service is about to log
export async function logged(started, pattern) {
  for (let i = 0; i < 100 && !pattern.test(started.log); i++) await new Promise((resolve_) => { setTimeout(resolve_, 50); });
  assert.match(started.log, pattern);
}

// A value that is nowhere else
export const newValue = (prefix = 'sk-proj-') => `${prefix}${randomBytes(24).toString('hex')}`;

const ask = (pool, begin, sql, values) => transaction(pool, async (client) => {
  await begin(client);
  return (await client.query(sql, values)).rows;
});

// Something in SQL as a user, without the page
export const as = (userId, sql, values) => ask(root, async (client) => {
  await client.query('SET LOCAL tarx_keys.require_login = off');
  await client.query('SELECT tarx_keys.act_as($1)', [userId]);
}, sql, values);

export async function addKey(providerSlug, name, value, path = null) {
  const [{ id }] = await as('alice', 'SELECT tarx_keys.add_llm_key($1, $2, $3, $4, $5) AS id',
    [PROJECTS.support, providerSlug, name, value, path && provider.url + path]);
  return id;
}

// What the DBA does
export const asRoot = (sql, values) => root.query(sql, values);

// What an agent runner asks, without a run ticket
export async function asRunner(sql, values) {
  const { rows } = await runner.query(sql, values);
  return rows;
}

// The same in the run of a ticket
export const inRun = (ticket, sql, values) => ask(runner,
  (client) => client.query('SELECT FROM tarx_keys.enter_run($1)', [ticket]), sql, values);

// A ticket for a run of alice's, or of somebody else's
export async function ticketFor({ agentId = null, keyId = null, secrets = [] }, userId = 'alice') {
  const [{ ticket }] = await as(userId,
    'SELECT tarx_keys.issue_run_ticket($1, $2, secret_names => $3, key_id => $4) AS ticket', [PROJECTS.support, agentId, secrets, keyId]);
  return ticket;
}

export async function addAgent(name, keyId) {
  const [{ id }] = await as('alice', 'SELECT tarx_keys.create_agent($1, $2, $3) AS id', [PROJECTS.support, name, keyId]);
  return id;
}

export const deleteAgent = (id) => as('alice', 'SELECT tarx_keys.delete_agent($1, $2)', [PROJECTS.support, id]);

export const resolveAgent = async (agentId) => (await inRun(await ticketFor({ agentId }),
  'SELECT * FROM tarx_keys.resolve_agent_key($1, $2)', [PROJECTS.support, agentId]))[0];

// A key as an agent that is there for this only gets it
export async function resolve(keyId) {
  const agent = await addAgent('Resolves once', keyId);
  try {
    return await resolveAgent(agent);
  } finally {
    await deleteAgent(agent);
  }
}

// A person with a browser that runs no scripts
export class Person {
  constructor(address = service.address) {
    this.address = address;
    this.headers = { 'sec-fetch-site': 'same-origin' };
  }

  async request(path, options = {}) {
    const response = await fetch(this.address + path, {
      redirect: 'manual', ...options, headers: { ...this.headers, ...options.headers },
    });
    for (const cookie of response.headers.getSetCookie()) this.keep(cookie);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  // As a browser keeps a cookie; one that has ended goes
  keep(cookie) {
    const [pair] = cookie.split(';');
    const [name, value] = pair.split('=');
    const others = (this.headers.cookie ?? '').split('; ').filter((each) => each !== '' && !each.startsWith(`${name}=`));
    this.headers.cookie = [...others, ...(value === '' ? [] : [pair])].join('; ');
  }

  get(path, headers) {
    return this.request(path, { headers });
  }

  post(path, form, headers = {}) {
    return this.request(path, { method: 'POST', headers, body: new URLSearchParams({ csrf: this.csrf ?? '', ...form }) });
  }

  async signIn(token) {
    const response = await this.post('/sign-in', { token });
    this.home = response.headers.get('location');
    if (response.status === 303) {
      const page = await this.get(this.home);
      [, this.csrf] = /name="csrf" value="([^"]+)"/.exec(page.text);
    }
    return response;
  }
}

export async function signedIn(name, address) {
  const person = new Person(address);
  await person.signIn(tokens[name]);
  return person;
}

export const settings = (user, rest = '', project = PROJECTS.support) => `/${user}/settings${rest}?project=${project}`;
