// What the tests of the API share: clients made from the document, each answer to which
// is checked against it.

import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import { OpenAPIClientAxios } from 'openapi-client-axios';
import { sealLlmKey, sealReplacement, sealSecret } from '../../client/sealing.js';
import { PROJECTS, provider, service, tokens } from './harness.js';

const packages = createRequire(new URL('../package.json', import.meta.url));
const Ajv = packages('ajv/dist/2020.js');
const addFormats = packages('ajv-formats');
const sodium = packages('libsodium-wrappers');

const definition = () => packages('./src/openapi.json');
export const document = definition();
export const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, ...operation })));

// Of a copy in which no object of an answer has more than the document says
function checked() {
  const closed = JSON.parse(JSON.stringify(document), (key, value) =>
    (value?.type === 'object' && value.properties ? { additionalProperties: false, ...value } : value));
  const ajv = addFormats(new Ajv({ allowUnionTypes: true }));
  return ajv.addVocabulary(Object.keys(document)).addSchema(closed, 'openapi');
}
const schemas = checked();

const pointed = (ref) => ref.slice(2).split('/').reduce((at, name) => at[name], document);
const found = (part) => (part.$ref ? pointed(part.$ref) : part);

// Which answers there were, as "operationId status"
export const seen = new Set();

const validators = new Map();
function validatorOf(schema) {
  const text = JSON.stringify(schema).replaceAll('"#/', '"openapi#/');
  if (!validators.has(text)) validators.set(text, schemas.compile(JSON.parse(text)));
  return validators.get(text);
}

function checkBody(declared, { headers, data }, where) {
  const [content] = Object.entries(declared.content ?? {});
  if (content === undefined) return assert.equal(data, '', where);
  const [type, { schema }] = content;
  assert.ok(headers['content-type'].startsWith(type), `${where}: ${headers['content-type']}`);
  const validate = validatorOf(schema);
  return assert.ok(validate(data), `${where}: ${schemas.errorsText(validate.errors)}`);
}

function checkHeaders({ headers: declared = {} }, { headers }, where) {
  for (const [name, reference] of Object.entries(declared)) {
    const text = headers[name.toLowerCase()];
    if (name !== 'Link') assert.ok(text, `${where}: ${name}`);
    if (found(reference).schema.type === 'integer') assert.match(text, /^[1-9][0-9]*$/, `${where}: ${name}`);
  }
  assert.equal(headers['set-cookie'], undefined, where);
  assert.equal(headers['access-control-allow-origin'], undefined, where);
  assert.equal(headers['x-content-type-options'], 'nosniff', where);
}

export function check(operationId, response) {
  const { status, data } = response;
  const where = `${operationId}: ${status} ${JSON.stringify(data)}`;
  const { responses } = operations.find((operation) => operation.operationId === operationId);
  const declared = found(responses[status] ?? responses.default);
  assert.ok(responses[status] || (status >= 400 && status < 500) || status === 503, where);
  checkBody(declared, response, where);
  checkHeaders(declared, response, where);
  assert.equal(response.headers['cache-control'], 'no-store', where);
  if (status >= 400) assert.equal(data.status, status, where);
  seen.add(`${operationId} ${status}`);
  return response;
}

// A client as somebody, in a project: client.getMe() and so on, each by the operationId
export async function clientOf(token, { project = PROJECTS.support, address = service.address } = {}) {
  const api = new OpenAPIClientAxios({
    definition: definition(), withServer: { url: `${address}/api/v1` },
    axiosConfigDefaults: { validateStatus: () => true, headers: { authorization: `Bearer ${token}` } },
  });
  const client = await api.init();
  const has = ({ parameters = [] }) => parameters.some(({ $ref: ref }) => ref === '#/components/parameters/ProjectId');
  return Object.fromEntries(operations.map((operation) => [operation.operationId, async (parameters = {}, body = undefined, config = {}) =>
    check(operation.operationId, await client[operation.operationId](
      { ...(has(operation) ? { 'X-Project-ID': project } : {}), ...parameters }, body, config))]));
}

export const people = Object.fromEntries(await Promise.all(['alice', 'bob', 'carol'].map(async (name) =>
  [name, await clientOf(tokens[name], { project: name === 'carol' ? PROJECTS.research : PROJECTS.support })])));

// What no client of a library sends
export function raw(method, path, { headers = {}, body, address = service.address } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined || headers['transfer-encoding'] ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = http.request(`${address}/api/v1${path}`, { method, headers: { ...length, ...headers }, agent: false }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = /json/.test(response.headers['content-type']) && text !== '';
        resolve({ status: response.statusCode, headers: response.headers, text, data: isJson ? JSON.parse(text) : text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const as = (name, project = PROJECTS.support) => ({ authorization: `Bearer ${tokens[name]}`, 'x-project-id': project });
export const asJson = (name, project) => ({ ...as(name, project), 'content-type': 'application/json' });

// An error that is told as the document says
export function assertProblem({ status, headers, data }, expected, code, where) {
  assert.deepEqual([status, data.code], [expected, code], `${where ?? ''} ${JSON.stringify(data)}`);
  assert.ok(headers['content-type'].startsWith('application/problem+json'), where);
  const validate = validatorOf({ $ref: '#/components/schemas/Problem' });
  assert.ok(validate(data), `${where}: ${schemas.errorsText(validate.errors)}`);
  assert.doesNotMatch(JSON.stringify(data), /tarx_keys\.|sk-tarx-\w|enter_run/, where);
}

// Sealing, as a client of the API does

const { data: { public_key: publicKey } } = await people.alice.getSealingKey();
const usual = new Map((await people.alice.listProviders()).data.data.map(({ slug, default_base_url: url }) => [slug, url]));
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const key = Buffer.from(publicKey, 'hex');

export const keyBox = async (what) => hex(await sealLlmKey(sodium, key, {
  projectId: PROJECTS.support, destination: what.baseUrl ?? usual.get(what.provider), ...what,
}));
export const replacementBox = async (what) => hex(await sealReplacement(sodium, key, {
  projectId: PROJECTS.support, destination: usual.get(what.provider), ...what,
}));
export const secretBox = async (what) => hex(await sealSecret(sodium, key, { projectId: PROJECTS.support, ...what }));
export { provider };
