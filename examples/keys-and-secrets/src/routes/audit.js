// The tab Audit: a project's log, page by page, filtered, and as a file.

import { exportCsv, filterIn, readNames, readPage } from '../audit-log.js';
import { readMembers } from '../read/members.js';
import { auditPage } from '../views/audit.js';
import { take, WITHOUT_PROJECT } from './common.js';

const BASE = '/:username/settings/audit';

export function auditRoutes(app, on) {
  app.get(BASE, WITHOUT_PROJECT, (request, reply) => on.show(request, reply, async (client, view) => {
    const filter = filterIn(request.query);
    view.notice = take(request.session, 'notice');
    if (view.project && view.role === 'admin') {
      const { rows, next } = await readPage(client, filter);
      Object.assign(view, { entries: rows, next, names: await readNames(client, rows) });
      await readMembers(client, view);
      view.people = view.members.map((member) => member.user_id);
    }
    return auditPage(view, filter);
  }));

  app.get(`${BASE}.csv`, async (request, reply) => {
    // the database refuses it to others than admins
    const csv = await on.act(request, (client) => exportCsv(client, filterIn(request.query)));
    const day = new Date().toISOString().slice(0, 10);
    return reply.type('text/csv; charset=utf-8').header('content-disposition', `attachment; filename="audit-${day}.csv"`).send(csv);
  });
}
