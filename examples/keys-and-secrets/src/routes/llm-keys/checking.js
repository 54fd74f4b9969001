// What the database would say of a form whose value has not been sealed yet: it is tried
// with a value that is nobody's, and taken back. So what is typed into the form is still
// there when something is wrong.

import { explain } from '../../errors.js';
import { attempt } from '../common.js';

class TakeBack extends Error {}

// A value of the form that keys of the provider have
export function placeholder({ key_prefixes: [prefix = ''] }) {
  return `${prefix}5Tq8Zr2Wm9Xv4Lp7Kd3Hs6Jn1`;
}

// What is wrong, by field; nothing is left of the work
export async function problemsOf(client, work) {
  const error = await attempt(client, async () => {
    await work();
    throw new TakeBack();
  });
  return error instanceof TakeBack ? {} : explain(error).fields;
}
