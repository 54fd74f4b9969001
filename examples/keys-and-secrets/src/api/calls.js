// Calls of the database's functions, by the names of their arguments; those that are
// undefined are left to their defaults.

import { withoutValues } from '../../../client/index.js';
import { notFound } from './problems.js';

export async function rowsOf(client, name, given) {
  const args = Object.entries(given).filter(([, value]) => value !== undefined);
  const list = args.map(([argument], i) => `${argument} => $${i + 1}`);
  return (await client.query(`SELECT * FROM tarx_keys.${name}(${list})`, args.map(([, value]) => value))).rows;
}

// What a function returns that returns one value
export async function call(client, name, given) {
  const [row] = await rowsOf(client, name, given);
  return Object.values(row)[0];
}

// One row of a list, or 404
export async function rowOf(client, { select, from }, column, value) {
  const { rows } = await client.query(`SELECT ${select} FROM ${from} WHERE ${column} = $1`, [value]);
  if (rows.length === 0) throw notFound();
  return rows[0];
}

// An error about what this field of the request names, rather than its path
export const about = (field, work) => work.catch((error) => {
  const ours = withoutValues(error);
  if (/^TK00[123]$/.test(ours.code)) ours.column = field;
  throw ours;
});

// What is not answered by 200 and a body, or by 204 and none
export class Answer {
  constructor(status, body, location) {
    Object.assign(this, { status, body, location });
  }
}

// What was made, and where it is
export const created = (location, body) => new Answer(201, body, location);

export const bytes = (hex) => (hex === undefined ? undefined : Buffer.from(hex, 'hex'));
