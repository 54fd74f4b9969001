// Times in the reader's zone, and how long ago they are, kept up to date.

import { onContent } from './content.js';

const UNITS = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3600], ['min', 60]];
const EXACT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
const ZONE = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' });

// src/views/times.js has the same words
function spoken(date) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? [];
  if (unit === undefined) return seconds > 0 ? 'in less than a minute' : 'just now';
  const count = Math.floor(Math.abs(seconds) / size);
  const words = `${count} ${unit}${count === 1 || unit === 'min' ? '' : 's'}`;
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

const zoneOf = (date) => ZONE.formatToParts(date).find(({ type }) => type === 'timeZoneName').value;
const exact = (date) => `${EXACT.format(date)} ${zoneOf(date)}`;

function speak(root) {
  for (const time of root.querySelectorAll('time[data-spoken]')) {
    const date = new Date(time.dateTime);
    time.title = exact(date);
    time.textContent = spoken(date);
  }
}

// Fields with times: pages and requests have them in UTC, people in their zone.

const two = (number) => String(number).padStart(2, '0');

function localField(text) {
  const date = new Date(`${text}Z`);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

function prepareFields(root) {
  for (const input of root.querySelectorAll('input[data-utc]:not([data-local])')) {
    input.dataset.local = '';
    if (input.value !== '') input.value = localField(input.value);
  }
  for (const zone of root.querySelectorAll('[data-zone]')) zone.textContent = '(your time)';
}

document.addEventListener('formdata', ({ target, formData }) => {
  for (const { name, value } of target.querySelectorAll('input[data-local]')) {
    if (value !== '') formData.set(name, new Date(value).toISOString().slice(0, 16));
  }
});

function speakClocks(root) {
  for (const time of root.querySelectorAll('time[data-clock]')) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  }
}

onContent((root) => {
  prepareFields(root);
  speakClocks(root);
  for (const time of root.querySelectorAll('time[data-exact]')) time.textContent = exact(new Date(time.dateTime));
  speak(root);
});
setInterval(() => speak(document), 30_000);
