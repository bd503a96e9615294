import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Claims, PortalAuthError } from "../../lib/index.js";
import { createDiscovery, type Provider } from "../../lib/provider/discovery.js";
import { exchangeCode } from "../../lib/provider/exchange-code.js";
import { refreshTokens } from "../../lib/provider/refresh-tokens.js";
import { verifyLogoutToken } from "../../lib/provider/verify-logout-token.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";
import { startTestProvider, type TestProvider } from "../../lib/testing/index.js";
import { SESSION_SECRET } from "../support/world.js";

// The tables of lib/provider/README.md say which checks happen, in which order, and with which error code.
// For each row this test creates a token that fails exactly this check. A row without a case fails, and a
// case without a row as well.

const LIB = new URL("../../lib/provider/", import.meta.url);
const README = await readFile(new URL("README.md", LIB), "utf8");

/** Returns the rows of the first table below a heading, as the text of their cells without backticks. */
function readTable(heading: string): string[][] {
  const [, section = ""] = README.split(`\n## ${heading}\n`);
  const [, , ...rows] = section.split("\n## ", 1)[0]?.match(/^\|.*\|$/gm) ?? [];
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.replaceAll("`", "").trim()),
  );
}

interface Row {
  readonly name: string;
  readonly checkedBy: string;
  /** The error code; undefined if the check does not happen. */
  readonly code: string | undefined;
}

function readRows(heading: string, column: number): Row[] {
  return readTable(heading)
    .map(([part, check, checkedBy = "", ...codes]) => {
      const code = codes[column];
      return { name: `${part} ${check}`, checkedBy, code: code === "–" ? undefined : code };
    })
    .filter(({ code }) => code !== undefined);
}

const OUR_TENANT = "11111111-2222-3333-4444-555555555555";
const SECOND_TENANT = "22222222-2222-3333-4444-555555555555";
const OTHER_TENANT = "99999999-2222-3333-4444-555555555555";

const TOLERANCE_SECONDS = 30;
const now = () => Math.floor(Date.now() / 1000);

/** A token before it is signed. A case changes it so that it fails one check. */
interface Draft {
  readonly issuerOf: (tenant: string) => string;
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  /** The claims of the previous ID token, for a refresh. */
  previous: Record<string, unknown>;
  /** Replaces the encoded header. */
  headerText?: string;
  /** Replaces the encoded claims. */
  payloadText?: string;
  hasWrongSignature?: boolean;
  /** Changes the signed token. */
  finish?: (jwt: string) => unknown;
}

interface Case {
  readonly change: (draft: Draft) => void;
  /** The detail of the error, if the code does not identify the check. */
  readonly detail?: RegExp;
  /** There is no token that could fail another check as well. */
  readonly isWithoutToken?: boolean;
}

const claim = (claims: Record<string, unknown> | (() => Record<string, unknown>), detail?: RegExp): Case => ({
  change: (draft) => {
    Object.assign(draft.claims, typeof claims === "function" ? claims() : claims);
  },
  ...(detail && { detail }),
});

const tenant = (id: string, detail: RegExp): Case => ({
  change: ({ claims, issuerOf }) => {
    Object.assign(claims, { tid: id, iss: issuerOf(id) });
  },
  detail,
});

const header = (members: Record<string, unknown>, detail: RegExp): Case => ({
  change: (draft) => {
    Object.assign(draft.header, members);
  },
  detail,
});

const previous = (claims: Record<string, unknown>, detail: RegExp): Case => ({
  change: (draft) => {
    Object.assign(draft.previous, claims);
  },
  detail,
});

const headerText = (text: string, detail: RegExp): Case => ({
  change: (draft) => {
    draft.headerText = text;
  },
  detail,
});

const payloadText = (text: string, detail: RegExp): Case => ({
  change: (draft) => {
    draft.payloadText = text;
  },
  detail,
});

const finish = (write: (jwt: string) => unknown, detail?: RegExp): Case => ({
  change: (draft) => {
    draft.finish = write;
  },
  ...(detail && { detail }),
});

const wrongSignature = (detail: RegExp): Case => ({
  change: (draft) => {
    draft.hasWrongSignature = true;
  },
  detail,
});

function nest(levels: number): unknown {
  let nested: unknown = {};
  for (let level = 0; level < levels; level += 1) nested = { nested };
  return nested;
}

