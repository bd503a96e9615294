import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import type { Check, Diagnosis } from "../../lib/index.js";

// A CA is something that Node.js reads when it starts: so each diagnosis is one of the command, in a process of its own.

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const DAY_MS = 86_400_000;

type Made = Awaited<ReturnType<typeof generate>>;
interface Wish {
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly host?: string;
  readonly ca?: Made;
  readonly isCa?: boolean;
}

function make({ from = -1, to = 90, host = "localhost", ca, isCa = false }: Wish = {}): Promise<Made> {
  return generate([{ name: "commonName", value: isCa ? `CA ${host}` : host }], {
    keySize: 2048,
    notBeforeDate: new Date(Date.now() + from * DAY_MS),
    notAfterDate: new Date(Date.now() + to * DAY_MS),
    ...(ca && { ca: { key: ca.private, cert: ca.cert } }),
    extensions: [
      { name: "basicConstraints", cA: isCa, critical: true },
      ...(isCa ? [{ name: "keyUsage" as const, keyCertSign: true, critical: true }] : []),
      { name: "subjectAltName", altNames: [{ type: 2, value: host }] },
    ],
  });
}

let root: Made;
beforeAll(async () => {
  root = await make({ isCa: true, host: "of this house" });
});

/** What the doctor says of a portal that shows this certificate, where this CA is trusted. */
async function look(shown: Made, chain: readonly Made[], trusted?: Made): Promise<Check | undefined> {
  const server = createServer({
    key: shown.private,
    cert: [shown, ...chain].map(({ cert }) => cert).join("\n"),
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-ca-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  onTestFinished(() => void server.close());
  await writeFile(join(folder, "ca.pem"), trusted?.cert ?? "");
  const env = {
    PORTAL_ISSUER: `https://localhost:${(server.address() as AddressInfo).port}`,
    PORTAL_CLIENT_ID: "app",
    PORTAL_CLIENT_SECRET: "not-a-secret",
    PORTAL_REDIRECT_URI: "http://127.0.0.1:1/callback",
    PORTAL_HTTP_TIMEOUT: "1",
    SESSION_SECRET: "k7".repeat(20),
    ...(trusted && { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") }),
  };
  const printed = await new Promise<string>((resolve) => {
    execFile(process.execPath, [MAIN, "doctor", "--json"], { env }, (_error, stdout) => resolve(stdout));
  });
  const { checks } = JSON.parse(printed) as Diagnosis;
  return checks.find(({ id }) => id === "portal.certificate");
}

test("of a CA that NODE_EXTRA_CA_CERTS names is trusted, with the days that are left", async () => {
  const seen = await look(await make({ ca: root }), [], root);
  expect(seen).toMatchObject({ verdict: "ok", title: "the certificate is trusted" });
  expect(seen?.found).toMatch(/^by CA of this house, 8[89] days left$/);
});

test("of a CA that nobody has named is not, and the variable is named", async () => {
  const seen = await look(await make({ ca: root }), []);
  expect(seen).toMatchObject({
    verdict: "failed",
    found: expect.stringContaining("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
  });
  expect(seen?.advice).toMatch(/NODE_EXTRA_CA_CERTS=.*where the process is started/);
});

test("that ends in a week is told in time", async () => {
  const seen = await look(await make({ ca: root, to: 7.5 }), [], root);
  expect(seen).toMatchObject({ verdict: "warning", title: "the certificate ends soon" });
  expect(seen?.found).toContain("7 days left");
});

test.each<[string, Wish, RegExp, RegExp]>([
  [
    "that has ended",
    { from: -9, to: -1 },
    /CERT_HAS_EXPIRED.*good until .* GMT/,
    /must renew its certificate/,
  ],
  ["that is not good yet", { from: 1, to: 9 }, /CERT_NOT_YET_VALID/, /this machine's clock is wrong/],
  ["of another host", { host: "other.example" }, /ALTNAME/, /for another host: look at PORTAL_ISSUER/],
])("%s is told by its cause", async (_what, wish, found, advice) => {
  const seen = await look(await make({ ...wish, ca: root }), [], root);
  expect(seen).toMatchObject({ verdict: "failed", title: "the certificate is not trusted" });
  expect(seen?.found).toMatch(found);
  expect(seen?.advice).toMatch(advice);
});

test("whose chain is not sent whole is told so, and with the whole one all is well", async () => {
  const between = await make({ ca: root, isCa: true, host: "between" });
  const leaf = await make({ ca: between });
  const seen = await look(leaf, [], root);
  expect(seen).toMatchObject({
    verdict: "failed",
    advice: expect.stringContaining("does not send the whole chain"),
  });
  expect(await look(leaf, [between], root)).toMatchObject({ verdict: "ok" });
});
