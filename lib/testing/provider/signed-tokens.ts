import { createHash, randomUUID } from "node:crypto";
import type { KoaContextWithOIDC } from "oidc-provider";
import { getCustomClaims } from "./demo-users.js";
import type { FaultInjection } from "./fault-injection.js";
import { getTokenIssuer, type LocalProviderSettings } from "./local-provider-options.js";
import type { ProviderKeys } from "./provider-keys.js";
import type { SingleLogout } from "./single-logout.js";

const ID_TOKEN_SECONDS = 1_800;
const MAX_LOGINS = 10_000;
const MAX_ISSUED = 3_000;

/** The left half of the hash of the access token. OpenID Connect Core 1.0, section 3.1.3.6. */
function computeAtHash(accessToken: string, alg: string): string {
  const digest = createHash(alg === "EdDSA" ? "sha512" : "sha256")
    .update(accessToken)
    .digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}

export class SignedTokens {
  readonly #keys: ProviderKeys;
  readonly #settings: LocalProviderSettings;
  readonly #faults: FaultInjection;
  readonly #singleLogout: SingleLogout;
  /** For each login the `jti` of its newest ID token: an older one is no good as a logout hint. */
  readonly #newestIds = new Map<string, string>();
  /** Every token that was given to somebody, in order; of very many the newest. */
  readonly issued: string[] = [];

  constructor(
    keys: ProviderKeys,
    settings: LocalProviderSettings,
    faults: FaultInjection,
    singleLogout: SingleLogout,
  ) {
    this.#singleLogout = singleLogout;
    this.#keys = keys;
    this.#settings = settings;
    this.#faults = faults;
  }

  /** The provider's good answer, with the portal's JWTs in place of what the provider issued. */
  replaceTokens({ oidc }: KoaContextWithOIDC, issued: Record<string, unknown>): Record<string, unknown> {
    const { AccessToken: access, AuthorizationCode: code, RefreshToken: refresh } = oidc.entities;
    if (!access) throw new Error("a token answer without an access token");
    const { accountId: sub, clientId: aud, scope = "", grantId = "" } = access;
    const iat = Math.floor(Date.now() / 1000) + this.#faults.aheadSeconds;
    const { tenant } = this.#settings;
    const iss = getTokenIssuer(oidc.issuer, this.#settings);
    const issuer = { sub, aud, iss, ...(tenant !== undefined && { tid: tenant }), iat };

    // The provider's own token travels as `jti`, which is where undress() finds it again.
    const accessClaims = { nbf: iat, scope: scope.split(" "), exp: iat + Number(issued["expires_in"]) };
    const access_token = this.#keys.sign(
      { ...issuer, ...accessClaims, jti: issued["access_token"] },
      { typ: "JWT" },
    );

    const { full, echoNonce } = this.#settings;
    const sid = (code ?? refresh)?.sessionUid;
    if (full && code && sid !== undefined) this.#singleLogout.recordLogin(sid, sub, aud ?? "");
    const idClaims = {
      ...getCustomClaims(this.#settings.users.get(sub)),
      ...issuer,
      azp: aud,
      exp: iat + ID_TOKEN_SECONDS,
      jti: `${grantId}.${randomUUID()}`,
      nonce: echoNonce ? code?.nonce : undefined, // there is a code at a login only, so a refresh brings no nonce
      ...(full && {
        at_hash: computeAtHash(access_token, this.#keys.alg),
        auth_time: (code ?? refresh)?.authTime,
        acr: (code ?? refresh)?.acr,
        sid,
      }),
    };
    const id_token = issued["id_token"] === undefined ? undefined : this.#idToken(grantId, idClaims);

    const response = { ...issued, access_token, id_token, ...this.#faults.tokenResponseChanges.shift() };
    for (const token of [
      response.access_token,
      response.id_token,
      (response as Record<string, unknown>)["refresh_token"],
    ])
      if (typeof token === "string") this.issued.push(token);
    if (this.issued.length > MAX_ISSUED) this.issued.splice(0, this.issued.length - MAX_ISSUED);
    return response;
  }

  #idToken(grantId: string, claims: Record<string, unknown>): string {
    const changes = this.#faults.idTokenChanges.shift();
    this.#newestIds.delete(grantId);
    this.#newestIds.set(grantId, String(claims["jti"]));
    for (const oldest of this.#newestIds.keys()) {
      if (this.#newestIds.size <= MAX_LOGINS) break;
      this.#newestIds.delete(oldest);
    }
    const changed = { ...claims, ...changes?.claims };
    if (changes?.forge) return changes.forge(changed, (content) => this.#keys.createSignature(content));
    return this.#keys.sign(changed, changes?.header, changes?.signedBy);
  }

  /**
   * The token as the provider knows it. What the portal has not signed goes on without its dots: no token that the
   * provider keeps looks like that, and it would not hear of a JWT at revocation.
   */
  async toProviderToken(token: string): Promise<string> {
    const opened = await this.#keys.verify(token);
    return typeof opened?.["jti"] === "string" ? opened["jti"] : token.replaceAll(".", "");
  }

  /** What a logout hint says, if it is the newest ID token of its login. It may have expired. */
  async verifyLogoutHint(hint: string): Promise<Record<string, unknown> | undefined> {
    const claims = await this.#keys.verify(hint);
    const [grantId = ""] = String(claims?.["jti"]).split(".");
    return this.#newestIds.get(grantId) === claims?.["jti"] ? claims : undefined;
  }
}
