export async function rows(client, sql, values) {
  return (await client.query(sql, values)).rows;
}
