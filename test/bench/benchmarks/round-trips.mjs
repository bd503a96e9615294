import { noPostgres } from "../../support/servers/postgres.mjs";
import { noRedis } from "../../support/servers/redis.mjs";
import { runRoundTrips } from "../runner/round-trips/round-trips.mjs";

/**
 * Counts the calls of the store for each kind of request, and checks that they do not grow with the sessions.
 */
export const roundTrips = {
  name: "round-trips",
  missing: noRedis || noPostgres,
  size: { sessions: 100_000 },
  run: runRoundTrips,
};
