import { loadProvider } from "./load-provider.mjs";
import { requestFromRunner } from "./serve.mjs";
import { BENCH_USERS } from "./users.mjs";

const { from, ...client } = await requestFromRunner({ loaded: true });
const { start, users: demoUsers } = await loadProvider(from);
const users = [...demoUsers, ...BENCH_USERS];
// The lifetime is longer than any benchmark, so that no token expires during one.
const { issuer } = await start({ ...client, accessTokenSeconds: 24 * 60 * 60, users });
process.send({ issuer });
