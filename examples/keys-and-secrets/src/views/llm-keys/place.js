// The place of a key among those of its provider, which are tried in this order.

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'];
const ordinal = (place) => ORDINALS[place - 1] ?? `number ${place}`;

export const siblings = (keys, key) => keys.filter(({ provider }) => provider === key.provider);

export const placeOf = (keys, key) => siblings(keys, key).findIndex(({ id }) => id === key.id) + 1;

const NUMBERS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

// "second of three"
export function spokenPlace(keys, key) {
  const count = siblings(keys, key).length;
  return `${ordinal(placeOf(keys, key))} of ${NUMBERS[count - 1] ?? count}`;
}

// Which of those of equal order comes first is up to the database.
export function placeFact(keys, key) {
  const others = siblings(keys, key);
  if (others.length < 2) return '';
  const equal = others.filter(({ priority }) => priority === key.priority).length;
  return equal > 1 ? `same order as ${equal - 1} ${equal === 2 ? 'other' : 'others'}` : `tried ${spokenPlace(others, key)}`;
}
