import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import type { Check, Diagnosis } from "../../lib/index.js";
import { serve } from "../support/serve.js";

// Node.js reads NODE_EXTRA_CA_CERTS only at start-up. Therefore each test runs the doctor in a new process.

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const DAY_MS = 86_400_000;

type GeneratedCertificate = Awaited<ReturnType<typeof generate>>;
interface CertificateOptions {
  /** Start of the validity, in days from now. */
  readonly from?: number;
  /** End of the validity, in days from now. */
  readonly to?: number;
  readonly host?: string;
  readonly ca?: GeneratedCertificate;
  readonly isCa?: boolean;
}

function generateCertificate({
  from = -1,
  to = 90,
  host = "localhost",
  ca,
  isCa = false,
}: CertificateOptions = {}): Promise<GeneratedCertificate> {
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

let root: GeneratedCertificate;
beforeAll(async () => {
  root = await generateCertificate({ isCa: true, host: "of the company" });
});

/** Returns the doctor's check of this certificate and its chain. `trusted` is the CA that it trusts. */
async function checkCertificate(
  certificate: GeneratedCertificate,
  chain: readonly GeneratedCertificate[],
  trusted?: GeneratedCertificate,
): Promise<Check | undefined> {
  const server = createServer({
    key: certificate.private,
    cert: [certificate, ...chain].map(({ cert }) => cert).join("\n"),
  });
  const { port } = new URL(await serve(server));
  const folder = await mkdtemp(join(tmpdir(), "portal-auth-ca-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "ca.pem"), trusted?.cert ?? "");
  const env = {
    PORTAL_ISSUER: `https://localhost:${port}`,
    PORTAL_CLIENT_ID: "app",
    PORTAL_CLIENT_SECRET: "not-a-secret",
    PORTAL_REDIRECT_URI: "http://127.0.0.1:1/callback",
    PORTAL_HTTP_TIMEOUT: "1",
    SESSION_SECRET: "k7".repeat(20),
    ...(trusted && { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") }),
  };
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [MAIN, "doctor", "--json"], { env }, (_error, stdout) => resolve(stdout));
  });
  const { checks } = JSON.parse(output) as Diagnosis;
  return checks.find(({ id }) => id === "portal.certificate");
}

test("a certificate of a CA in NODE_EXTRA_CA_CERTS is trusted", async () => {
  const seen = await checkCertificate(await generateCertificate({ ca: root }), [], root);
  expect(seen).toMatchObject({ verdict: "ok", title: "the certificate is trusted" });
  expect(seen?.found).toMatch(/^by CA of the company, 8[89] days left$/);
});

test("a certificate of an unknown CA fails, with NODE_EXTRA_CA_CERTS as advice", async () => {
  const seen = await checkCertificate(await generateCertificate({ ca: root }), []);
  expect(seen).toMatchObject({
    verdict: "failed",
    found: expect.stringContaining("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
  });
  expect(seen?.advice).toMatch(/NODE_EXTRA_CA_CERTS=.*where the process is started/);
});

test("a certificate that expires in a week is a warning", async () => {
  const seen = await checkCertificate(await generateCertificate({ ca: root, to: 7.5 }), [], root);
  expect(seen).toMatchObject({ verdict: "warning", title: "the certificate expires soon" });
  expect(seen?.found).toContain("7 days left");
});

test.each<[string, CertificateOptions, RegExp, RegExp]>([
  [
    "an expired certificate",
    { from: -9, to: -1 },
    /CERT_HAS_EXPIRED.*valid until .* GMT/,
    /must renew its certificate/,
  ],
  [
    "a certificate that is not valid yet",
    { from: 1, to: 9 },
    /CERT_NOT_YET_VALID/,
    /this machine's clock is wrong/,
  ],
  [
    "a certificate for another host",
    { host: "other.example" },
    /ALTNAME/,
    /for another host: check PORTAL_ISSUER/,
  ],
])("%s is reported with its cause", async (_certificate, options, found, advice) => {
  const seen = await checkCertificate(await generateCertificate({ ...options, ca: root }), [], root);
  expect(seen).toMatchObject({ verdict: "failed", title: "the certificate is not trusted" });
  expect(seen?.found).toMatch(found);
  expect(seen?.advice).toMatch(advice);
});

test("an incomplete certificate chain is reported, and a complete one is trusted", async () => {
  const intermediate = await generateCertificate({ ca: root, isCa: true, host: "intermediate" });
  const leaf = await generateCertificate({ ca: intermediate });
  const seen = await checkCertificate(leaf, [], root);
  expect(seen).toMatchObject({
    verdict: "failed",
    advice: expect.stringContaining("does not send the whole chain"),
  });
  expect(await checkCertificate(leaf, [intermediate], root)).toMatchObject({ verdict: "ok" });
});
