// Errors as the API tells them: application/problem+json, RFC 9457, with the SQLSTATE of
// the database's errors or a word of ours as the code. Their texts have no values: those
// of the extension by its rule, those of PostgreSQL because the client leaves them out.

import { STATUS_CODES } from 'node:http';
import { isUnavailable, ownText, statusOf } from '../errors.js';

export class Problem extends Error {
  constructor(status, code, detail, { hint, field, headers = {} } = {}) {
    super(detail);
    Object.assign(this, { status, code, hint, field, headers });
  }
}

const AGAIN = { 'retry-after': '1' };
export const UNAVAILABLE = new Problem(503, 'unavailable', 'The database cannot be asked now.', { hint: 'Ask again later.', headers: AGAIN });

// Where the page and a program want to know different things
const STATUSES = {
  TK002: 404,                                            // it is gone, also for who deletes it twice
  54000: 409, '0A000': 409, 55000: 503,
  40001: 503, '40P01': 503, '55P03': 503, 25006: 503,    // ask again
};
const NOT_FOUND = new Set(['TK001', 'TK002', 'TK003', 'TK011', '42704']);

const OWN = {
  TK016: 'Your right to use this key has changed meanwhile.',
  TK017: 'The right to use the key lasts for a minute, and the provider took longer.',
};

// The name of a field stays as it is
const sentence = (text) => `${/^[a-z]+_/.test(text) ? text[0] : text[0].toUpperCase()}${text.slice(1)}.`;

export const unauthorized = (error) => new Problem(401, error?.code ?? 'unauthorized',
  error ? 'The platform key is wrong, expired or revoked.' : 'A platform key is missing.', {
    hint: 'Send it as “Authorization: Bearer sk-tarx-…”.',
    headers: { 'www-authenticate': `Bearer realm="tarx_keys"${error ? ', error="invalid_token"' : ''}` },
  });

export const notFound = () => new Problem(404, 'not_found', 'There is no such thing, or it is not yours.');

export const tooMany = (seconds, what) => new Problem(429, 'too_many_requests', `Too many ${what} within a minute.`,
  { hint: `Ask again in ${seconds} seconds.`, headers: { 'retry-after': String(seconds) } });

// The database's hints are for SQL. Those that name parts of it are not for who asks us.
const OF_SQL = /tarx_keys\.|transaction/;
const HINTS = {
  42501: 'See what there is for you in GET /projects, your role in GET /projects/{project_id}, and what your platform key may in GET /me.',
  TK001: 'GET /llm-keys lists the keys of the project.',
  TK002: 'GET /llm-keys lists the keys of the project.',
  TK003: 'GET /agents lists the agents of the project, and what each uses.',
  TK011: 'GET /secrets lists the secrets of the project.',
  TK013: 'Get the public key again from GET /sealing-key, and seal the value again for exactly this project, this request, and where the key goes; boxes are good for minutes, at most a day.',
  42704: 'See the list.',
};
const hintOf = ({ code, hint = '' }) => (OF_SQL.test(hint) ? HINTS[code] : hint || HINTS[code]);

const knownStatus = (error) => STATUSES[error.code] ?? statusOf(error);

// An error of the database; fields are what the request has
function ofDatabase(error, fields) {
  const field = fields.has(error.column) ? error.column : undefined;
  const isAbsent = NOT_FOUND.has(error.code);
  // what the body or the query names and is not there is a wrong value
  const status = isAbsent && field !== undefined ? 422 : knownStatus(error);
  const headers = status === 503 ? AGAIN : {};
  const own = OWN[error.code] ?? ownText(error);
  return own ? new Problem(status, error.code, own, { field, headers })
    : new Problem(status, error.code, sentence(error.message), { hint: hintOf(error), field, headers });
}

// What does not fit the document. Neither the value is told, nor a name that could be one.
function ofValidation({ validation, validationContext: part }, method) {
  if (part === 'params' && method !== 'PUT') return notFound();
  const wrong = validation.at(-1);    // before it are those of the parts of a oneOf
  const [, inPath] = /^\/([^/]*)/.exec(wrong.instancePath) ?? [];
  const { missingProperty: missing, additionalProperty: unknown } = wrong.params;
  const name = inPath ?? missing ?? (/^[A-Za-z_]{1,40}$/.test(unknown) ? unknown : undefined);
  const field = name === 'x-project-id' ? 'X-Project-ID' : name;
  return new Problem(400, 'invalid_request', whatIsWrong(wrong, field, part), { field, hint: UNSEALED.test(unknown) ? SEAL : SEE_DOCUMENT });
}

const UNSEALED = /^(key_?|secret_?)?value$|^(api_?)?key$|^options$/i;
const SEAL = 'Values and options come sealed, in the field “sealed”: see GET /sealing-key.';
const SEE_DOCUMENT = 'What a request has is in openapi.json.';

const BY_DESCRIPTION = new Set(['pattern', 'format', 'not', 'oneOf']);

function whatIsWrong({ keyword, message, parentSchema }, field, part) {
  const whole = part === 'body' ? 'The body' : 'The address';
  const what = field === undefined ? whole : `“${field}”`;
  if (keyword === 'required') return `${what} is missing.`;
  if (keyword === 'additionalProperties') return field === undefined ? `${whole} has a field that is not known here.` : `There is no field ${what} here.`;
  // these are for programs
  return BY_DESCRIPTION.has(keyword) && parentSchema.description ? `${what} is not as it must be. ${parentSchema.description}` : `${what} ${message}.`;
}

const OF_REQUEST = {
  400: ['invalid_request', 'The request cannot be read.'],
  408: ['invalid_request', 'The request took too long.'],
  413: ['too_large', 'The body is too large.'],
  414: ['too_large', 'The address is too long.'],
  415: ['unsupported_media_type', 'A body of the type application/json was expected, without an encoding.'],
  429: ['too_many_requests', 'Too many requests within a minute.'],
};
export const ofRequest = (status) => new Problem(status, ...(OF_REQUEST[status] ?? OF_REQUEST[400]));

// Those of Fastify and of the limits have one
const isOfRequest = ({ statusCode: status }) => status >= 400 && status < 500;

export function problemOf(error, { method, fields = new Set() }) {
  if (error instanceof Problem) return error;
  if (error.validation) return ofValidation(error, method);
  if (error.code === 'TK010') return unauthorized(error);
  if (knownStatus(error)) return ofDatabase(error, fields);
  if (isOfRequest(error)) return ofRequest(error.statusCode);
  if (isUnavailable(error)) return UNAVAILABLE;
  return new Problem(500, 'failed', 'The request failed. It has been logged.');
}

export function sendProblem(reply, { status, code, message, hint, field, headers }) {
  return reply.code(status).headers(headers).type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, code, detail: message, hint, field }));
}
