// Links marked data-dialog show the page that they lead to in a dialog over this one. The
// address is that of the page, so a reload shows it by itself; Back and Escape close it.
// Such a link within a dialog, or its page, shows the next one in its place.

import { added } from './content.js';
import { forgetFields, keepFields, partOf, showPart } from './parts.js';

let dialog = null;
let opener = null;
let isOpening = false;
let isChanged = false;      // what is below has changed meanwhile
const titleBelow = document.title;

const partHere = () => (dialog ?? document).querySelector('[data-dialog-part]');

function mayLeave() {
  const { ask } = partHere()?.dataset ?? {};
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
  forgetFields();
  giveBackFocus();
}

// By who reads: Escape, the cross, Cancel
function leave() {
  if (!mayLeave()) return;
  if (isChanged) location.replace(partHere().dataset.back);
  else history.back();    // popstate removes it
}

function make() {
  const made = document.createElement('dialog');
  made.setAttribute('aria-labelledby', 'dialog-title');
  made.innerHTML = '<button type="button" class="quiet cross" data-close aria-label="Close">×</button><div class="dialog-body"></div>';
  made.addEventListener('cancel', (event) => { event.preventDefault(); leave(); });
  // a click beside it, unless something could be lost
  made.addEventListener('mousedown', (event) => { if (event.target === made && !made.querySelector('input:not([type=hidden]), textarea')) leave(); });
  document.body.append(made);
  return made;
}

// Shows a part where the dialog is, or in the place of the part of this page
export function put(part, fields) {
  const place = dialog?.querySelector('.dialog-body') ?? partHere().parentElement;
  showPart(place, part, fields);
  added(place);
}

async function open(href) {
  isOpening = true;
  const answer = await partOf(href).catch(() => null);
  isOpening = false;
  if (answer === null) {
    location.assign(href);
    return;
  }
  history.pushState({ dialog: href }, '', href);
  show(answer);
}

function show({ part, title }) {
  dialog ??= make();
  document.title = title;
  if (!dialog.open) dialog.showModal();
  put(part);
}

// Another page in the place of this one; what was typed into fields of the same name stays
export async function showHref(href, { keeps = true } = {}) {
  const answer = await partOf(href).catch(() => null);
  if (answer === null) {
    location.assign(href);
    return;
  }
  const fields = keeps ? keepFields(partHere()) : forgetFields();
  history.replaceState(dialog && { dialog: href }, '', href);
  document.title = answer.title;
  put(answer.part, fields);
}

// What is below is read again when the dialog is left
export function changed() {
  isChanged = dialog !== null;
}

// After a change: to a page, or to one that is shown in the same place
export async function goOn(href, { stays }) {
  if (!stays) {
    location.replace(href);
    return;
  }
  isChanged = true;
  await showHref(href, { keeps: false });
}

function follow(event) {
  const { target, button, metaKey, ctrlKey, shiftKey, altKey } = event;
  const link = target.closest('a[data-dialog]');
  if (link === null || button !== 0 || metaKey || ctrlKey || shiftKey || altKey || event.defaultPrevented) return;
  event.preventDefault();
  if (partHere()?.contains(link)) {
    showHref(link.href);
    return;
  }
  if (isOpening) return;
  opener = link;
  const menu = link.closest('details[data-menu]');
  if (menu) menu.open = false;
  open(link.href);
}

document.addEventListener('click', (event) => {
  if (dialog !== null && event.target.closest('dialog [data-close]')) {
    event.preventDefault();
    leave();
    return;
  }
  follow(event);
});

window.addEventListener('popstate', async ({ state }) => {
  if (state?.dialog) {
    const answer = await partOf(state.dialog).catch(() => null);
    if (answer === null) location.reload();
    else show(answer);
  } else if (dialog !== null) remove();
});
// a reload shows the page by itself
if (history.state?.dialog) history.replaceState(null, '');

window.addEventListener('beforeunload', (event) => {
  if (partHere()?.dataset.ask && !isLeaving) event.preventDefault();
});
let isLeaving = false;
// "I have saved it" says that it may be left
document.addEventListener('click', ({ target }) => { if (target.closest('[data-may-leave]')) isLeaving = true; }, true);
