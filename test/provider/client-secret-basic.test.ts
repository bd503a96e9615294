import { describe, expect, test } from "vitest";
import { clientSecretBasic, formEncode } from "../../lib/provider/client-secret-basic.js";
import { startWorld } from "../support/world.js";

/** Returns the credentials in the Authorization header, decoded from base64. */
async function readCredentials(clientId: string, secret: string): Promise<string> {
  const headers = new Headers();
  await clientSecretBasic(secret)({ issuer: "x" }, { client_id: clientId }, new URLSearchParams(), headers);
  return atob(headers.get("authorization")?.replace(/^Basic /, "") ?? "");
}

describe("client_secret_basic", () => {
  // application/x-www-form-urlencoded (WHATWG URL Standard, section 5.2), as RFC 6749, section 2.3.1,
  // requires
  test.each([
    ["AZaz09-._*", "AZaz09-._*"],
    ["a b", "a+b"],
    ["a+b", "a%2Bb"],
    ["100%", "100%25"],
    ["a:b", "a%3Ab"],
    ["ü", "%C3%BC"],
    ["密", "%E5%AF%86"],
    ["!'()~", "%21%27%28%29%7E"],
    ["/=&?#", "%2F%3D%26%3F%23"],
    ["\ud800", "%EF%BF%BD"],
  ])("encodes %j as %s", async (value, encoded) => {
    expect(formEncode(value)).toBe(encoded);
    expect(await readCredentials(value, value)).toBe(`${encoded}:${encoded}`);
    expect(new URLSearchParams(`v=${encoded}`).get("v")).toBe(Buffer.from(value).toString()); // as a provider decodes it
  });

  test("does not send the secret in the body", async () => {
    const body = new URLSearchParams();
    await clientSecretBasic("secret")({ issuer: "x" }, { client_id: "id" }, body, new Headers());
    expect([...body]).toEqual([]);
  });

  test.each([
    ["my-app.example_1*", "s3cret-with.all_of*them"],
    ["an awkward: id%+", "pass word+%41:!'()~&=/-._*"],
  ])("authenticates the client %j at a real provider", async (clientId, clientSecret) => {
    const { browser, url, asked } = await startWorld({
      provider: { clientId, clientSecret, clientAuth: "client_secret_basic", document: "full" },
      options: { clientId, clientSecret, clientAuth: "client_secret_basic", profile: "openid" },
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const [request] = asked("/oauth2/token");
    expect(request?.headers.authorization).toBe(
      `Basic ${btoa(`${formEncode(clientId)}:${formEncode(clientSecret)}`)}`,
    );
  });
});
