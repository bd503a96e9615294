/** The path of redis-server, if this machine has it. */
export function findRedis(): string | undefined;
/** The folder of initdb, pg_ctl and postgres, if this machine has them. */
export function findPostgres(): string | undefined;
