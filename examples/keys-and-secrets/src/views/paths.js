// Where things are: every address of a page is made here.

export const settings = (view, rest = '') => `/${encodeURIComponent(view.userId)}/settings${rest}`;

export const inProject = (view, rest = '') => {
  const [path, hash] = rest.split('#');
  return `${settings(view, path)}?project=${view.project.id}${hash ? `#${hash}` : ''}`;
};

// In the project if there is one
export const here = (view, rest = '') => (view.project ? inProject(view, rest) : settings(view, rest));