const ID_TOKEN_CASES: Record<string, Case> = {
  "id_token is a non-empty string, if present": finish(() => 42, /"id_token" property must be a string/),
  "id_token is not encrypted": finish((jwt) => `${jwt}.x.x`, /JWE decryption is not configured/),
  "id_token has three parts": finish((jwt) => `${jwt}.x`, /^Invalid JWT$/),
  "header is JSON in base64url": headerText("no JSON", /failed to parse JWT Header/),
  "header is an object": headerText("[]", /JWT Header must be a top level object/),
  "alg is an accepted algorithm": header({ alg: "ES256" }, /signed with ES256, expected RS256/),
  "crit is absent": header({ crit: ["exp"] }, /"crit" header/),
  "payload is JSON in base64url": payloadText("no JSON", /failed to parse JWT Payload/),
  "payload is an object": payloadText("[]", /JWT Payload must be a top level object/),
  "exp is a number, if present": claim({ exp: "tomorrow" }, /"exp" .* claim type/),
  "iat is a number, if present": claim({ iat: "today" }, /"iat" .* claim type/),
  "iss is a string, if present": claim({ iss: ["https://a.example"] }, /"iss" .* claim type/),
  "nbf is a number, if present": claim({ nbf: "today" }, /"nbf" .* claim type/),
  "aud is a string or a list, if present": claim({ aud: 7 }, /"aud" .* claim type/),
  "aud is present": claim({ aud: undefined }, /"aud" .* claim missing/),
  "exp is present": claim({ exp: undefined }, /"exp" .* claim missing/),
  "iat is present": claim({ iat: undefined }, /"iat" .* claim missing/),
  "iss is present": claim({ iss: undefined }, /"iss" .* claim missing/),
  "sub is present": claim({ sub: undefined }, /"sub" .* claim missing/),
  "iss is the issuer of the discovery document": claim({ iss: "https://a.example" }, /^claim iss: received/),
  "aud contains the client id": claim({ aud: "other-app" }, /^claim aud: received other-app/),
  "sub is a string": claim({ sub: 7 }, /"sub" .* claim type/),
  "azp is present, if aud has several values": claim(
    { aud: ["test-app", "other-app"], azp: undefined },
    /^claim aud: received test-app, other-app/,
  ),
  "azp is the client id, if aud has several values": claim(
    { aud: ["test-app", "other-app"], azp: "other-app" },
    /^claim azp$/,
  ),
  "auth_time is a number of at least 0, if present": claim({ auth_time: "now" }, /ID Token "auth_time"/),
  "id_token is present": { ...finish(() => undefined), isWithoutToken: true },
  "signature matches a key of the provider, before the claims are used": wrongSignature(
    /ERR_JWS_SIGNATURE_VERIFICATION_FAILED/,
  ),
  "payload has at most 64 levels": claim({ nested: nest(64) }, /^over 64 levels deep$/),
  "tid is an allowed tenant, if the issuer has tenants": tenant(OTHER_TENANT, /^claim tid/),
  "typ is not that of an access token or a logout token": header({ typ: "at+jwt" }, /^typ$/),
  "sub has 1 to 255 characters": claim({ sub: "" }, /^claim sub$/),
  "azp is the client id, if present": claim({ azp: "other-app" }, /^claim azp$/),
  "at_hash is the hash of the access token, if present": claim({ at_hash: "other" }, /^claim at_hash$/),
  "iss is that of the previous ID token": tenant(SECOND_TENANT, /^claim iss$/),
  "sub is that of the login": claim({ sub: "jonas-weber" }, /^claim sub$/),
  "aud is that of the previous ID token": previous({ aud: ["test-app", "other-app"] }, /^claim aud$/),
  "azp is that of the previous ID token, if present": previous({ azp: undefined }, /^claim azp$/),
  "nonce is that of the login, if both have one": claim({ nonce: "other" }),
  "signature matches a key of the provider, after the comparisons": wrongSignature(
    /ERR_JWS_SIGNATURE_VERIFICATION_FAILED/,
  ),
  "exp is not in the past": claim(() => ({ exp: now() - TOLERANCE_SECONDS - 10 }), /^claim exp: /),
  "nbf is not in the future, if present": claim(
    () => ({ nbf: now() + TOLERANCE_SECONDS + 10 }),
    /^claim nbf: /,
  ),
  "iat is not in the future": claim(() => ({ iat: now() + TOLERANCE_SECONDS + 10 }), /^claim iat: /),
  "nonce is the one that was sent": claim({ nonce: "other" }),
  "acr is a requested one, if the application requires one": claim(
    { acr: "bronze" },
    /^claim acr: none of gold/,
  ),
  "auth_time is present, if max_age was sent": claim({ auth_time: undefined }, /^claim auth_time missing$/),
  "auth_time is not in the future, if max_age was sent": claim(
    () => ({ auth_time: now() + TOLERANCE_SECONDS + 10 }),
    /^claim auth_time$/,
  ),
  "auth_time is within max_age": claim(() => ({ auth_time: now() - 1000 }), /^claim auth_time: \d+ s ago$/),
};

