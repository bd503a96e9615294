import { pathToFileURL } from "node:url";
import { portalOf } from "./portal-of.mjs";
import { tell } from "./serve.mjs";

const { from, ...client } = await tell({ loaded: true });
const { startPortal } = await import(pathToFileURL(portalOf(from)));
// a longer life than any benchmark: no token may expire in the middle of one
const { issuer } = await startPortal({ ...client, accessTokenSeconds: 24 * 60 * 60 });
process.send({ issuer });
