// Times as people say them, "3 min ago", with the exact time as the title. The server
// knows UTC only; public/times.js writes the title in the reader's zone.

import { html } from '../html.js';

const UNITS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3600], ['min', 60]];

// public/times.js has the same words
export function spoken(date, now = Date.now()) {
  const seconds = Math.round((date - now) / 1000);
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? [];
  if (unit === undefined) return seconds > 0 ? 'in less than a minute' : 'just now';
  const count = Math.floor(Math.abs(seconds) / size);
  const words = `${count} ${unit}${count === 1 || unit === 'min' ? '' : 's'}`;
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

export function exact(date) {
  const iso = date.toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

// A time, or what stands for none
export function ago(date, never = 'never') {
  if (date === null || date === undefined) return never;
  return html`<time datetime="${date.toISOString()}" title="${exact(date)}" data-spoken>${spoken(date)}</time>`;
}

// The exact time, to be read and not only pointed at
export function at(date) {
  return html`<time datetime="${date.toISOString()}" data-exact>${exact(date)}</time>`;
}

// A time that is to come, as a field has it
export const comingTime = (date) => (date !== null && date > new Date() ? date.toISOString().slice(0, 16) : '');
