// Links marked data-dialog show the page that they lead to in a dialog over this one. The
// address is that of the page, so a reload shows it by itself; Back and Escape close it.

import { added } from './content.js';
import { partOf, showPart } from './parts.js';

let dialog = null;
let opener = null;
let isChanged = false;      // what is below has changed meanwhile
const titleBelow = document.title;

const part = () => dialog.querySelector('[data-dialog-part]');

function mayLeave() {
  const { ask } = part()?.dataset ?? {};
  // eslint-disable-next-line no-alert
  return !ask || window.confirm(ask);
}

// Where the focus was: in a menu that has closed, its button
function giveBackFocus() {
  const menu = opener?.closest('details');
  (menu && !menu.open ? menu.querySelector('summary') : opener)?.focus();
}

function remove() {
  dialog.close();
  dialog.remove();
  dialog = null;
  document.title = titleBelow;
  giveBackFocus();
}

// By who reads: Escape, the cross, Cancel
function leave() {
  if (!mayLeave()) return;
  if (isChanged) location.replace(part().dataset.back);
  else history.back();    // popstate removes it
}

function make() {
  const made = document.createElement('dialog');
  made.setAttribute('aria-labelledby', 'dialog-title');
  made.innerHTML = '<button type="button" class="quiet cross" data-close aria-label="Close">×</button><div class="dialog-body"></div>';
  made.addEventListener('cancel', (event) => { event.preventDefault(); leave(); });
  // the backdrop, not what is typed in front of it
  made.addEventListener('mousedown', (event) => { if (event.target === made && !made.querySelector('input:not([type=hidden]), textarea')) leave(); });
  document.body.append(made);
  return made;
}

async function open(href, { push }) {
  const answer = await partOf(href).catch(() => null);
  if (answer === null) return location.assign(href);
  dialog ??= make();
  if (push) history.pushState({ dialog: href }, '', href);
  document.title = answer.title;
  if (!dialog.open) dialog.showModal();
  showPart(dialog.querySelector('.dialog-body'), answer.part);
  added(dialog);
  return undefined;
}

// What is below is read again when the dialog is left
export function changed() {
  isChanged = dialog !== null;
}

// The page at href is shown in the dialog that there is, or in its own place
export async function goOn(href, { stays }) {
  if (!stays || dialog === null) return location.replace(href);
  isChanged = true;
  history.replaceState({ dialog: href }, '', href);
  return open(href, { push: false });
}

document.addEventListener('click', (event) => {
  const { target, button, metaKey, ctrlKey, shiftKey, altKey } = event;
  if (target.closest('dialog [data-close]')) {
    event.preventDefault();
    leave();
    return;
  }
  const link = target.closest('a[data-dialog]');
  if (link === null || button !== 0 || metaKey || ctrlKey || shiftKey || altKey || event.defaultPrevented) return;
  event.preventDefault();
  if (dialog === null) opener = link;
  const menu = link.closest('details[data-menu]');
  if (menu) menu.open = false;
  open(link.href, { push: dialog === null });
});

window.addEventListener('popstate', ({ state }) => {
  if (state?.dialog) open(state.dialog, { push: false });
  else if (dialog !== null) remove();
});
// a page of a dialog's history that was left comes back as a whole
if (history.state?.dialog) history.replaceState(null, '');
