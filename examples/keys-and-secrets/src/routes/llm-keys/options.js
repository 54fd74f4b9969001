// The options that a form sends. With a value to seal they are in its box, and these are
// only to show the form again, and to check it; headers' values are not among them.

const NAMES = ['priority', 'expires_at', 'rotate_after', 'allowed_models', 'header_names'];

export const optionsIn = (body) => Object.fromEntries(NAMES.filter((name) => body[name] !== undefined).map((name) => [name, body[name]]));

const time = (text) => (text ? `${text}Z` : null);

// A text that is no number goes as it is, for the database to say so
const number = (text) => (text === '' || Number.isNaN(Number(text)) ? text : Number(text));

function models(text) {
  const names = (text ?? '').split(/[\s,]+/).filter(Boolean);
  return names.length > 0 ? names : null;
}

// As the database takes them
export function changesIn({ priority, expires_at: expires, rotate_after: rotate, allowed_models: allowed }) {
  return {
    ...(priority ? { priority: number(priority) } : {}),
    expires_at: time(expires), rotate_after: time(rotate), allowed_models: models(allowed),
  };
}

// Headers without their values, which stay in the browser
function headersIn({ header_names: names }) {
  const given = (names ?? '').split(' ').filter(Boolean);
  return given.length > 0 ? { headers: Object.fromEntries(given.map((name) => [name, 'x'])) } : {};
}

// The options of a key that is to be added or replaced, to be checked before its value is sealed
export const optionsToCheck = (body) => ({ ...changesIn(body), ...headersIn(body) });
