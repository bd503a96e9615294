import { pathToFileURL } from "node:url";
import { tell } from "./serve.mjs";

const { from, ...client } = await tell({ loaded: true });
const { startPortal } = await import(pathToFileURL(`${from}/example-app/dist/portal/portal.js`));
// a longer life than any benchmark: no token may expire in the middle of one
const { issuer } = await startPortal({ ...client, accessTokenSeconds: 24 * 60 * 60 });
process.send({ issuer });
