// The parts that all sections are made of. A view imports them from here:
//
//   section({ id, title, about, action, body })      a heading with its main button at the right
//   rows(label, [row({ id, name, icon, badges, facts, aside, primary, actions, more })])
//       id is an anchor, so that a notice can lead to "#id", where the row is marked for a
//       moment; facts are the second line; primary is the one action that is seen; actions
//       go into the menu. What is false is left out.
//   link(href, label, { of, dialog, className })     an action by GET; opens a dialog unless dialog is false.
//       className 'button' makes a link look as a button. of is the row's name, for screen readers
//   post(view, href, label, { of, fields, className })   an action by POST: a form with one button
//       A primary with className 'in-menu', and the same link among actions with 'on-phone', is in the
//       menu on a phone, where the name needs the room.
//   menu(of, actions)      the menu alone
//   mark(slug, label)      a letter in a coloured square
//   badge(kind, label)     kind: bad, warn, good, calm; only where the state is not plain "ok"
//   ago(date, never)       "3 min ago", the exact time in the title, in the reader's zone
//   at(date)               the exact time
//   empty(sentence, action)
//   due(title, items)      what waits for the reader, on top of a section
//
// A dialog is a page of its own, by GET, and the same in a <dialog> with scripts:
//
//   dialogPage(view, tab, { title, body, back, wide, ask })
//       tab is the name of the tab it belongs to. The first [autofocus] has the focus, else
//       the first field. body is one or more forms; each ends with buttons(label, back, className).
//       A refused POST renders the same dialogPage again, with view.problem or form.fields
//       set (change() in routes/acting.js does), by its status (422, 409, …): it is put in
//       place, the first [aria-invalid] or the alert gets the focus, and fields whose value
//       never left the browser (data-value) keep it.
//   confirmation(view, tab, { title, breaks, safer, action, verb, fields, back })
//       what breaks (html), the safer way (html, a link or a form), verb as "Delete Claude"
//
// Forms: field(form, name, label, kind, hint) with kind one of text(name, attributes),
// textArea, select(name, options), secretInput, secretArea; checkbox(); hidden(view) in
// each form. form is { id, values, fields }: what was typed, and what is wrong with it.
// A form to seal has sealAttributes(view, purpose), <input type="hidden" name="sealed">
// and one control with data-value.
//
// What a change says afterwards is its notice: a text, or
// { text, next: { href, label, dialog }, undo: { action, fields, label } }.
//
// Scripts find these attributes, wherever they are: data-dialog, data-close (closes
// the dialog), data-menu, data-copy="id", data-submit (a select that sends its form),
// data-without-script, data-native (a form in a dialog that leaves it).
// A module of public/ that has to prepare elements calls onContent(root => …) of
// public/content.js, which runs for the page and for each dialog.

export { html } from '../html.js';
export { here, inProject, settings } from './paths.js';
export { ago, at, comingTime, exact, spoken } from './times.js';
export { alert, button, buttons, checkbox, field, hidden, hintLine, sealAttributes, secretArea, secretInput, select, text, textArea } from './fields.js';
export { away, badge, empty, link, mark, menu, post, row, rows, section } from './rows.js';
export { due, notice } from './notices.js';
export { confirmation, dialogPage } from './dialog.js';
export { frame, layout } from './layout.js';
