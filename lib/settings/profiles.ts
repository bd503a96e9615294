/**
 * - "required": a nonce is sent, and the ID token must contain it.
 * - "optional": a nonce is sent, and the ID token may omit it.
 * - "off": no nonce is sent.
 */
export type NoncePolicy = "required" | "optional" | "off";

/** The behaviour of a family of providers for everything that the discovery document omits. */
export interface Profile {
  readonly name: string;
  readonly nonce: NoncePolicy;
  /** Paths below the issuer, for endpoints that the discovery document omits. */
  readonly endpoints: {
    readonly userinfo?: string;
    readonly revocation?: string;
    readonly logout?: string;
  };
  /** The parameters of the logout endpoint: "openid" means those of RP-Initiated Logout 1.0. */
  readonly logoutParameters: "tencent-ciam" | "openid";
}

export const PROFILES = {
  /**
   * Tencent Cloud CIAM, product pages 1148/51469 to 52259. Its documented ID token contains no nonce.
   * PKCE prevents the same attack.
   */
  "tencent-ciam": {
    name: "tencent-ciam",
    nonce: "optional",
    endpoints: {
      userinfo: "/userinfo",
      revocation: "/oauth2/revoke",
      logout: "/logout",
    },
    logoutParameters: "tencent-ciam",
  },
  /** All other providers: everything comes from discovery. */
  openid: { name: "openid", nonce: "required", endpoints: {}, logoutParameters: "openid" },
} as const satisfies Record<string, Profile>;

/** The names of the known profiles: see PORTAL_PROFILE. */
export type ProfileName = keyof typeof PROFILES;

/**
 * Returns the name of the profile for an issuer's host: "tencent-ciam" for a subdomain of tencentciam.com,
 * else "openid". A CIAM tenant with its own domain needs the option `profile`.
 */
export function detectProfile(issuer: URL): ProfileName {
  return issuer.hostname.endsWith(".tencentciam.com") ? "tencent-ciam" : "openid";
}
