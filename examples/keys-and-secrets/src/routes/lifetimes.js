// How long a platform key is to be valid.

import { BadInput } from '../../../client/index.js';

const DAYS = /^[1-9]\d{0,10}$/;

// The days, or null for no end, which is never meant unless it is said
export function daysIn(text) {
  if (text === 'never') return null;
  if (DAYS.test(text ?? '')) return text;
  throw new BadInput({ code: '22023', column: 'expires_at', message: 'it is not said how long the key is valid', hint: 'Choose one of the list.' });
}
