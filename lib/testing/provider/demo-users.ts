/** Somebody who can log in. Everything here is what /userinfo tells; `sub` and `name` are on the login page too. */
export interface DemoUser {
  /** The person's identifier. */
  readonly sub: string;
  /** The full name. */
  readonly name: string;
  /** How they are called. */
  readonly nickname?: string;
  /** The e-mail address. */
  readonly email?: string;
  /** The time zone. */
  readonly zoneinfo?: string;
  /** The language (BCP 47). */
  readonly locale?: string;
  /** Claims of your own, such as `roles`: they are in the ID token as well. */
  readonly [claim: string]: unknown;
}

const STANDARD_CLAIMS = ["sub", "name", "nickname", "email", "zoneinfo", "locale"];

/** What of somebody no portal is known to tell by itself, so that it is the application's. */
export const getCustomClaims = (user: DemoUser | undefined): Record<string, unknown> =>
  Object.fromEntries(Object.entries(user ?? {}).filter(([name]) => !STANDARD_CLAIMS.includes(name)));

/** What these people may tell of themselves. */
export const listClaimNames = (users: Iterable<DemoUser>): string[] => [
  ...new Set([...STANDARD_CLAIMS, ...[...users].flatMap(Object.keys)]),
];

/** The addresses end in .example, which belongs to nobody (RFC 2606). */
export const DEMO_USERS: readonly DemoUser[] = [
  {
    sub: "lin-xiaoyu",
    name: "Lin Xiaoyu 林小雨",
    nickname: "Xiaoyu",
    email: "xiaoyu@teahouse.example",
    zoneinfo: "Asia/Shanghai",
    locale: "zh-CN",
  },
  {
    sub: "amara-okafor",
    name: "Amara Okafor",
    nickname: "Amara",
    email: "amara@lighthouse.example",
    zoneinfo: "Africa/Lagos",
    locale: "en-NG",
  },
  {
    sub: "jonas-weber",
    name: "Jonas Weber",
    nickname: "Jonas",
    email: "jonas@bakery.example",
    zoneinfo: "Europe/Berlin",
    locale: "de-DE",
  },
  {
    sub: "sofia-rios",
    name: "Sofía Ríos",
    nickname: "Sofi",
    email: "sofia@observatory.example",
    zoneinfo: "America/Bogota",
    locale: "es-CO",
  },
];
