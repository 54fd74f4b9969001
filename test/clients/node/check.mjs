// What the programs here have in common. Each prints a line for everything that
// it has looked at, and "done"; test/t/085_clients.pl reads them. The value of a
// key is in none of them.

import { format, isDeepStrictEqual } from 'node:util';

export const { TARX_KEYS_PROJECT: PROJECT, TARX_KEYS_VALUE: VALUE } = process.env;

export function check(what, got, expected = true) {
  const fine = isDeepStrictEqual(got, expected);
  console.log(`${fine ? 'ok' : 'not ok'} ${what}${fine ? '' : `: ${JSON.stringify(got)}`}`);
}

// An error at the argument that it names
export const AT_AN_ARGUMENT = `DO $$ BEGIN
  RAISE EXCEPTION 'not accepted' USING ERRCODE = '22023', COLUMN = 'base_url', HINT = 'Choose another.';
END $$`;

// The error that a promise ends with
export async function failureOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return {};
}

// Where in an error the value is, hidden properties and causes among it
export function placesOf(error) {
  const places = [];
  const seen = new Set();
  const look = (what, path) => {
    if (typeof what === 'string' && what.includes(VALUE)) places.push(path.join('.'));
    if (typeof what !== 'object' || what === null || seen.has(what)) return;
    seen.add(what);
    for (const name of Reflect.ownKeys(what)) look(what[name], [...path, String(name)]);
  };
  look(error, []);
  return places.sort();
}

// What is printed meanwhile by way of console
export async function printedBy(work) {
  const lines = [];
  const methods = ['debug', 'error', 'info', 'log', 'warn'];
  const own = methods.map((method) => console[method]);
  for (const method of methods) console[method] = (...args) => { lines.push(format(...args)); };
  try {
    await work();
  } finally {
    methods.forEach((method, i) => { console[method] = own[i]; });
  }
  return lines.join('\n');
}
