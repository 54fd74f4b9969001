// Where things are: every address of a page is made here.

export const settings = (view, rest = '') => `/${encodeURIComponent(view.userId)}/settings${rest}`;

// rest may end in an anchor; more is what else the page is asked for
export function inProject(view, rest = '', more = {}) {
  const [path, hash] = rest.split('#');
  const query = new URLSearchParams({ project: view.project.id, ...more });
  return `${settings(view, path)}?${query}${hash ? `#${hash}` : ''}`;
}

// In the project if there is one
export const here = (view, rest = '', more) => (view.project ? inProject(view, rest, more) : settings(view, rest));
