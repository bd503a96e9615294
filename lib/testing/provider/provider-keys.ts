import { constants, generateKeyPair, type KeyObject, type SigningOptions, sign } from "node:crypto";
import { promisify } from "node:util";
import { calculateJwkThumbprint, compactVerify, exportJWK, type JWK } from "jose";
import type { SigningAlg } from "./local-provider-options.js";

/** Whose key signs a token: the portal's, another one's, or none (alg `none`). */
export type Signer = "portal" | "stranger" | "nobody";

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JWK;
}

const generate = promisify(generateKeyPair);

/** Signatures are made here and not by jose, which rightly refuses to write a header that lies about its key. */
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

/** An RSA key takes a while to find, and a test suite starts many portals: each process makes its first ones once. */
const firstKeys = new Map<string, Promise<SigningKey>>();

function getFirstKey(alg: SigningAlg, whose: Signer): Promise<SigningKey> {
  const known = firstKeys.get(alg + whose) ?? generateKey(alg);
  firstKeys.set(alg + whose, known);
  return known;
}

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");

export class ProviderKeys {
  readonly alg: SigningAlg;
  /** Newest last. Old keys leave the published set, but the portal still knows the tokens that it signed with them. */
  readonly #own: [SigningKey, ...SigningKey[]];
  readonly #unknownKey: SigningKey;

  private constructor(alg: SigningAlg, first: SigningKey, stranger: SigningKey) {
    this.alg = alg;
    this.#own = [first];
    this.#unknownKey = stranger;
  }

  static async create(alg: SigningAlg): Promise<ProviderKeys> {
    return new ProviderKeys(alg, await getFirstKey(alg, "portal"), await getFirstKey(alg, "stranger"));
  }

  get #current(): SigningKey {
    return this.#own.at(-1) ?? this.#own[0];
  }

  /** The portal's own set has neither `alg` nor `use`; another provider's has both. */
  getPublishedSet(full: boolean): { keys: unknown[] } {
    const { jwk, kid } = this.#current;
    return { keys: [full ? { ...jwk, kid, alg: this.alg, use: "sig" } : { ...jwk, kid }] };
  }

  /** @param keepsName whether the new key has the kid of the old one, as some portals have it */
  async rotate(keepsName = false): Promise<void> {
    const { kid } = this.#current;
    const next = await generateKey(this.alg);
    this.#own.push(keepsName ? { ...next, kid } : next);
  }

  /** A JWT. A stranger's claims to be signed by our key; nobody's is not signed at all. */
  sign(claims: object, header: object = {}, by: Signer = "portal"): string {
    const alg = by === "nobody" ? "none" : this.alg;
    const content = `${encode({ kid: this.#current.kid, alg, ...header })}.${encode(claims)}`;
    return `${content}.${by === "nobody" ? "" : this.createSignature(content, by)}`;
  }

  createSignature(content: string, by: Exclude<Signer, "nobody"> = "portal"): string {
    const [hash, options] = SIGNATURE_OPTIONS[this.alg];
    const { privateKey } = by === "stranger" ? this.#unknownKey : this.#current;
    return sign(hash, Buffer.from(content), { key: privateKey, ...options }).toString("base64url");
  }

  /** What is in a token that the portal signed, however long ago. Nothing for any other. */
  async verify(jwt: string): Promise<Record<string, unknown> | undefined> {
    for (const { publicKey } of this.#own) {
      const opened = await compactVerify(jwt, publicKey, { algorithms: [this.alg] }).catch(() => undefined);
      if (opened) return JSON.parse(Buffer.from(opened.payload).toString()) as Record<string, unknown>;
    }
    return undefined;
  }
}
