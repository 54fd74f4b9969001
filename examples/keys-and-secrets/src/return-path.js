// Where somebody goes after signing in: back to where they were, if that is a page of
// their own settings here, and nowhere else.

const HERE = 'http://service.invalid';
const LONGEST = 6000;

export const settingsOf = (userId) => `/${encodeURIComponent(userId)}/settings`;

// A URL says what a browser would make of the text: "//evil", "/\evil" and "/x/../../evil"
// are no paths below the settings. What is returned begins with these.
export function returnPath(text, userId) {
  const home = settingsOf(userId);
  if (typeof text !== 'string' || text.length > LONGEST) return home;
  try {
    const { origin, pathname, search, hash } = new URL(text, HERE);
    const isOwn = origin === HERE && (pathname === home || pathname.startsWith(`${home}/`));
    return isOwn ? pathname + search + hash : home;
  } catch {
    return home;
  }
}

// The page of ours that a form was on
export function pathOf(referer) {
  try {
    const { pathname, search } = new URL(referer);
    return pathname + search;
  } catch {
    return undefined;
  }
}

// The sign-in page, which says why one is there, and leads back
export function signInPath({ why, to }) {
  const query = new URLSearchParams({ ...(why && { why }), ...(to && { to }) });
  return `/?${query}`;
}

// The way back to the page of a form whose session had ended: what it had in the fields
// that its route says are kept, which are never values, keys or tokens
export function pathWith(url, body, keeps) {
  const { pathname, searchParams } = new URL(url, HERE);
  for (const name of ['project', ...keeps]) {
    if (body[name]) searchParams.set(name, body[name]);
  }
  return `${pathname}?${searchParams}`;
}
