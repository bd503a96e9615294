import { startPostgres } from "../servers/postgres.mjs";
import { startRedis } from "../servers/redis.mjs";

// Starts both servers and does not stop them. A test checks that they end with this process.

const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
process.on("message", () => process.exit(1));
process.send([redis, postgres].map(({ port, folder }) => ({ port, folder })));
