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

// What has been typed into a form marked data-keep, by the names of its fields. A page in
// between may have no form.
let fields = new Map();

export function keepFields(part) {
  const form = part?.querySelector('form[data-keep]');
  if (!form) return fields;
  fields = new Map();
  for (const place of form.querySelectorAll('[data-field]')) {
    const control = place.querySelector('input:not([type=hidden]), select, textarea');
    if (control && control.value !== control.defaultValue) fields.set(place.dataset.field, control.value);
  }
  return fields;
}

export function forgetFields() {
  fields = new Map();
}

function putInto(part, typed) {
  const form = part.querySelector('form[data-keep]');
  if (!form) return;
  for (const [name, value] of typed ?? []) {
    const control = form.querySelector(`[data-field="${CSS.escape(name)}"] :is(input:not([type=hidden]), select, textarea)`);
    if (control) control.value = value;
  }
}

const FIRST = '[aria-invalid], [role="alert"], [autofocus], input:not([type=hidden], [type=checkbox], [readonly]), select, textarea';

function focusIn(part) {
  const found = [...part.querySelectorAll(FIRST)].filter((element) => element.checkVisibility());
  const first = ['[aria-invalid]', '[role="alert"]', '[autofocus]'].map((wanted) => found.find((element) => element.matches(wanted))).find(Boolean)
    ?? found[0] ?? part.querySelector('h2');
  if (first.matches('[role="alert"]')) first.tabIndex = -1;
  first.focus();
}

export function showPart(place, part, typed) {
  putInto(part, typed);
  place.replaceChildren(part);
  focusIn(part);
}
