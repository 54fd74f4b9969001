// Tables that become cards on narrow screens, and stay tables for screen readers

import { html } from '../html.js';

export function table(caption, columns, rows) {
  return html`<table role="table" aria-label="${caption}">
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col">${column}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map((cells) => html`
<tr role="row">${cells.map((cell, i) => html`<td role="cell" data-label="${columns[i]}">${cell}</td>`)}</tr>`)}
</tbody></table>`;
}
