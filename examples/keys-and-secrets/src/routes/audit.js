// The tab Audit.

export function auditRoutes() {
}
