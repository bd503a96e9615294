/** Whether the ID token must carry the nonce that was sent, may carry it, or none is sent at all. */
export type NoncePolicy = "required" | "optional" | "off";

/** What a family of portals does where its discovery document is silent. */
export interface Profile {
  readonly name: string;
  readonly nonce: NoncePolicy;
  /** Addresses relative to the issuer, for what discovery leaves out. */
  readonly endpoints: {
    readonly userinfo?: string;
    readonly revocation?: string;
    readonly logout?: string;
  };
  /** Names of the logout parameters: the portal has its own, everybody else follows RP-Initiated Logout 1.0. */
  readonly logoutParameters: "tencent-ciam" | "openid";
}

export const PROFILES = {
  /** Tencent Cloud CIAM, product pages 1148/51469 to 52259. Its documented ID token holds no nonce; PKCE covers the same attack. */
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
  /** Everybody else: all from discovery. */
  openid: { name: "openid", nonce: "required", endpoints: {}, logoutParameters: "openid" },
} as const satisfies Record<string, Profile>;

/** The families that are known: see PORTAL_PROFILE. */
export type ProfileName = keyof typeof PROFILES;

/** A tenant of the portal is known by its host; one with a domain of its own needs PORTAL_PROFILE. */
export function profileOfIssuer(issuer: URL): ProfileName {
  return issuer.hostname.endsWith(".tencentciam.com") ? "tencent-ciam" : "openid";
}
