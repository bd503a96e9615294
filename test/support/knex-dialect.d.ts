declare module "knex/lib/dialects/better-sqlite3/index.js" {
  /** The class of knex that calls better-sqlite3. */
  export default class BetterSqlite3 {
    _driver(): unknown;
  }
}
