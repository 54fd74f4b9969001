// What a refusal by the server means on a page: which status, at which field, and in
// which words. Its messages and hints never contain a value.

import { inWords } from './words.js';

export const STATUS = {
  22023: 422, TK013: 422,
  23505: 409, 23514: 409, 40001: 409, TK002: 409, TK014: 409, TK015: 409,
  42501: 403,
  42704: 404, TK001: 404, TK003: 404, TK011: 404,
  TK004: 409, TK005: 503, TK006: 503,
  22003: 422, 22008: 422, 22021: 422,
  TK016: 409, TK017: 409,
  '0A000': 409, 54000: 409, '55P03': 503,
};

// PostgreSQL's own messages quote what was given, so the client leaves them out; those about
// run tickets are for who writes a runner.
export const OWN_TEXT = {
  22003: 'A number is out of range.',
  22008: 'A date is out of range.',
  22021: 'A text has a character that cannot be stored.',
  23514: 'This is the only admin of the project, and it must keep one. Make another member an admin first.',
  '0A000': 'Who is a member is decided in your application, which has a table of its own for it. Change it there.',
  TK016: 'Your right to use this key, or the agent, has changed meanwhile. Reload the page and try again.',
  TK017: 'This took too long: the right to use the key lasts for a minute. Try again.',
};

// What PostgreSQL says of a value that it cannot read has no column, and many codes.
export const isUnreadable = ({ code, column }) => /^22/.test(code) && column === undefined;

export const statusOf = (error) => STATUS[error.code] ?? (isUnreadable(error) ? 422 : undefined);
export const ownText = (error) => OWN_TEXT[error.code] ?? (isUnreadable(error) ? 'A value is not of the form that it must have.' : undefined);

// Whether the database is not there, goes away or has no room. What node-postgres says of a
// connection that it has lost has no code.
const IS_UNAVAILABLE = /^(08|53|57|E[A-Z]+$)/;
const IS_LOST = /^(timeout exceeded|Connection terminated|Client has encountered a connection error)/;
export const isUnavailable = ({ code, message }) => IS_UNAVAILABLE.test(code) || (code === undefined && IS_LOST.test(message));

// The extension names the argument that an error is about as the error's column.
// These are the ones that our forms have a field for, and which field.
const FIELDS = new Map([
  ['name', 'name'],
  ['description', 'description'],
  ['base_url', 'base_url'],
  ['provider', 'provider'],
  ['expires_at', 'expires'],
  ['sealed', 'value'],
  ['key_value', 'value'],
  ['value', 'value'],
  ['options', 'options'],
  ['changes', 'options'],
  ['user_api_key_id', 'key'],
  ['user_id', 'user'],
  ['role', 'role'],
]);

// Of options, the message names the one that is wrong.
function fieldOf({ column, message }) {
  const field = FIELDS.get(column) ?? 'form';
  if (field !== 'options') return field;
  return /^"(\w+)" in /.exec(message)?.[1] ?? (message.startsWith('header') || message.startsWith('a header') ? 'headers' : 'options');
}

// { status, fields: { field: text } }; an error that is none of these is thrown on
export function explain(error) {
  const status = statusOf(error);
  if (status === undefined) throw error;
  const own = ownText(error);
  if (own) return { status, fields: { form: own } };
  return { status, fields: { [fieldOf(error)]: inWords(error) } };
}

// What the log gets of an error: no message, because those of others than the
// client quote what they were given.
export function loggable(error) {
  const frames = String(error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { type: error.name, code: error.code ?? '', stack: frames.slice(0, 8).join('\n') };
}
