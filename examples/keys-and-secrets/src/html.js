// HTML by tagged templates: what is put in is escaped, unless it was made here.

class Html {
  constructor(text) { this.text = text; }
  toString() { return this.text; }
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function markup(value) {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(markup).join('');
  if (value === null || value === undefined || value === false) return '';
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

export function html(strings, ...values) {
  return new Html(String.raw({ raw: strings }, ...values.map(markup)));
}

// Text of ours that is markup already
export const raw = (text) => new Html(text);
