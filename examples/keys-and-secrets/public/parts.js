// The part of a page that dialogs show.

export function partIn(text) {
  const page = new DOMParser().parseFromString(text, 'text/html');
  const part = page.querySelector('[data-dialog-part]');
  return part && { part: document.adoptNode(part), title: page.title };
}

export async function partOf(href) {
  const response = await fetch(href, { headers: { accept: 'text/html', 'x-in-page': '1' } });
  return partIn(await response.text());
}

const FIRST = '[aria-invalid], [role="alert"], [autofocus], input:not([type=hidden]):not([readonly]), select, textarea';

function focusIn(part) {
  const found = [...part.querySelectorAll(FIRST)].filter((element) => element.checkVisibility());
  const first = found.find((element) => element.matches('[aria-invalid]')) ?? found.find((element) => element.matches('[role="alert"]'))
    ?? found.find((element) => element.matches('[autofocus]')) ?? found[0] ?? part.querySelector('h2');
  if (first.matches('[role="alert"]')) first.tabIndex = -1;
  first.focus();
}

export function showPart(place, part) {
  place.replaceChildren(part);
  focusIn(part);
}
