// The tab Members.

export function memberRoutes() {
}
