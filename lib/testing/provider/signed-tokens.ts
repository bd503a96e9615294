import { createHash, randomUUID } from "node:crypto";
import type { KoaContextWithOIDC } from "oidc-provider";
import { ownClaimsOf } from "./demo-users.js";
import type { Mischief } from "./fault-injection.js";
import type { Keys } from "./keys.js";
import type { SingleLogout } from "./single-logout.js";
import { issuerInTokens, type Settings } from "./test-provider-options.js";

const ID_TOKEN_SECONDS = 1_800;
const MOST_REMEMBERED = 10_000;
const MOST_ISSUED = 3_000;

/** The left half of the hash of the access token. OpenID Connect Core 1.0, section 3.1.3.6. */
function atHash(accessToken: string, alg: string): string {
  const digest = createHash(alg === "EdDSA" ? "sha512" : "sha256")
    .update(accessToken)
    .digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}

export class Tokens {
  readonly #keys: Keys;
  readonly #settings: Settings;
  readonly #mischief: Mischief;
  readonly #singleLogout: SingleLogout;
  /** For each login the `jti` of its newest ID token: an older one is no good as a logout hint. */
  readonly #newest = new Map<string, string>();
  /** Every token that was given to somebody, in order; of very many the newest. */
  readonly issued: string[] = [];

  constructor(keys: Keys, settings: Settings, mischief: Mischief, singleLogout: SingleLogout) {
    this.#singleLogout = singleLogout;
    this.#keys = keys;
    this.#settings = settings;
    this.#mischief = mischief;
  }

  /** The provider's good answer, with the portal's JWTs in place of what the provider issued. */
  dress({ oidc }: KoaContextWithOIDC, issued: Record<string, unknown>): Record<string, unknown> {
    const { AccessToken: access, AuthorizationCode: code, RefreshToken: refresh } = oidc.entities;
    if (!access) throw new Error("a token answer without an access token");
    const { accountId: sub, clientId: aud, scope = "", grantId = "" } = access;
    const iat = Math.floor(Date.now() / 1000) + this.#mischief.aheadSeconds;
    const { tenant } = this.#settings;
    const iss = issuerInTokens(oidc.issuer, this.#settings);
    const issuer = { sub, aud, iss, ...(tenant !== undefined && { tid: tenant }), iat };

    // The provider's own token travels as `jti`, which is where undress() finds it again.
    const accessClaims = { nbf: iat, scope: scope.split(" "), exp: iat + Number(issued["expires_in"]) };
    const access_token = this.#keys.sign(
      { ...issuer, ...accessClaims, jti: issued["access_token"] },
      { typ: "JWT" },
    );

    const { full, echoNonce } = this.#settings;
    const sid = (code ?? refresh)?.sessionUid;
    if (full && code && sid !== undefined) this.#singleLogout.note(sid, sub, aud ?? "");
    const idClaims = {
      ...ownClaimsOf(this.#settings.people.get(sub)),
      ...issuer,
      azp: aud,
      exp: iat + ID_TOKEN_SECONDS,
      jti: `${grantId}.${randomUUID()}`,
      nonce: echoNonce ? code?.nonce : undefined, // there is a code at a login only, so a refresh brings no nonce
      ...(full && {
        at_hash: atHash(access_token, this.#keys.alg),
        auth_time: (code ?? refresh)?.authTime,
        acr: (code ?? refresh)?.acr,
        sid,
      }),
    };
    const id_token = issued["id_token"] === undefined ? undefined : this.#idToken(grantId, idClaims);

    const answer = { ...issued, access_token, id_token, ...this.#mischief.tokenAnswers.shift() };
    for (const token of [
      answer.access_token,
      answer.id_token,
      (answer as Record<string, unknown>)["refresh_token"],
    ])
      if (typeof token === "string") this.issued.push(token);
    if (this.issued.length > MOST_ISSUED) this.issued.splice(0, this.issued.length - MOST_ISSUED);
    return answer;
  }

  #idToken(grantId: string, claims: Record<string, unknown>): string {
    const lie = this.#mischief.idTokens.shift();
    this.#newest.delete(grantId);
    this.#newest.set(grantId, String(claims["jti"]));
    for (const oldest of this.#newest.keys()) {
      if (this.#newest.size <= MOST_REMEMBERED) break;
      this.#newest.delete(oldest);
    }
    const told = { ...claims, ...lie?.claims };
    if (lie?.forge) return lie.forge(told, (content) => this.#keys.signature(content));
    return this.#keys.sign(told, lie?.header, lie?.signedBy);
  }

  /**
   * The token as the provider knows it. What the portal has not signed goes on without its dots: no token that the
   * provider keeps looks like that, and it would not hear of a JWT at revocation.
   */
  async undress(token: string): Promise<string> {
    const opened = await this.#keys.open(token);
    return typeof opened?.["jti"] === "string" ? opened["jti"] : token.replaceAll(".", "");
  }

  /** What a logout hint says, if it is the newest ID token of its login. It may have expired. */
  async openHint(hint: string): Promise<Record<string, unknown> | undefined> {
    const claims = await this.#keys.open(hint);
    const [grantId = ""] = String(claims?.["jti"]).split(".");
    return this.#newest.get(grantId) === claims?.["jti"] ? claims : undefined;
  }
}
