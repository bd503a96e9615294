import { startPostgres } from "../servers/postgres.mjs";
import { startRedis } from "../servers/redis.mjs";

// Starts both and stops neither: for what is left when a process ends that has servers.

const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
process.on("message", () => process.exit(1));
process.send([redis, postgres].map(({ port, folder }) => ({ port, folder })));
