import { noPostgres } from "../../support/servers/postgres.mjs";
import { noRedis } from "../../support/servers/redis.mjs";
import { runRoundTrips } from "../runner/round-trips/round-trips.mjs";

/** How often each kind of request calls the store, and that no number grows with the number of sessions. */
export const roundTrips = {
  name: "round-trips",
  missing: noRedis || noPostgres,
  size: { sessions: 100_000 },
  run: runRoundTrips,
};
