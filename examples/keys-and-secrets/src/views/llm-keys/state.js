// How a key is, in badges and sentences. What is well says nothing.

import { ago, at, badge, html } from '../parts.js';

const DAY = 86_400_000;
const SOON = 14 * DAY;

const isPast = (date) => date !== null && date <= new Date();
const isSoon = (date) => date !== null && date > new Date() && date - Date.now() < SOON;

// [kind, the badge, what it means and what to do]
function stateOf(key) {
  if (key.status !== 'ok') {
    return ['bad', 'needs re-entry', html`It does not open: somebody changed its row, or its master key is missing on the server. Enter its value again or delete it; if you did not expect this, tell who runs this platform.`];
  }
  if (key.state === 'disabled') return ['calm', 'disabled', 'Nobody can use it until it is enabled.'];
  if (key.state === 'expired') return ['bad', 'expired', html`It has not worked since ${at(key.expires_at)}. Replace it, or give it a later end.`];
  if (isSoon(key.expires_at)) return ['warn', html`expires ${ago(key.expires_at)}`, html`It ends ${at(key.expires_at)}. Replace it before.`];
  return null;
}

function healthOf(key) {
  if (key.status !== 'ok' || key.state !== 'enabled') return null;
  const until = key.cooling_until && html` until <time datetime="${key.cooling_until.toISOString()}" data-clock>${key.cooling_until.toISOString().slice(11, 16)} UTC</time>`;
  switch (key.health) {
    case 'rejected': return ['bad', 'rejected', 'The provider did not take it when it was tried last. Replace it, or test it again.'];
    case 'quota': return ['warn', html`quota used up${until}`, 'The provider says that its quota or credit is used up. Other keys are tried first.'];
    case 'cooling': return ['warn', html`cooling${until}`, 'A call with it failed. Other keys are tried first.'];
    default: return null;
  }
}

const reminderOf = (key) => (key.status === 'ok' && key.state === 'enabled' && isPast(key.rotate_after)
  ? ['warn', 'to be replaced', html`It was to be replaced ${ago(key.rotate_after)}.`] : null);

export const statesOf = (key) => [stateOf(key), healthOf(key), reminderOf(key)].filter(Boolean);

export const badges = (key) => statesOf(key).map(([kind, label]) => badge(kind, label));

// Whether the one thing to do is to put another value in its place
export const isToReplace = (key) => key.status !== 'ok' || key.state === 'expired'
  || (key.state === 'enabled' && (key.health === 'rejected' || isPast(key.rotate_after) || isSoon(key.expires_at)));
