/** A user who can sign in. /userinfo returns all of these claims; the login page shows `name` and `email`. */
export interface DemoUser {
  /** The identifier of the user. */
  readonly sub: string;
  /** The full name. */
  readonly name: string;
  /** The nickname. */
  readonly nickname?: string;
  /** The e-mail address. */
  readonly email?: string;
  /** The time zone, such as `Europe/Berlin`. */
  readonly zoneinfo?: string;
  /** The language (BCP 47). */
  readonly locale?: string;
  /** Further claims, such as `roles`. The ID token contains them too. */
  readonly [claim: string]: unknown;
}

const STANDARD_CLAIMS = ["sub", "name", "nickname", "email", "zoneinfo", "locale"];

/** Returns the claims of a user that are not standard claims. ID tokens contain them. */
export const getCustomClaims = (user: DemoUser | undefined): Record<string, unknown> =>
  Object.fromEntries(Object.entries(user ?? {}).filter(([name]) => !STANDARD_CLAIMS.includes(name)));

/** Lists the names of all claims that these users have. */
export const listClaimNames = (users: Iterable<DemoUser>): string[] => [
  ...new Set([...STANDARD_CLAIMS, ...[...users].flatMap(Object.keys)]),
];

/** The users of a test provider without the option `users`. Their addresses end in .example (RFC 2606). */
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
