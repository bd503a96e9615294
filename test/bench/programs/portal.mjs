import { pathToFileURL } from "node:url";
import { EVERYBODY } from "./people.mjs";
import { portalOf } from "./portal-of.mjs";
import { tell } from "./serve.mjs";

const { from, ...client } = await tell({ loaded: true });
const { startPortal, DEMO_PEOPLE } = await import(pathToFileURL(portalOf(from)));
const people = DEMO_PEOPLE && [...DEMO_PEOPLE, ...EVERYBODY]; // old versions know their own alone
// a longer life than any benchmark: no token may expire in the middle of one
const { issuer } = await startPortal({ ...client, accessTokenSeconds: 24 * 60 * 60, people });
process.send({ issuer });
