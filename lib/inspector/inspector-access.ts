import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { parseCookie } from "cookie";
import type { Request, Response } from "express";
import { consoleLog } from "../answer/log.js";
import { readQuery } from "../http/parameters.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { createEncryption } from "../util/encryption.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { collectSecrets, isReachedOverHttps } from "./users.js";

const COOKIE_LIFETIME_MS = 12 * 60 * 60 * 1000;

/**
 * Creates a function that prints the URL, at most once a minute. An open page sends a request every second.
 */
const createLinkReport = () =>
  onceAMinute((link: string) =>
    consoleLog.warn(`inspector(): a request has no valid token. To open the page: ${link} (it works once)`),
  );

const createToken = (): string => randomBytes(24).toString("base64url");

/**
 * Decides which browser may open the inspector: first with a token from the console, which works once, then
 * with a cookie. The IP address and the headers are no proof that a request comes from the developer, because
 * a proxy on this machine may forward it.
 */
export class InspectorAccess {
  #token = createToken();
  /**
   * Encrypts the cookie if no portalAuth() ran before. The secrets of portalAuth() are better: they survive a
   * restart.
   */
  readonly #ownSecret = createToken();
  #reportLink = createLinkReport();

  /** Returns this URL with the token in it. */
  link(address: string | URL): string {
    const url = new URL(address);
    url.searchParams.set("token", this.#token);
    return url.href;
  }

  /**
   * Returns whether the request has a valid cookie or token. A valid token is replaced, and the response sets
   * the cookie.
   */
  authorize(req: Request, res: Response): boolean {
    if (this.#hasCookie(req)) return true;
    if (!this.#hasToken(req)) {
      this.#reportLink(this.link(getPageUrl(req)));
      return false;
    }
    this.#token = createToken();
    this.#reportLink = createLinkReport();
    this.#setCookie(req, res);
    return true;
  }

  #hasToken(req: Request): boolean {
    if (req.method !== "GET" || req.path !== "/") return false;
    return readQuery(req)
      .getAll("token")
      .some((given) => isSame(given, this.#token));
  }

  #hasCookie(req: Request): boolean {
    const encrypted = parseCookie(req.headers.cookie ?? "")[cookieName(req)];
    const decrypted = encrypted
      ? (this.#encryption(req).decrypt(encrypted) as { until: number } | undefined)
      : undefined;
    return decrypted !== undefined && decrypted.until > Date.now();
  }

  #setCookie(req: Request, res: Response): void {
    const value = this.#encryption(req).encrypt({ until: Date.now() + COOKIE_LIFETIME_MS });
    const path = new URL(getPageUrl(req)).pathname.replace(/\/$/, "") || "/";
    res.cookie(cookieName(req), value, {
      httpOnly: true,
      sameSite: "strict",
      secure: isReachedOverHttps(req),
      path,
    });
  }

  #encryption(req: Request) {
    const secrets = collectSecrets(req);
    return createEncryption(secrets.length > 0 ? secrets : [this.#ownSecret], "inspector");
  }
}

/** Browsers send cookies to all ports of a host, and another app may use another port. */
const cookieName = (req: Request): string => `portal-inspector-${new URL(getPageUrl(req)).port || "default"}`;

/**
 * Returns the URL of the page in the browser of this request. Its Host has been checked to be a loopback
 * name.
 */
function getPageUrl(req: Request): string {
  const scheme = (req.socket as TLSSocket).encrypted ? "https" : "http";
  return new URL(sanitizeReturnTo(`${req.baseUrl}/`), `${scheme}://${req.headers.host}`).href;
}

/** Returns whether two texts are equal, in constant time for all lengths. */
const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
