import { readFileSync } from "node:fs";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import type { DefaultValue } from "../../lib/settings/option-record.js";
import { OPTION_NAMES, OPTIONS } from "../../lib/settings/option-table.js";

const url = new URL("../../lib/settings/portal-auth-options.ts", import.meta.url);
const file = ts.createSourceFile(url.pathname, readFileSync(url, "utf8"), ts.ScriptTarget.Latest, true);

/** Reads the docstring of each member of the interface PortalAuthOptions. */
function readDocstrings(): Map<string, string> {
  const found = file.statements.find(
    (one): one is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(one) && one.name.text === "PortalAuthOptions",
  );
  return new Map(
    found?.members.map((member) => [
      member.name?.getText(file) ?? "",
      ts
        .getJSDocCommentsAndTags(member)
        .map((doc) => doc.getText(file).replace(/^\s*\* ?/gm, ""))
        .join("\n")
        .replace(/\s+/g, " "),
    ]),
  );
}

const docstrings = readDocstrings();
const records = OPTION_NAMES.map((name) => [name, OPTIONS[name]] as const);

test("every option of PortalAuthOptions has a record, in the same order", () => {
  expect(OPTION_NAMES).toEqual([...docstrings.keys()]);
});

describe("the docstring of an option", () => {
  test.each(records)("names the variable of %s", (name, { variable }) => {
    const named = docstrings.get(name)?.match(/\b(?:PORTAL|SESSION|TOKEN)_[A-Z_]+\b/g) ?? [];
    // PORTAL_REDIRECT_URI, PORTAL_ISSUER and PORTAL_CLIENT_ID may be mentioned in the text of another option.
    if (variable) expect(named).toContain(variable.name);
    else expect(named.filter((one) => one !== "PORTAL_REDIRECT_URI")).toEqual([]);
  });

  test.each(records)("names the default of %s, or says that it is required", (name, record) => {
    const docstring = docstrings.get(name) ?? "";
    const fallback: DefaultValue = record.default;
    if (fallback.kind === "required") {
      expect(docstring).toMatch(/required/i);
      return;
    }
    expect(docstring).toMatch(/default|required unless/i);
    if (fallback.kind === "value") expect(docstring).toMatch(describeInDocstring(name, fallback.value));
  });
});

/** Values that a docstring spells in its own way. */
const SPELT: Readonly<Record<string, RegExp>> = {
  apiOrigins: /default none/i,
  keepSessionKeys: /default none/i,
  sessionClaims: /default none/i,
  languages: /default none/i,
  sessionIdle: /default one day/i,
  sessionAbsolute: /default seven days/i,
  routes: /default \/login, \/callback, \/logout/i,
  store: /default `memory:`/i,
};

const describeInDocstring = (name: string, value: unknown): RegExp =>
  SPELT[name] ?? new RegExp(`default ${JSON.stringify(value).replace(/[{}.]/g, "\\$&")}`, "i");

test("exactly these variables describe one provider, and all others apply to every provider", () => {
  const scoped = records.flatMap(([, { variable }]) =>
    variable && variable.scope !== "shared" ? [variable.name] : [],
  );
  expect(scoped).toEqual([
    "PORTAL_DISCOVERY_URL",
    "PORTAL_INTERNAL_URL",
    "PORTAL_ALLOWED_TENANTS",
    "PORTAL_PROFILE",
    "PORTAL_CLIENT_ID",
    "PORTAL_CLIENT_SECRET",
    "PORTAL_CLIENT_AUTH",
    "PORTAL_SCOPE",
    "PORTAL_AUTH_SOURCE_ID",
    "PORTAL_NONCE",
    "PORTAL_ID_TOKEN_ALG",
    "PORTAL_AUTHORIZATION_URL",
    "PORTAL_TOKEN_URL",
    "PORTAL_JWKS_URL",
    "PORTAL_USERINFO_URL",
    "PORTAL_REVOCATION_URL",
    "PORTAL_LOGOUT_URL",
  ]);
});

test("no option whose variable is a secret is shown in full", () => {
  const secrets = records.filter(([, { variable }]) => variable?.isSecret);
  expect(secrets.map(([name]) => name)).toEqual(["clientSecret", "secret", "store", "tokenEncryptionKey"]);
  for (const [, { show }] of secrets) expect(show("hunter2-hunter2")).not.toContain("hunter2");
});
