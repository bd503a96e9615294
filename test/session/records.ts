import { getUserListName } from "../../lib/session/login-index.js";
import type { LoginRecord } from "../../lib/session/login-record.js";
import type { RecordStore } from "../../lib/store/record-store.js";
import type { Browser } from "../support/browser.js";
import { CLIENT_ID, type World } from "../support/world.js";

/** Creates a complete login record. These members replace its own. */
export function loginRecord(members: Partial<LoginRecord> = {}): LoginRecord {
  return {
    tokens: { access_token: "secret-access", token_type: "bearer", refresh_token: "secret-refresh" },
    claims: { sub: "amara", name: "Amara" },
    started_at: 1,
    issuer: "https://portal.example",
    client_id: "app",
    redirect_uri: "https://app.example/callback",
    version: 3,
    obtained_at: 2,
    login_id: "the-login",
    session_id: "the-session",
    idle_ms: 60_000,
    ...members,
  };
}

/** Returns the key of the login of this browser's session in our store. */
export async function keyOfSession(browser: Browser, url: string): Promise<string> {
  const value = (await browser.cookies(url)).get("portal-session") ?? "";
  return `s:${/^s:([^.]+)\./.exec(decodeURIComponent(value))?.[1]}`;
}

/** Returns the name of the list of a user's logins in this world. */
export const userListName = ({ provider }: Pick<World, "provider">, sub = "amara-okafor"): string =>
  getUserListName({ issuer: provider.issuer, client_id: CLIENT_ID, sub });

/** Returns the record keys of the logins of a user of this world. */
export const keysOfLogins = (world: Pick<World, "provider">, { index }: RecordStore, sub?: string) =>
  index.list(userListName(world, sub));