const LOGOUT_TOKEN_CASES: Record<string, Case> = {
  "token is a JWT": finish(() => "opaque", /^not a signed JWT$/),
  "crit is absent": header({ crit: ["exp"] }, /^crit$/),
  "typ is absent, JWT or logout+jwt": header({ typ: "at+jwt" }, /^typ$/),
  "tid is an allowed tenant, if the issuer has tenants": tenant(OTHER_TENANT, /^claim tid/),
  "iss is the issuer of the discovery document": claim({ iss: "https://a.example" }, /^claim iss: received/),
  "aud contains the client id": claim({ aud: "other-app" }, /^claim aud: received other-app/),
  "exp is not in the past": claim(() => ({ exp: now() - TOLERANCE_SECONDS - 10 }), /^claim exp/),
  "nbf is not in the future, if present": claim(
    () => ({ nbf: now() + TOLERANCE_SECONDS + 10 }),
    /^claim nbf/,
  ),
  "iat is a time, and not in the future": claim(
    () => ({ iat: now() + TOLERANCE_SECONDS + 10 }),
    /^claim iat/,
  ),
  "sub or sid is present": claim({ sub: undefined, sid: undefined }, /^neither sub nor sid$/),
  "sub has 1 to 255 characters, if present": claim({ sub: "" }, /^claim sub$/),
  "sid has 1 to 255 characters, if present": claim({ sid: 7 }, /^claim sid$/),
  "events contains the logout event": claim({ events: {} }, /^claim events$/),
  "nonce is absent": claim({ nonce: "n" }, /^claim nonce$/),
  "jti has 1 to 255 characters": claim({ jti: "" }, /^claim jti$/),
  "alg is an accepted algorithm": header({ alg: "ES256" }, /ERR_JOSE_ALG_NOT_ALLOWED/),
  "signature matches a key of the provider": wrongSignature(/ERR_JWS_SIGNATURE_VERIFICATION_FAILED/),
};

const ACCESS_TOKEN = "an-access-token";
const SECRETS = { state: "state", nonce: "nonce", code_verifier: "x".repeat(43) };

const encode = (text: string) => Buffer.from(text).toString("base64url");

let testProvider: TestProvider;
let provider: Provider;
let sign: (content: string) => string;

beforeAll(async () => {
  testProvider = await startTestProvider({
    document: "full",
    issuerSuffix: "/{tenantid}/v2.0",
    tenant: OUR_TENANT,
  });
  const settings = resolveSettings(
    {
      ...testProvider.options,
      redirectUri: "http://127.0.0.1/callback",
      secret: SESSION_SECRET,
      allowedTenants: [OUR_TENANT, SECOND_TENANT],
      nonce: "required",
      clockTolerance: TOLERANCE_SECONDS,
    },
    {},
  );
  provider = await createDiscovery(settings)();
  const forge = (_claims: unknown, signWithKey: typeof sign) => {
    sign = signWithKey;
    return "";
  };
  testProvider.logoutToken({ sub: "amara-okafor" }, { forge });
});

afterAll(() => testProvider.close());

/** Returns an ID token that passes all checks, and the previous one of the same login. */
function draftIdToken(): Draft {
  const issuerOf = (id: string) => `${testProvider.issuer}/${id}/v2.0`;
  const claims = {
    iss: issuerOf(OUR_TENANT),
    tid: OUR_TENANT,
    sub: "amara-okafor",
    aud: "test-app",
    azp: "test-app",
    exp: now() + 600,
    iat: now(),
    nonce: SECRETS.nonce,
    acr: "gold",
    auth_time: now() - 5,
    at_hash: createHash("sha256").update(ACCESS_TOKEN).digest().subarray(0, 16).toString("base64url"),
  };
  return { issuerOf, header: { alg: "RS256", typ: "JWT" }, claims, previous: { ...claims } };
}

/** Returns a logout token that passes all checks. */
function draftLogoutToken(): Draft {
  const { claims, ...draft } = draftIdToken();
  const { iss, tid, sub, aud, exp, iat } = claims;
  const events = { "http://schemas.openid.net/event/backchannel-logout": {} };
  return { ...draft, claims: { iss, tid, sub, aud, exp, iat, sid: "a-session", events, jti: "a-token" } };
}

function writeToken({ header: members, claims, ...draft }: Draft): unknown {
  const headerPart = encode(draft.headerText ?? JSON.stringify(members));
  const payloadPart = encode(draft.payloadText ?? JSON.stringify(claims));
  const content = `${headerPart}.${payloadPart}`;
  const jwt = `${content}.${sign(draft.hasWrongSignature ? "another token" : content)}`;
  return draft.finish ? draft.finish(jwt) : jwt;
}

