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

/** Returns the left half of the hash of an access token (OpenID Connect Core 1.0, section 3.1.3.6). */
function computeAtHash(accessToken: string, alg: string): string {
  const digest = createHash(alg === "EdDSA" ? "sha512" : "sha256")
    .update(accessToken)
    .digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}

type Claims = Record<string, unknown>;
type Entities = KoaContextWithOIDC["oidc"]["entities"];

/** Replaces the tokens of oidc-provider with JWTs, which Tencent CIAM and many other providers issue. */
export class SignedTokens {
  readonly #keys: ProviderKeys;
  readonly #settings: LocalProviderSettings;
  readonly #faults: FaultInjection;
  readonly #singleLogout: SingleLogout;
  /** The `jti` of the newest ID token of each login. Older ID tokens are invalid as logout hints. */
  readonly #newestIds = new Map<string, string>();
  /** The tokens that were issued, in order. Only the newest are stored. */
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

  /** Returns the token response of oidc-provider with JWTs in place of its tokens. */
  replaceTokens({ oidc }: KoaContextWithOIDC, original: Claims): Claims {
    const { entities } = oidc;
    const { AccessToken: access } = entities;
    if (!access) throw new Error("a token response without an access token");
    const { tenant } = this.#settings;
    const iat = Math.floor(Date.now() / 1000) + this.#faults.aheadSeconds;
    const commonClaims = {
      sub: access.accountId,
      aud: access.clientId,
      iss: getTokenIssuer(oidc.issuer, this.#settings),
      ...(tenant !== undefined && { tid: tenant }),
      iat,
    };
    const accessClaims = {
      ...commonClaims,
      nbf: iat,
      scope: (access.scope ?? "").split(" "),
      exp: iat + Number(original["expires_in"]),
      jti: original["access_token"], // toProviderToken() needs it.
    };
    const access_token = this.#keys.sign(accessClaims, { typ: "JWT" });
    this.#recordLogin(entities);
    const idClaims = this.#createIdClaims(commonClaims, entities, access_token);
    const id_token =
      original["id_token"] === undefined ? undefined : this.#signIdToken(access.grantId ?? "", idClaims);
    const changes = this.#faults.tokenResponseChanges.shift();
    const response: Claims = { ...original, access_token, id_token, ...changes };
    this.#recordIssued([response["access_token"], response["id_token"], response["refresh_token"]]);
    return response;
  }

  /**
   * Records a login, so that the application is notified of a logout. A refresh has no code and is not
   * recorded.
   */
  #recordLogin({ AccessToken: access, AuthorizationCode: code, RefreshToken: refresh }: Entities): void {
    const sid = (code ?? refresh)?.sessionUid;
    if (!this.#settings.full || !access || !code || sid === undefined) return;
    this.#singleLogout.recordLogin(sid, access.accountId, access.clientId ?? "");
  }

  #createIdClaims(
    commonClaims: { sub: string; iat: number },
    entities: Entities,
    accessToken: string,
  ): Claims {
    const { AccessToken: access, AuthorizationCode: code, RefreshToken: refresh } = entities;
    const { full, echoNonce, users } = this.#settings;
    const claims = {
      ...getCustomClaims(users.get(commonClaims.sub)),
      ...commonClaims,
      azp: access?.clientId,
      exp: commonClaims.iat + ID_TOKEN_SECONDS,
      jti: `${access?.grantId ?? ""}.${randomUUID()}`,
      nonce: echoNonce ? code?.nonce : undefined, // Only a login has a code. A refresh has no nonce.
    };
    if (!full) return claims;
    const { authTime, acr, sessionUid } = code ?? refresh ?? {};
    return {
      ...claims,
      at_hash: computeAtHash(accessToken, this.#keys.alg),
      auth_time: authTime,
      acr,
      sid: sessionUid,
    };
  }

  #signIdToken(grantId: string, claims: Claims): string {
    const changes = this.#faults.idTokenChanges.shift();
    this.#newestIds.delete(grantId);
    this.#newestIds.set(grantId, String(claims["jti"]));
    for (const oldest of this.#newestIds.keys()) {
      if (this.#newestIds.size <= MAX_LOGINS) break;
      this.#newestIds.delete(oldest);
    }
    const changedClaims = { ...claims, ...changes?.claims };
    if (changes?.forge) return changes.forge(changedClaims, (content) => this.#keys.createSignature(content));
    return this.#keys.sign(changedClaims, changes?.header, changes?.signedBy);
  }

  #recordIssued(tokens: readonly unknown[]): void {
    for (const token of tokens) if (typeof token === "string") this.issued.push(token);
    if (this.issued.length > MAX_ISSUED) this.issued.splice(0, this.issued.length - MAX_ISSUED);
  }

  /**
   * Returns the token of oidc-provider that belongs to a JWT. From other texts it removes the dots.
   * oidc-provider knows no such token, and its revocation endpoint would reject a JWT.
   */
  async toProviderToken(token: string): Promise<string> {
    const claims = await this.#keys.verify(token);
    return typeof claims?.["jti"] === "string" ? claims["jti"] : token.replaceAll(".", "");
  }

  /**
   * Returns the claims of a logout hint if it is the newest ID token of its login; otherwise undefined. It
   * may have expired.
   */
  async verifyLogoutHint(hint: string): Promise<Claims | undefined> {
    const claims = await this.#keys.verify(hint);
    const [grantId = ""] = String(claims?.["jti"]).split(".");
    return this.#newestIds.get(grantId) === claims?.["jti"] ? claims : undefined;
  }
}
