/** Returns the path of redis-server; undefined if it is not installed. */
export function findRedis(): string | undefined;
/** Returns the folder of initdb, pg_ctl and postgres; undefined if they are not installed. */
export function findPostgres(): string | undefined;
