import { constants, generateKeyPair, type KeyObject, type SigningOptions, sign } from "node:crypto";
import { promisify } from "node:util";
import { calculateJwkThumbprint, compactVerify, exportJWK, type JWK } from "jose";
import type { SigningAlg } from "./local-provider-options.js";

/** The key that signs a token: the provider's key, an unknown key, or no key (alg `none`). */
export type Signer = "portal" | "stranger" | "nobody";

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JWK;
}

const generate = promisify(generateKeyPair);

/**
 * Options for node:crypto, which creates the signatures. jose would reject a header whose `alg` does not fit
 * the key, and tests need such tokens.
 */
const SIGNATURE_OPTIONS: Record<SigningAlg, readonly [hash: string | null, options: SigningOptions]> = {
  RS256: ["sha256", {}],
  PS256: ["sha256", { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }],
  ES256: ["sha256", { dsaEncoding: "ieee-p1363" }],
  EdDSA: [null, {}],
};

async function generateKey(alg: SigningAlg): Promise<SigningKey> {
  const { privateKey, publicKey } =
    alg === "EdDSA"
      ? await generate("ed25519", {})
      : alg === "ES256"
        ? await generate("ec", { namedCurve: "P-256" })
        : await generate("rsa", { modulusLength: 2048 });
  const jwk = await exportJWK(publicKey);
  return { kid: await calculateJwkThumbprint(jwk), privateKey, publicKey, jwk };
}

/**
 * The first keys of all providers in this process. To generate an RSA key takes long, and tests start many
 * providers.
 */
const firstKeys = new Map<string, Promise<SigningKey>>();

function getFirstKey(alg: SigningAlg, signer: Signer): Promise<SigningKey> {
  const key = firstKeys.get(alg + signer) ?? generateKey(alg);
  firstKeys.set(alg + signer, key);
  return key;
}

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");

/** The signing keys of a provider. */
export class ProviderKeys {
  readonly alg: SigningAlg;
  /**
   * All keys of the provider, the newest last. Old keys are not published. They still verify the tokens that
   * they have signed.
   */
  readonly #own: [SigningKey, ...SigningKey[]];
  readonly #unknownKey: SigningKey;

  private constructor(alg: SigningAlg, first: SigningKey, unknownKey: SigningKey) {
    this.alg = alg;
    this.#own = [first];
    this.#unknownKey = unknownKey;
  }

  static async create(alg: SigningAlg): Promise<ProviderKeys> {
    return new ProviderKeys(alg, await getFirstKey(alg, "portal"), await getFirstKey(alg, "stranger"));
  }

  get #current(): SigningKey {
    return this.#own.at(-1) ?? this.#own[0];
  }

  /**
   * Returns the public key. Tencent CIAM publishes it without `alg` and `use`, standard providers with both.
   */
  getPublishedSet(full: boolean): { keys: unknown[] } {
    const { jwk, kid } = this.#current;
    return { keys: [full ? { ...jwk, kid, alg: this.alg, use: "sig" } : { ...jwk, kid }] };
  }

  /**
   * Creates a new key.
   *
   * @param keepKid whether it has the `kid` of the old key, as with some providers
   */
  async rotate(keepKid = false): Promise<void> {
    const { kid } = this.#current;
    const next = await generateKey(this.alg);
    this.#own.push(keepKid ? { ...next, kid } : next);
  }

  /** Returns a JWT. Its header names the provider's key, also if an unknown key or no key signs it. */
  sign(claims: object, header: object = {}, signer: Signer = "portal"): string {
    const alg = signer === "nobody" ? "none" : this.alg;
    const content = `${encode({ kid: this.#current.kid, alg, ...header })}.${encode(claims)}`;
    return `${content}.${signer === "nobody" ? "" : this.createSignature(content, signer)}`;
  }

  createSignature(content: string, signer: Exclude<Signer, "nobody"> = "portal"): string {
    const [hash, options] = SIGNATURE_OPTIONS[this.alg];
    const { privateKey } = signer === "stranger" ? this.#unknownKey : this.#current;
    return sign(hash, Buffer.from(content), { key: privateKey, ...options }).toString("base64url");
  }

  /** Returns the claims of a token that any key of the provider has signed; undefined for other tokens. */
  async verify(jwt: string): Promise<Record<string, unknown> | undefined> {
    for (const { publicKey } of this.#own) {
      const verified = await compactVerify(jwt, publicKey, { algorithms: [this.alg] }).catch(() => undefined);
      if (verified) return JSON.parse(Buffer.from(verified.payload).toString()) as Record<string, unknown>;
    }
    return undefined;
  }
}