function respondWith(id_token: unknown): void {
  const response = { access_token: ACCESS_TOKEN, token_type: "Bearer", expires_in: 300, id_token };
  testProvider.answerNext("/oauth2/token", (_req, res) => {
    res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(response));
  });
}

async function signIn(draft: Draft): Promise<void> {
  respondWith(writeToken(draft));
  const expected = { ...SECRETS, max_age: 60, acr: ["gold"] };
  await exchangeCode(provider, "a-code", expected, () => {});
}

async function refresh(draft: Draft): Promise<void> {
  respondWith(writeToken(draft));
  const { sub, azp, nonce } = draft.previous;
  const { unverified } = await refreshTokens(
    provider,
    {
      tokens: {
        access_token: "old",
        token_type: "bearer",
        refresh_token: "a-refresh-token",
        id_token: `${encode('{"alg":"RS256"}')}.${encode(JSON.stringify(draft.previous))}.x`,
      },
      claims: { sub, azp, nonce } as Claims,
    },
    { isUnclearRefusalFinal: false, endsAt: performance.now() + 10_000 },
  );
  if (unverified) throw unverified;
}

async function logOut(draft: Draft): Promise<void> {
  await verifyLogoutToken(provider, String(writeToken(draft)));
}

async function findError(work: Promise<unknown>): Promise<PortalAuthError | undefined> {
  return work.then(
    () => undefined,
    (error: PortalAuthError) => error,
  );
}

const ID_TOKEN_ROWS = {
  signIn: readRows("Checks of an ID token", 0),
  refresh: readRows("Checks of an ID token", 1),
};
const LOGOUT_TOKEN_ROWS = readRows("Checks of a logout token", 0);

describe.each([
  { when: "at sign-in", rows: ID_TOKEN_ROWS.signIn, cases: ID_TOKEN_CASES, draft: draftIdToken, run: signIn },
  {
    when: "at a refresh",
    rows: ID_TOKEN_ROWS.refresh,
    cases: ID_TOKEN_CASES,
    draft: draftIdToken,
    run: refresh,
  },
  {
    when: "in a logout token",
    rows: LOGOUT_TOKEN_ROWS,
    cases: LOGOUT_TOKEN_CASES,
    draft: draftLogoutToken,
    run: logOut,
  },
])("$when", ({ rows, cases, draft, run }) => {
  const getCase = (name: string): Case => {
    const found = cases[name];
    if (!found) throw new Error(`no case for the row "${name}"`);
    return found;
  };

  async function expectFailure(token: Draft, { code, name }: Row, others = ""): Promise<void> {
    const error = await findError(run(token));
    expect([name, others, error?.code]).toEqual([name, others, code]);
    const { detail } = getCase(name);
    if (detail) expect(error?.detail, `${name}; ${others}`).toMatch(detail);
  }

  test("a token that fails no check is accepted", async () => {
    expect(await findError(run(draft()))).toBeUndefined();
  });

  test.each(rows)("$name: $code if the check fails", async (row) => {
    const token = draft();
    getCase(row.name).change(token);
    await expectFailure(token, row);
  });

  test.each(rows)("$name: comes before each later check", async (row) => {
    const { change, isWithoutToken } = getCase(row.name);
    if (isWithoutToken) return;
    for (const later of rows.slice(rows.indexOf(row) + 1)) {
      const laterCase = getCase(later.name);
      if (laterCase.isWithoutToken) continue;
      const token = draft();
      laterCase.change(token);
      change(token);
      await expectFailure(token, row, later.name);
    }
  });
});

test("each case has a row in the README", () => {
  const idTokenRows = new Set([...ID_TOKEN_ROWS.signIn, ...ID_TOKEN_ROWS.refresh].map(({ name }) => name));
  expect(new Set(Object.keys(ID_TOKEN_CASES))).toEqual(idTokenRows);
  expect(new Set(Object.keys(LOGOUT_TOKEN_CASES))).toEqual(
    new Set(LOGOUT_TOKEN_ROWS.map(({ name }) => name)),
  );
});

test('each function in the column "checked by" exists', async () => {
  const ownFiles = (await readdir(LIB)).filter((name) => name.endsWith(".ts"));
  const own = await Promise.all(ownFiles.map((name) => readFile(new URL(name, LIB), "utf8")));
  const library = await readFile(new URL(import.meta.resolve("oauth4webapi")), "utf8");
  const sources: Record<string, string> = { we: own.join("\n"), oauth4webapi: library, jose: own.join("\n") };
  for (const { checkedBy } of [...ID_TOKEN_ROWS.signIn, ...ID_TOKEN_ROWS.refresh, ...LOGOUT_TOKEN_ROWS]) {
    const [who = "", name] = checkedBy.split(": ");
    expect(sources[who], checkedBy).toMatch(new RegExp(`\\b${name}\\b`));
  }
});
